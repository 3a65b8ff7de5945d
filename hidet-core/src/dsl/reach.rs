//! How far the closures of a fused kernel reach into tensors, and what the launcher must check for that.
//!
//! A kernel relates the extents of its parameters by their names, so its author knows which index lies inside of which
//! tensor. The tensors that [`fuse`](super::Template::fuse) adds are known to its closures alone, which get coordinates of
//! some view and read other tensors there. So every unprotected access in such a closure must be one whose end is a
//! formula of the extents: its indices are coordinates, constants, extents, and sums, products, quotients and remainders
//! of those. The launcher then checks that the tensor is so large. Whatever else a closure computes an index from, it
//! protects the access (`get`, `set`), or the kernel is not built.

use super::access::{Base, Guard, ViewData, ViewExtent};
use super::builder::{Builder, Caller, with};
use super::expr::Expr;
use crate::ir::{BinaryOp, BufferId, Constraint, Handle, Op, Relation, Scope, ValueId};
use hidet_mapping::IndexExpr;

/// What is known inside of the closures that are running.
#[derive(Default)]
pub(crate) struct ReachState {
    /// The coordinates given to each closure of a fused kernel that runs, the outermost first, with their extents. That
    /// which binds the views is one, without coordinates.
    known: Vec<Vec<(ValueId, IndexExpr)>>,
    /// A condition around what is being emitted protects the accesses below the view that is accessed.
    protected: bool,
}

/// Why the end of an access is not known.
pub(super) struct Unknown {
    axis: usize,
}

/// Whether a closure of a fused kernel is running.
pub(super) fn is_fused() -> bool {
    with(|builder| !builder.reach.known.is_empty()).unwrap_or(false)
}

/// Runs a closure which is given these coordinates, each less than its extent, where that is known. Only the closures of
/// fused kernels count.
pub(super) fn closure<R>(
    fused: bool,
    index: &[Expr<i32>],
    extents: &[Option<ViewExtent>],
    at: Caller,
    f: impl FnOnce() -> R,
) -> R {
    let before = with(|builder| {
        if fused {
            let known = index.iter().zip(extents).filter_map(|(value, size)| {
                let extent = size.as_ref()?.formula(builder, at)?;
                Some((value.resolve(builder, at), extent))
            });
            let known = known.collect();
            builder.reach.known.push(known);
        }
        std::mem::take(&mut builder.reach.protected)
    });
    let result = f();
    with(|builder| {
        if fused {
            builder.reach.known.pop();
        }
        builder.reach.protected = before.unwrap_or_default();
    });
    result
}

/// Emits what a condition protects.
pub(super) fn protected(body: &mut dyn FnMut()) {
    let before = with(|builder| std::mem::replace(&mut builder.reach.protected, true));
    body();
    with(|builder| builder.reach.protected = before.unwrap_or_default());
}

/// An unprotected access that a closure wrote: where its end is unknown, that is a problem of the kernel.
pub(super) fn access(data: &ViewData, index: &[Expr<i32>], lanes: u32, at: Caller) {
    if is_fused() {
        let place = data.place(index);
        with(|builder| {
            let name = builder.name_of(data);
            if let Err(unknown) = claim(builder, &name, &data.bounds, &place, lanes, at) {
                unknown.tell(builder, &name, at);
            }
        });
    }
}

/// A part that a closure takes of a tensor: it must end inside, as the kernel that gets it need not protect its accesses.
pub(super) fn part(data: &ViewData, at: Caller) {
    if !is_fused() {
        return;
    }
    with(|builder| {
        let name = builder.name_of(data);
        for (axis, (place, bound)) in data.axes.iter().zip(&data.bounds).enumerate() {
            let Some(offset) = place.offset else { continue };
            let (offset, mut rules) = (offset.resolve(builder, at), Vec::new());
            let length = match place.from.and_then(|from| data.shape.get(from)) {
                Some(size) => size.formula(builder, at),
                None => Some(1.into()),
            };
            let (end, bound) = (builder.end(offset, &mut rules), bound.formula(builder, at));
            let (Some(end), Some(length), Some(bound)) = (end, length, bound) else {
                return Unknown { axis }.tell(builder, &name, at);
            };
            rules.push((sum(end, length), bound, reaches(axis, &name)));
            builder.check(rules);
        }
    });
}

