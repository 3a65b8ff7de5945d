//! [`Signature`]: the parameters, extents and launch of a kernel while it is built.

use super::access::{ViewData, ViewExtent};
use super::any::{AnyExpr, AnyView, describe};
use super::argument::{Binding, BindingKind, Mode};
use super::builder::{Caller, UNKNOWN, here, with};
use super::expr::{DeviceType, Expr};
use super::fuse::{ParameterExtent, parameter};
use super::index::compute;
use super::memory::row_major;
use super::view::View;
use crate::ir::{Access, Buffer, Constraint, Dim, Handle, Param, Relation, Scope};
use crate::types::{Element, Scalar, Type};
use hidet_mapping::IndexExpr;
use std::collections::VecDeque;

/// The bindings that no parameter has taken yet, and the source location of all.
#[derive(Debug)]
struct Bindings {
    left: VecDeque<Binding>,
    place: Caller,
}

/// The signature of a kernel being built: declares extents, parameters and launch, in this order.
#[derive(Debug, Default)]
pub struct Signature {
    /// What the parameters are bound to, if the kernel is built as part of another.
    bindings: Option<Bindings>,
    /// Names of the extents, and their symbols.
    dims: Vec<(String, IndexExpr)>,
    /// Declared extents that a view must have: the declared one, the view's, and the message.
    equal: Vec<(IndexExpr, IndexExpr, String)>,
    /// The extents named in the parameters of a fused kernel: name, extent, and location.
    named: Vec<(String, IndexExpr, String)>,
    /// The named extents of the fused kernel that contains this one.
    outer: Vec<(String, IndexExpr, String)>,
    /// The source location of the fusion whose parameters these are.
    pub(super) place: Option<Caller>,
}

impl Signature {
    /// Declares an extent, or returns the one already declared with that name.
    pub fn dim(&mut self, name: &str) -> IndexExpr {
        if let Some((_, known)) = self.dims.iter().find(|(dim, _)| dim == name) {
            return known.clone();
        }
        let symbol = with(|builder| match self.bindings {
            Some(_) => builder.unknown_extent(),
            None => {
                let dim = builder.function.dims.push(Dim { name: name.to_owned() });
                IndexExpr::Symbol(dim.index() as u32)
            }
        });
        let symbol = symbol.unwrap_or_else(|| 0.into());
        self.dims.push((name.to_owned(), symbol.clone()));
        symbol
    }

