//! The range of accesses to tensors in the closures of fused kernels, and the checks it needs from the launcher.
//!
//! A kernel relates the extents of its parameters by name, so its author knows which index is inside of which tensor.
//! The tensors that [`fuse`](super::Template::fuse) adds are known to its closures only, which receive coordinates of
//! some view and read other tensors there. So the end of every unprotected access in such a closure must be a formula
//! of the extents: its indices are coordinates, constants, extents, and sums, products, quotients and remainders of
//! these. The launcher then checks that the tensor is large enough. If an index is computed in any other way, the
//! access must be protected (`get`, `set`), or building the kernel fails.

use super::access::{Base, Guard, ViewData, ViewExtent};
use super::builder::{Builder, Caller, with};
use super::expr::Expr;
use crate::ir::{BinaryOp, BufferId, Constraint, Handle, Op, Relation, Scope, ValueId};
use hidet_mapping::IndexExpr;

/// The facts known inside of the running closures.
#[derive(Default)]
pub(crate) struct ReachState {
    /// The coordinates given to each running closure of a fused kernel, outermost first, with their extents. The
    /// closure that binds the views counts as one, without coordinates.
    known: Vec<Vec<(ValueId, IndexExpr)>>,
    /// True if an emitted condition protects the accesses below the view that is accessed.
    protected: bool,
}

/// The reason why the end of an access is unknown.
pub(super) struct Unknown {
    axis: usize,
}

/// Returns true if a closure of a fused kernel is running.
pub(super) fn is_fused() -> bool {
    with(|builder| !builder.reach.known.is_empty()).unwrap_or(false)
}

/// Runs a closure that is given these coordinates, each less than its extent if that is known. Only closures of fused
/// kernels are tracked.
pub(super) fn closure<R>(
    fused: bool,
    index: &[Expr<i32>],
    extents: &[Option<ViewExtent>],
    at: Caller,
    f: impl FnOnce() -> R,
) -> R {
    let before = enter(fused, index, extents, at);
    let result = f();
    leave(fused, before);
    result
}

/// Begins a closure; returns whether accesses were protected before.
fn enter(fused: bool, index: &[Expr<i32>], extents: &[Option<ViewExtent>], at: Caller) -> Option<bool> {
    with(|builder| {
        if fused {
            let known = index.iter().zip(extents).filter_map(|(value, size)| {
                let extent = size.as_ref()?.formula(builder, at)?;
                Some((value.resolve(builder, at), extent))
            });
            let known = known.collect();
            builder.reach.known.push(known);
        }
        std::mem::take(&mut builder.reach.protected)
    })
}

/// Ends a closure.
fn leave(fused: bool, before: Option<bool>) {
    with(|builder| {
        if fused {
            builder.reach.known.pop();
        }
        builder.reach.protected = before.unwrap_or_default();
    });
}

/// Emits code that a condition protects.
pub(super) fn protected(body: &mut dyn FnMut()) {
    let before = with(|builder| std::mem::replace(&mut builder.reach.protected, true));
    body();
    with(|builder| builder.reach.protected = before.unwrap_or_default());
}

/// Checks an unprotected access written in a closure: if its end is unknown, that is a problem of the kernel.
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

/// Checks a part that a closure takes of a tensor: it must end inside, as the kernel that receives it need not protect
/// its accesses.
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

/// Checks an operand of an intrinsic that accesses that many elements of global memory (0: by a rule of its own).
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

/// Makes the launcher check that each coordinate, and the lanes from the last one on, are inside of these extents.
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
            "the end of this access along axis {axis} of {name} is not known to the launcher: in a closure of `fuse`, \
             compute indices from coordinates, extents and numbers by `+`, `*`, `/` and `%`, or protect the access by `get` \
             or `set`"
        );
        builder.problem(message, at);
    }
}