/// The operand of an intrinsic that reaches so many elements of global memory (0: by a rule of its own).
pub(super) fn operand(builder: &mut Builder, buffer: BufferId, place: &[Expr<i32>], lanes: u32, at: Caller) {
    let found = &builder.function.buffers[buffer];
    if builder.reach.known.is_empty() || found.scope != Scope::Global || lanes == 1 {
        return;
    }
    let bounds: Vec<ViewExtent> = found.shape.iter().cloned().map(ViewExtent::Formula).collect();
    let name = format!("`{}`", found.name);
    match lanes {
        0 => Unknown { axis: bounds.len().saturating_sub(1) }.tell(builder, &name, at),
        lanes => {
            if let Err(unknown) = claim(builder, &name, &bounds, place, lanes, at) {
                unknown.tell(builder, &name, at);
            }
        }
    }
}

/// Asks the launcher to check that each coordinate, and the lanes from the last one on, lie inside of these extents.
fn claim(
    builder: &mut Builder,
    name: &str,
    bounds: &[ViewExtent],
    place: &[Expr<i32>],
    lanes: u32,
    at: Caller,
) -> Result<(), Unknown> {
    let mut rules = Vec::new();
    for (axis, (coordinate, size)) in place.iter().zip(bounds).enumerate() {
        let value = coordinate.resolve(builder, at);
        let (Some(mut end), Some(extent)) = (builder.end(value, &mut rules), size.formula(builder, at)) else {
            return Err(Unknown { axis });
        };
        if axis + 1 == bounds.len() && lanes > 1 {
            // A vector begins at a multiple of its lanes.
            end = end.div_ceil(i64::from(lanes)) * i64::from(lanes);
        }
        rules.push((end, extent, reaches(axis, name)));
    }
    builder.check(rules);
    Ok(())
}

fn reaches(axis: usize, name: &str) -> String {
    format!("axis {axis} of {name} is accessed up to there")
}

impl Unknown {
    fn tell(self, builder: &mut Builder, name: &str, at: Caller) {
        let axis = self.axis;
        let message = format!(
            "where this access along axis {axis} of {name} ends is not known to the launcher: in a closure of `fuse`, an index \
             is computed from coordinates, extents and numbers by `+`, `*`, `/` and `%`; protect any other access, with `get` \
             or `set`"
        );
        builder.problem(message, at);
    }
}

impl ViewExtent {
    /// The extent as a formula, where it is one.
    fn formula(&self, builder: &mut Builder, at: Caller) -> Option<IndexExpr> {
        match self {
            ViewExtent::Formula(formula) => Some(formula.clone()),
            ViewExtent::Value(value) => {
                let value = value.resolve(builder, at);
                builder.formula(value)
            }
        }
    }
}

impl ViewData {
    /// The buffer in which the elements lie, where they do in one.
    pub(super) fn buffer(&self) -> Option<BufferId> {
        match &self.base {
            Base::Memory(buffer) | Base::Peer(buffer, _) => Some(*buffer),
            Base::Remapped { view, .. } | Base::Computed { view: Some(view), .. } => view.buffer(),
            Base::Computed { view: None, .. } => None,
        }
    }

    /// The extents below which the coordinates are of every access, protected or not. A part has none: it may be accessed
    /// outside of its own extents where the tensor goes on.
    pub(super) fn limits(&self) -> Vec<Option<ViewExtent>> {
        let below = match &self.base {
            Base::Computed { view: Some(view), .. } => view.limits(),
            _ => known(&self.bounds),
        };
        let limit = |coordinate| {
            let mut axes = self.axes.iter().zip(&below);
            let axis = axes.find(|(axis, _)| axis.from == Some(coordinate) && axis.offset.is_none());
            axis.and_then(|(_, limit)| limit.clone())
        };
        (0..self.shape.len()).map(limit).collect()
    }

    /// The coordinates in the view below a remapped one.
    pub(super) fn mapped(&self, place: &[Expr<i32>], at: Caller) -> Vec<Expr<i32>> {
        match &self.base {
            Base::Remapped { map, fused, .. } => closure(*fused, place, &known(&self.bounds), at, || map(place)),
            _ => place.to_vec(),
        }
    }

