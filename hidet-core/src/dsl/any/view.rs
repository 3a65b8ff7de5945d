//! [`AnyView`]: a tensor whose element type and rank are known when the kernel is built.

use super::expr::AnyExpr;
use crate::dsl::access::{Guard, ViewData, ViewExtent, problem};
use crate::dsl::argument::Mode;
use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::Expr;
use crate::dsl::memory::Extent;
use crate::dsl::reach;
use crate::dsl::view::{View, add, lanes_exist};
use crate::ir::Access;
use crate::types::{Element, Scalar, Type};
use hidet_mapping::IndexExpr;

/// A tensor whose element type, rank and access are values: a [`View`] for code that learns them only while the kernel is
/// built. Indices are slices with one coordinate per axis.
///
/// | `View` | `AnyView` |
/// |---|---|
/// | `x.read((i, j))`, `x.get((i, j))` | `x.read(&[i, j])`, `x.get(&[i, j])` |
/// | `x.write((i, j), v)`, `x.set((i, j), v)` | `x.write(&[i, j], v)`, `x.set(&[i, j], v)` |
/// | `x.load::<4>((i, j))` | `x.load(&[i, j], 4)`; protected, `x.load_inside(&[i, j], 4)` |
/// | `x.store((i, j), v)` | `x.store(&[i, j], v)`; protected, `x.store_inside(&[i, j], v)` |
/// | `x.map_with((bias.along([1]),), f)` | `x.map(Scalar::F32, &[bias.along(&[1])], f)` |
///
/// [`typed`](AnyView::typed) returns the `View`, and `AnyView::from(view)` is the way back. Views for
/// [`Template::bind`](crate::dsl::Template::bind) are declared by [`Signature::param`](crate::dsl::Signature::param):
///
/// ```
/// use hidet::ir::Access;
/// use hidet::kernel::RawArg;
/// use hidet::prelude::*;
/// use hidet::types::Scalar;
///
/// kernel! {
///     #[launch(grid = m, block = 32)]
///     fn copy(x: In<f32, [m, n]>, y: Out<f32, [m, n]>) {
///         for j in (thread_idx().x..n).step_by(32) { y[[block_idx().x, j]] = x[[block_idx().x, j]]; }
///     }
/// }
///
/// // Transposes, and converts from a type that is a value.
/// let transposed = |scalar: Scalar| copy().bind("transposed", move |signature| {
///     let [m, n] = ["m", "n"].map(|name| signature.dim(name));
///     let x = signature.param("x", scalar, &[n.clone(), m.clone()], Access::In);
///     let y = signature.param("y", Scalar::F32, &[m, n], Access::Out);
///     vec![x.permute(&[1, 0]).map(Scalar::F32, &[], |value, _, _| value.cast(Scalar::F32)).into(), y.into()]
/// });
/// let device = Device::sim();
/// let (x, mut y) = (device.tensor(&[1i8, 2, 3, 4, 5, 6], [3, 2])?, device.empty::<f32, 2>([2, 3])?);
/// transposed(Scalar::I8).compile(&device)?.launch_raw(&[RawArg::from(&x), RawArg::from(&mut y)])?;
/// assert_eq!(y.to_vec()?, [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
/// # Ok::<(), hidet::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnyView {
    view: View<(), 0, ()>,
    elem: Scalar,
    rank: usize,
    access: Access,
}

impl<T: Element, const R: usize, A: Mode> From<View<T, R, A>> for AnyView {
    fn from(view: View<T, R, A>) -> AnyView {
        AnyView { view: view.retyped(), elem: T::SCALAR, rank: R, access: A::ACCESS }
    }
}

/// Returns the type of a parameter, as it is written.
pub(in crate::dsl) fn describe(elem: Scalar, rank: usize, access: Access) -> String {
    let mode = match access {
        Access::In => "In",
        Access::Out | Access::PartialOut => "Out",
        Access::InOut => "InOut",
    };
    format!("{mode}<{elem}, {rank}>")
}

impl AnyView {
    /// Adds a view to the kernel being built.
    pub(in crate::dsl) fn new(data: ViewData, access: Access) -> AnyView {
        let (elem, rank) = (data.elem, data.shape.len());
        AnyView { view: add(data), elem, rank, access }
    }

    /// Returns a handle that names no view, the result of a mistake.
    pub(in crate::dsl) fn dead(elem: Scalar, rank: usize, access: Access) -> AnyView {
        AnyView { view: View::dead(), elem, rank, access }
    }

    /// Returns the description of the view.
    pub(in crate::dsl) fn data(self, at: Caller) -> Option<ViewData> {
        self.view.data(at)
    }

    /// Returns the same view for another access that it allows.
    pub(in crate::dsl) fn accessed(self, access: Access) -> AnyView {
        AnyView { access, ..self }
    }