    /// Parses the name and extents of a parameter of a fused kernel.
    #[track_caller]
    pub(super) fn named<'a, const R: usize>(&mut self, text: &'a str) -> (&'a str, [IndexExpr; R]) {
        let at = self.place.unwrap_or_else(here);
        let (name, shape) = self.named_extents(text, R, at);
        (name, std::array::from_fn(|axis| shape[axis].clone()))
    }

    fn named_extents<'a>(&mut self, text: &'a str, rank: usize, at: Caller) -> (&'a str, Vec<IndexExpr>) {
        let (name, extents) = parameter(text).unwrap_or_else(|message| {
            with(|builder| builder.problem(message, at));
            (text, None)
        });
        if let Some(extents) = extents.as_ref().filter(|extents| extents.len() != rank) {
            let message = format!("`{text}` names {} extents; the tensor has {rank} axes", extents.len());
            with(|builder| builder.problem(message, at));
        }
        let extent = |axis| match extents.as_ref().and_then(|extents| extents.get(axis)) {
            Some(ParameterExtent::Number(number)) => number.clone(),
            Some(ParameterExtent::Name(extent)) => {
                let symbol = self.dim(extent);
                if !self.named.iter().any(|(known, ..)| known == extent) {
                    self.named.push(((*extent).to_owned(), symbol.clone(), format!("axis {axis} of `{name}`")));
                }
                symbol
            }
            None => self.dim(&format!("{name}_{axis}")),
        };
        (name, (0..rank).map(extent).collect())
    }

    /// Returns the signature of the kernel that is built with these bindings as part of this one.
    pub(super) fn inner(&self, bindings: Vec<Binding>, place: Caller) -> Signature {
        let bindings = Some(Bindings { left: bindings.into(), place });
        Signature { bindings, outer: self.named.clone(), ..Signature::default() }
    }

    /// Makes the launcher check that extents agree that must be equal.
    pub(super) fn relate(&mut self) {
        with(|builder| {
            for (name, extent, place) in &self.outer {
                let declared = self.dims.iter().find(|(dim, _)| dim == name).map(|(_, symbol)| builder.known(symbol));
                if let Some(formula) = declared.filter(|formula| !is_unknown(formula)) {
                    self.equal.push((extent.clone(), formula, format!("{place} is the extent `{name}`")));
                }
            }
            for (declared, given, message) in self.equal.drain(..) {
                let (left, right) = (builder.known(&given), builder.known(&declared));
                if left != right {
                    builder.function.constraints.push(Constraint { left, relation: Relation::Equal, right, message });
                }
            }
        });
    }

    /// Returns true if the kernel is built as part of another.
    pub(super) fn is_bound(&self) -> bool {
        self.bindings.is_some()
    }

    /// Reports bindings that no parameter has taken.
    pub(super) fn all_bound(&self, given: usize, kernel: &str) {
        let Some(Bindings { left, place }) = &self.bindings else { return };
        if !left.is_empty() {
            let taken = given - left.len();
            let message = format!("{given} views and numbers are bound to the {taken} parameters of `{kernel}`");
            with(|builder| builder.problem(message, place));
        }
    }

    /// Declares a tensor parameter with these extents.
    #[track_caller]
    pub fn tensor<T: Element, const R: usize, A: Mode>(&mut self, name: &str, shape: [IndexExpr; R]) -> View<T, R, A> {
        self.param(name, T::SCALAR, &shape, A::ACCESS).assume()
    }

    /// Declares a tensor parameter whose type, rank and access are values. Extents with a name, from [`Signature::dim`], are
    /// the same in all parameters: the launcher checks that they agree.
    #[track_caller]
    pub fn param(&mut self, name: &str, elem: Scalar, shape: &[IndexExpr], access: Access) -> AnyView {
        let at = here();
        let dead = AnyView::dead(elem, shape.len(), access);
        if self.bindings.is_none() {
            return with(|builder| {
                let shape = shape.to_vec();
                let layout = row_major(&shape);
                let buffer = builder.function.buffers.push(Buffer {
                    name: name.to_owned(),
                    scope: Scope::Global,
                    elem,
                    shape,
                    layout,
                    align: elem.bytes() as u32,
                    alias: None,
                    entries: None,
                });
                builder.function.params.push(Param::Tensor { buffer, access });
                ViewData::memory(builder, buffer)
            })
            .map_or(dead, |data| AnyView::new(data, access));
        }
        let view = match self.bound(name) {
            Some(BindingKind::Tensor(view)) if view.is(elem, shape.len(), access) => view.accessed(access),
            Some(BindingKind::Tensor(view)) => {
                return self.refused(name, &describe(elem, shape.len(), access), &view.text(), dead);
            }
            Some(BindingKind::Number(number)) => {
                let given = format!("a number of type {}", number.ty());
                return self.refused(name, &describe(elem, shape.len(), access), &given, dead);
            }
            None => return dead,
        };
        let extents = view.data(at).map(|data| data.shape).unwrap_or_default();
        for (axis, (declared, size)) in shape.iter().zip(extents).enumerate() {
            let ViewExtent::Formula(given) = size else {
                with(|builder| builder.problem(format!("extent {axis} of `{name}` is not known to the launcher"), at));
                continue;
            };
            if with(|builder| builder.learn(declared, &given)) != Some(true) {
                self.equal.push((declared.clone(), given, format!("extent {axis} of `{name}`")));
            }
        }
        view
    }

    /// Declares a scalar parameter.
    pub fn scalar<T: DeviceType>(&mut self, name: &str) -> Expr<T> {
        self.value_of(name, T::TYPE).erased().assume()
    }

    /// Declares a scalar parameter whose type is a value.
    pub fn number(&mut self, name: &str, scalar: Scalar) -> AnyExpr {
        self.value_of(name, scalar.into())
    }

    fn value_of(&mut self, name: &str, ty: Type) -> AnyExpr {
        let dead = AnyExpr::dead(ty);
        if self.bindings.is_none() {
            return with(|builder| {
                let value = builder.value(ty);
                builder.function.values[value].name = name.to_owned();
                builder.function.params.push(Param::Scalar { name: name.to_owned(), value });
                AnyExpr::new(Expr::new(builder, value), ty)
            })
            .unwrap_or(dead);
        }
        let wanted = format!("a number of type {ty}");
        match self.bound(name) {
            Some(BindingKind::Number(number)) if number.ty() == ty => number,
            Some(BindingKind::Number(number)) => {
                self.refused(name, &wanted, &format!("a number of type {}", number.ty()), dead)
            }
            Some(BindingKind::Tensor(view)) => self.refused(name, &wanted, &view.text(), dead),
            None => dead,
        }
    }

    /// Returns what the next parameter is bound to; if there is nothing, that is a problem of the kernel.
    fn bound(&mut self, name: &str) -> Option<BindingKind> {
        let Bindings { left, place } = self.bindings.as_mut()?;
        let bound = left.pop_front().map(|binding| binding.0);
        if bound.is_none() {
            with(|builder| builder.problem(format!("nothing is bound to the parameter `{name}`"), place));
        }
        bound
    }

    /// Reports a binding of another type.
    fn refused<T>(&self, name: &str, wanted: &str, given: &str, dead: T) -> T {
        if let Some(Bindings { place, .. }) = &self.bindings {
            let message = format!("the parameter `{name}` is {wanted}; it is bound to {given}");
            with(|builder| builder.problem(message, place));
        }
        dead
    }

    /// Sets the grid, block and cluster along x, y, z, and the minimum number of blocks per multiprocessor (0:
    /// unspecified).
    #[track_caller]
    pub fn launch(&mut self, grid: [IndexExpr; 3], block: [i64; 3], cluster: [i64; 3], min_blocks: i64) {
        let at = here();
        self.relate();
        with(|builder| {
            let grid = grid.map(|extent| builder.known(&extent));
            if let Some((name, _)) = self.dims.iter().find(|(_, symbol)| is_unknown(&builder.known(symbol))) {
                builder.problem(format!("no parameter gives the extent `{name}`"), at);
            }
            let mut extent = |what: &str, least: i64, value: i64| match u32::try_from(value) {
                Ok(value) if i64::from(value) >= least => value,
                _ => {
                    builder.problem(format!("{what} is {value}: it must be at least {least}"), at);
                    1
                }
            };
            let launch = crate::ir::Launch {
                grid,
                block: block.map(|value| extent("an extent of the block", 1, value)),
                cluster: cluster.map(|value| extent("an extent of the cluster", 1, value)),
                min_blocks: extent("min_blocks", 0, min_blocks),
                ..crate::ir::Launch::default()
            };
            builder.function.launch = launch;
            builder.function.place = builder.span(at);
        });
    }

    /// Makes the launch cooperative: all blocks of the grid run at once, so that they can synchronise.
    pub fn cooperative(&mut self) {
        with(|builder| builder.function.launch.cooperative = true);
    }

    /// Makes the launch dependent: the kernel may begin before those ahead of it have ended, and waits for them itself, by
    /// `grid_wait` or else before its first access to global memory.
    pub fn dependent(&mut self) {
        with(|builder| builder.function.launch.dependent = true);
    }

    /// Returns an extent as a device value.
    #[track_caller]
    pub fn value(&self, extent: &IndexExpr) -> Expr<i32> {
        compute(extent)
    }
}

/// Returns true for an extent that no parameter has given yet.
fn is_unknown(extent: &IndexExpr) -> bool {
    matches!(extent, IndexExpr::Symbol(symbol) if *symbol >= UNKNOWN)
}