impl ViewExtent {
    /// Returns the extent as a formula, if it is one.
    pub(super) fn formula(&self, builder: &mut Builder, at: Caller) -> Option<IndexExpr> {
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
    /// Returns the buffer that contains the elements, if there is one.
    pub(super) fn buffer(&self) -> Option<BufferId> {
        match &self.base {
            Base::Memory(buffer) | Base::Peer(buffer, _) => Some(*buffer),
            Base::Remapped { view, .. } => view.buffer(),
            Base::Mapped(mapped) => mapped.below.as_ref()?.buffer(),
        }
    }

    /// Returns the exclusive upper bounds of the coordinates of every access, protected or not. A part has none:
    /// protected accesses may exceed its own extents as far as the tensor goes.
    pub(super) fn limits(&self) -> Vec<Option<ViewExtent>> {
        let below = match &self.base {
            Base::Mapped(mapped) => mapped.below.as_ref().map(ViewData::limits),
            _ => None,
        };
        let below = below.unwrap_or_else(|| known(&self.bounds));
        let limit = |coordinate| {
            let mut axes = self.axes.iter().zip(&below);
            let axis = axes.find(|(axis, _)| axis.from == Some(coordinate) && axis.offset.is_none());
            axis.and_then(|(_, limit)| limit.clone())
        };
        (0..self.shape.len()).map(limit).collect()
    }

    /// Returns the coordinates in the view below a remapped one.
    pub(super) fn mapped(&self, place: &[Expr<i32>], at: Caller) -> Vec<Expr<i32>> {
        match &self.base {
            Base::Remapped { map, fused, .. } => closure(*fused, place, &known(&self.bounds), at, || map(place)),
            _ => place.to_vec(),
        }
    }

    /// Returns the coordinates of an access in the view below, and whether the access must be protected: true unless it
    /// is known to be inside of that view.
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

/// Returns the exclusive upper bound of a sum, given those of its operands.
fn sum(a: IndexExpr, b: IndexExpr) -> IndexExpr {
    match (a.as_const(), b.as_const()) {
        (_, Some(b)) => a + (b - 1),
        (Some(a), None) => b + (a - 1),
        (None, None) => a + b - 1,
    }
}

/// Returns extents that are all known.
pub(super) fn known(extents: &[ViewExtent]) -> Vec<Option<ViewExtent>> {
    extents.iter().cloned().map(Some).collect()
}

impl Builder {
    /// Makes the launcher check rules: what is at most what, and the message.
    pub(super) fn check(&mut self, rules: Vec<(IndexExpr, IndexExpr, String)>) {
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

    /// Makes the launcher check that an extent is a multiple of a number.
    pub(super) fn require_multiple(&mut self, left: IndexExpr, of: i64, message: String) {
        let rule = Constraint { left, relation: Relation::MultipleOf, right: of.into(), message };
        if !self.function.constraints.contains(&rule) {
            self.function.constraints.push(rule);
        }
    }

    /// Makes the launcher check that two extents are equal; numbers that differ are a problem of the kernel.
    pub(super) fn require_equal(&mut self, left: IndexExpr, right: IndexExpr, message: String, at: Caller) {
        if left == right {
            return;
        }
        if let (Some(a), Some(b)) = (left.as_const(), right.as_const()) {
            return self.problem(format!("{message}: its extent is {a} instead of {b}"), at);
        }
        let rule = Constraint { left, relation: Relation::Equal, right, message };
        if !self.function.constraints.contains(&rule) {
            self.function.constraints.push(rule);
        }
    }

    pub(super) fn name_of(&self, data: &ViewData) -> String {
        match data.buffer() {
            Some(buffer) => format!("`{}`", self.function.buffers[buffer].name),
            None => "a computed tensor".to_owned(),
        }
    }

    /// Returns a formula with the names of the extents.
    pub(super) fn named(&self, formula: &IndexExpr) -> String {
        let name = |symbol: u32| self.function.dims.iter().nth(symbol as usize).map(|(_, dim)| dim.name.clone());
        formula.text(&|symbol| name(symbol).unwrap_or_else(|| format!("s{symbol}")))
    }

    /// Returns a formula that is greater than the value, if the value is never negative. Adds to `rules` the conditions
    /// for that: what is at most what, and the message. Sums and products that wrap would be too large for any tensor;
    /// a dividend must not wrap.
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
                let by = self.formula(b).filter(|_| self.is_product(b))?;
                let end = self.end(a, rules)?;
                let message = "an index is computed from numbers up to there".to_owned();
                // A product of extents must not wrap either.
                let terms = [Some(&end), matches!(by, IndexExpr::Binary(..)).then_some(&by)];
                let terms = terms.into_iter().flatten();
                rules.extend(terms.map(|term| (term.clone(), i64::from(i32::MAX).into(), message.clone())));
                Some(match (op, by) {
                    (BinaryOp::Rem, by) => by,
                    // An extent of 0 would divide by zero, but then nothing is accessed.
                    (_, by) => end.div_ceil(by.max(1)),
                })
            }
            _ => None,
        }
    }

    /// Returns true for products of extents and positive numbers, which are not negative.
    fn is_product(&self, value: ValueId) -> bool {
        match self.definition(value) {
            Some(Op::Const(constant)) => constant.as_int().is_some_and(|number| number > 0),
            Some(Op::Dim(_)) => true,
            Some(&Op::Binary(BinaryOp::Mul, a, b)) => self.is_product(a) && self.is_product(b),
            _ => false,
        }
    }
}