    /// Returns true if it can be used as a tensor of that type: an `InOut` also as an `In` or `Out`.
    pub(in crate::dsl) fn is(self, elem: Scalar, rank: usize, access: Access) -> bool {
        let allowed = match self.access {
            Access::In => access == Access::In,
            Access::Out | Access::PartialOut => access.begins_unset(),
            Access::InOut => true,
        };
        allowed && self.elem == elem && self.rank == rank
    }

    /// Returns the view with types known to rustc, without a check.
    pub(in crate::dsl) fn assume<T, const R: usize, A>(self) -> View<T, R, A> {
        self.view.retyped()
    }

    /// Returns its type as it is written: `In<f32, 2>`.
    pub(in crate::dsl) fn text(self) -> String {
        describe(self.elem, self.rank, self.access)
    }

    /// Returns the type of its elements.
    pub fn scalar(self) -> Scalar {
        self.elem
    }

    /// Returns the number of axes.
    pub fn rank(self) -> usize {
        self.rank
    }

    /// Returns the access that it allows.
    pub fn access(self) -> Access {
        self.access
    }

    /// Returns the extents as formulas of the extents of the kernel's parameters. If the launcher does not know one, that
    /// is an error of the kernel; then use [`extent`](AnyView::extent).
    #[track_caller]
    pub fn shape(self) -> Vec<IndexExpr> {
        let at = here();
        let Some(data) = self.data(at) else { return vec![1.into(); self.rank] };
        let formula = |axis: usize, extent: &ViewExtent| {
            let formula = with(|builder| extent.formula(builder, at)).flatten();
            formula.unwrap_or_else(|| {
                problem(&format!("extent {axis} of this tensor is not known to the launcher"), at);
                1.into()
            })
        };
        data.shape.iter().enumerate().map(|(axis, extent)| formula(axis, extent)).collect()
    }

    /// Returns the extent along an axis as a device value.
    #[track_caller]
    pub fn extent(self, axis: usize) -> Expr<i32> {
        let at = here();
        match self.data(at).and_then(|data| data.shape.get(axis).cloned()) {
            Some(extent) => extent.expr(),
            None => {
                problem(&format!("a tensor with {} axes has no axis {axis}", self.rank), at);
                Expr::dead()
            }
        }
    }

    /// Returns the view with types known to rustc: `x.typed::<f32, 2, Read>()` is an `In<f32, 2>`. If it has other types,
    /// that is an error of the kernel. A tensor that is read and written can also be used as one that is read or written.
    #[track_caller]
    pub fn typed<T: Element, const R: usize, A: Mode>(self) -> View<T, R, A> {
        if self.is(T::SCALAR, R, A::ACCESS) {
            return self.assume();
        }
        problem(&format!("a tensor {} is used as {}", self.text(), describe(T::SCALAR, R, A::ACCESS)), here());
        View::dead()
    }

    /// Returns the element at an index.
    #[track_caller]
    pub fn read(self, index: &[Expr<i32>]) -> AnyExpr {
        let at = here();
        match self.accessible(index, at) {
            Some(data) => {
                reach::access(&data, index, 1, at);
                AnyExpr::new(data.load(index, Guard::No, at), self.elem)
            }
            None => AnyExpr::dead(self.elem),
        }
    }

    /// Returns the element at an index, or zero outside of the tensor.
    #[track_caller]
    pub fn get(self, index: &[Expr<i32>]) -> AnyExpr {
        let at = here();
        match self.accessible(index, at) {
            Some(data) => AnyExpr::new(data.load(index, Guard::Yes, at), self.elem),
            None => AnyExpr::dead(self.elem),
        }
    }

    /// Loads that many elements along the last axis, starting at an index that is a multiple of their number.
    #[track_caller]
    pub fn load(self, index: &[Expr<i32>], lanes: u8) -> AnyExpr {
        self.load_guarded(index, lanes, Guard::No, here())
    }

    /// Loads that many elements as [`load`](AnyView::load); those outside of the tensor are zero.
    #[track_caller]
    pub fn load_inside(self, index: &[Expr<i32>], lanes: u8) -> AnyExpr {
        self.load_guarded(index, lanes, Guard::Yes, here())
    }

    #[track_caller]
    fn load_guarded(self, index: &[Expr<i32>], lanes: u8, guard: Guard, at: Caller) -> AnyExpr {
        let ty = Type::vector(self.elem, lanes);
        let data = self.accessible(index, at).filter(|_| lanes_exist(lanes.into(), at));
        let Some(data) = data else { return AnyExpr::dead(ty) };
        if guard == Guard::No {
            reach::access(&data, index, lanes.into(), at);
        }
        AnyExpr::new(data.load_lanes(index, ty, guard, at), ty)
    }