    /// The same for an access, and whether that must be protected: where it is not known to lie inside of the view below.
    pub(super) fn below(&self, place: &[Expr<i32>], lanes: u32, at: Caller) -> (Vec<Expr<i32>>, Guard) {
        let Base::Remapped { view, map, fused: true, .. } = &self.base else {
            return (self.mapped(place, at), Guard::No);
        };
        let protected = with(|builder| builder.reach.protected).unwrap_or(false);
        closure(true, place, &known(&self.bounds), at, || {
            let below = map(place);
            let place = view.place(&below);
            let claimed = || {
                with(|builder| {
                    let name = builder.name_of(view);
                    claim(builder, &name, &view.bounds, &place, lanes, at).is_ok()
                })
            };
            let inside = protected || claimed().unwrap_or(true);
            (below, if inside { Guard::No } else { Guard::Yes })
        })
    }
}

/// What sums are less than of numbers that are less than these.
fn sum(a: IndexExpr, b: IndexExpr) -> IndexExpr {
    match (a.as_const(), b.as_const()) {
        (_, Some(b)) => a + (b - 1),
        (Some(a), None) => b + (a - 1),
        (None, None) => a + b - 1,
    }
}

/// Extents that are known.
pub(super) fn known(extents: &[ViewExtent]) -> Vec<Option<ViewExtent>> {
    extents.iter().cloned().map(Some).collect()
}

impl Builder {
    /// Lets the launcher check what is at most what, and why.
    fn check(&mut self, rules: Vec<(IndexExpr, IndexExpr, String)>) {
        for (left, right, message) in rules {
            let rule = Constraint { left, relation: Relation::LessEqual, right, message };
            let holds = match (rule.left.as_const(), rule.right.as_const()) {
                (Some(left), Some(right)) => left <= right,
                _ => rule.left == rule.right,
            };
            if !holds && !self.function.constraints.contains(&rule) {
                self.function.constraints.push(rule);
            }
        }
    }

    fn name_of(&self, data: &ViewData) -> String {
        match data.buffer() {
            Some(buffer) => format!("`{}`", self.function.buffers[buffer].name),
            None => "a computed tensor".to_owned(),
        }
    }

    /// A formula that is greater than the value, where that is never negative; `rules` gets what must hold for it, as what is
    /// at most what, and why. Sums and products that wrap would be too large for any tensor; what is divided must not wrap.
    fn end(&self, value: ValueId, rules: &mut Vec<(IndexExpr, IndexExpr, String)>) -> Option<IndexExpr> {
        if let Some(Op::Const(constant)) = self.definition(value) {
            return constant.as_int().filter(|number| *number >= 0).map(|number| (number + 1).into());
        }
        let known = self.reach.known.iter().flatten().filter(|(coordinate, _)| *coordinate == value);
        if let Some(extent) = known.map(|(_, extent)| extent.clone()).reduce(|a, b| a.min(b)) {
            return Some(extent);
        }
        match *self.definition(value)? {
            Op::Dim(dim) => Some(IndexExpr::Symbol(dim.index() as u32) + 1),
            Op::Binary(BinaryOp::Add, a, b) => Some(sum(self.end(a, rules)?, self.end(b, rules)?)),
            Op::Binary(BinaryOp::Mul, a, b) => Some((self.end(a, rules)? - 1) * (self.end(b, rules)? - 1) + 1),
            Op::Binary(op @ (BinaryOp::Div | BinaryOp::Rem), a, b) => {
                // An extent of 0 would divide by zero, where nothing is accessed.
                let by = self.formula(b).filter(|by| match by {
                    IndexExpr::Const(number) => *number > 0,
                    by => matches!(by, IndexExpr::Symbol(_)),
                })?;
                let end = self.end(a, rules)?;
                let message = "an index is computed from numbers up to there".to_owned();
                rules.push((end.clone(), i64::from(i32::MAX).into(), message));
                Some(match (op, by) {
                    (BinaryOp::Rem, by) => by,
                    (_, IndexExpr::Const(number)) => (end - 1) / number + 1,
                    _ => end,
                })
            }
            _ => None,
        }
    }
}