    /// Writes the element at an index.
    #[track_caller]
    pub fn write(self, index: &[Expr<i32>], value: AnyExpr) {
        let at = here();
        if let Some(data) = self.writable(index, value, Some(1), at) {
            reach::access(&data, index, 1, at);
            data.store(index, value.erased(), Guard::No, at);
        }
    }

    /// Writes the element at an index; does nothing outside of the tensor.
    #[track_caller]
    pub fn set(self, index: &[Expr<i32>], value: AnyExpr) {
        let at = here();
        if let Some(data) = self.writable(index, value, Some(1), at) {
            data.store(index, value.erased(), Guard::Yes, at);
        }
    }

    /// Writes the lanes of a vector along the last axis, starting at an index that is a multiple of their number.
    #[track_caller]
    pub fn store(self, index: &[Expr<i32>], value: AnyExpr) {
        let at = here();
        if let Some(data) = self.writable(index, value, None, at) {
            reach::access(&data, index, value.lanes().into(), at);
            data.store_lanes(index, value.erased(), value.ty(), Guard::No, at);
        }
    }

    /// Writes the lanes of a vector as [`store`](AnyView::store); those outside of the tensor are not written.
    #[track_caller]
    pub fn store_inside(self, index: &[Expr<i32>], value: AnyExpr) {
        let at = here();
        if let Some(data) = self.writable(index, value, None, at) {
            data.store_lanes(index, value.erased(), value.ty(), Guard::Yes, at);
        }
    }

    /// Returns a tensor whose axis `i` is axis `order[i]` of this one.
    #[track_caller]
    pub fn permute(self, order: &[usize]) -> AnyView {
        let at = here();
        let Some(mut data) = self.data(at) else { return self };
        let whole = order.len() == self.rank && (0..self.rank).all(|axis| order.contains(&axis));
        if !whole {
            problem(&format!("{order:?} is not a permutation of the {} axes of the tensor", self.rank), at);
            return self;
        }
        data.shape = order.iter().map(|axis| data.shape[*axis].clone()).collect();
        for place in &mut data.axes {
            place.from = place.from.and_then(|from| order.iter().position(|axis| *axis == from));
        }
        AnyView::new(data, self.access)
    }

    /// Returns the tensor without an axis, at a coordinate of it.
    #[track_caller]
    pub fn at(self, axis: usize, index: Expr<i32>) -> AnyView {
        let at = here();
        let Some(mut data) = self.data(at) else {
            return AnyView::dead(self.elem, self.rank.saturating_sub(1), self.access);
        };
        if axis >= self.rank {
            problem(&format!("a tensor with {} axes has no axis {axis}", self.rank), at);
            return AnyView::dead(self.elem, self.rank.saturating_sub(1), self.access);
        }
        data.remove_axis(axis, index);
        reach::part(&data, at);
        AnyView::new(data, self.access)
    }

    /// Returns a view of the elements at `f(index)` of this one, as [`View::remap`].
    #[track_caller]
    pub fn remap(self, shape: &[IndexExpr], run: u32, f: impl Fn(&[Expr<i32>]) -> Vec<Expr<i32>> + 'static) -> AnyView {
        let at = here();
        let Some(data) = self.data(at) else { return AnyView::dead(self.elem, shape.len(), self.access) };
        let rank = self.rank;
        let map = move |index: &[Expr<i32>]| {
            let below = f(index);
            if below.len() != rank {
                let message = format!("this remap returns {} coordinates for a tensor with {rank} axes", below.len());
                problem(&message, at);
            }
            (0..rank).map(|axis| below.get(axis).copied().unwrap_or_else(Expr::dead)).collect()
        };
        let shape = shape.iter().cloned().map(Extent::size).collect();
        AnyView::new(data.remapped(shape, run, std::rc::Rc::new(map)), self.access)
    }

    /// Returns the description of the view if the index has as many coordinates as the tensor has axes; otherwise that is
    /// a problem of the kernel.
    fn accessible(self, index: &[Expr<i32>], at: Caller) -> Option<ViewData> {
        if index.len() != self.rank {
            let message = format!("an index with {} coordinates for a tensor with {} axes", index.len(), self.rank);
            problem(&message, at);
            return None;
        }
        self.data(at)
    }

    /// The same for a tensor that is written; the value must have the type of its elements.
    fn writable(self, index: &[Expr<i32>], value: AnyExpr, lanes: Option<u8>, at: Caller) -> Option<ViewData> {
        let wanted = Type::vector(self.elem, lanes.unwrap_or(value.lanes()));
        if self.access == Access::In {
            problem("this tensor cannot be written: it is an input", at);
            return None;
        }
        if value.ty() != wanted {
            problem(&format!("a value of type {} is written to a tensor of {}", value.ty(), self.elem), at);
            return None;
        }
        self.accessible(index, at)
    }
}
