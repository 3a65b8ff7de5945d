//! Richer views: values computed on load or store, and elements at computed coordinates. Prologues and epilogues are
//! made of them: a kernel built with such views computes more in one launch, and is itself unchanged.

use super::access::{Base, MapFn, ViewData, ViewExtent, axes};
use super::builder::{Caller, here, with};
use super::expr::{Expr, IntoExpr};
use super::mapped::{ElementFn, MapOperand, MapOperands, Mapped};
use super::memory::Extent;
use super::reach;
use super::view::{In, Out, View, Writable, add};
use crate::ir::{Access, Param};
use crate::types::{Element, Scalar};
use std::rc::Rc;

/// Returns the coordinates as an array.
fn array<const R: usize>(index: &[Expr<i32>]) -> [Expr<i32>; R] {
    std::array::from_fn(|axis| index.get(axis).copied().unwrap_or_else(Expr::dead))
}

impl ViewData {
    fn whole(elem: Scalar, shape: Vec<ViewExtent>, base: Base) -> ViewData {
        ViewData { base, axes: axes(shape.len()), bounds: shape.clone(), shape, elem }
    }

    /// Returns the view of a function of the elements of operands.
    pub(super) fn computed(
        elem: Scalar,
        shape: Vec<ViewExtent>,
        operands: Vec<MapOperand>,
        function: ElementFn,
        at: Caller,
    ) -> ViewData {
        operands.iter().for_each(|operand| operand.relate(&shape, at));
        let limits = reach::known(&shape);
        let mapped = Mapped { below: None, operands, function, stores: false, limits, fused: reach::is_fused() };
        ViewData::whole(elem, shape, Base::Mapped(Rc::new(mapped)))
    }

    /// Returns the view of a function of the elements of this one and of operands, applied to what is written if `stores`.
    pub(super) fn mapped_by(
        self,
        elem: Scalar,
        operands: Vec<MapOperand>,
        function: ElementFn,
        stores: bool,
        at: Caller,
    ) -> ViewData {
        let (shape, limits) = (self.shape.clone(), self.limits());
        operands.iter().for_each(|operand| operand.relate(&shape, at));
        let mapped = Mapped { below: Some(self), operands, function, stores, limits, fused: reach::is_fused() };
        ViewData::whole(elem, shape, Base::Mapped(Rc::new(mapped)))
    }

    /// Returns the view of the elements of this one at the coordinates that `map` returns.
    pub(super) fn remapped(self, shape: Vec<ViewExtent>, run: u32, map: MapFn) -> ViewData {
        let base = Base::Remapped { view: Rc::new(self.clone()), map, run: run.max(1), fused: reach::is_fused() };
        ViewData::whole(self.elem, shape, base)
    }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns the view of a function `f` from elements `I` to elements `V`, applied to what is written if `stores`.
    fn mapped<I: Element, V: Element, U: Element, B, O: MapOperands<R>, E: IntoExpr<V>>(
        self,
        operands: O,
        f: impl Fn(Expr<I>, O::Elements, [Expr<i32>; R]) -> E + 'static,
        stores: bool,
        at: Caller,
    ) -> View<U, R, B> {
        let (Some(below), Some(operands)) = (self.data(at), operands.operands(at)) else { return View::dead() };
        let function: ElementFn = Rc::new(move |value, operands, index| {
            f(value.assume(), O::elements(operands), array(index)).into_expr().assume()
        });
        add(below.mapped_by(U::SCALAR, operands, function, stores, at))
    }

    /// Returns a view of `f(element, index)`: a prologue. Example: `x.map(|v, [i, j]| v * 0.5)`. A vector of it is loaded
    /// as a vector of this view; what `f` itself reads, it reads element by element: see [`map_with`](View::map_with).
    #[track_caller]
    pub fn map<U: Element, V: IntoExpr<U>>(self, f: impl Fn(Expr<T>, [Expr<i32>; R]) -> V + 'static) -> In<U, R> {
        self.map_with((), move |value, (), index| f(value, index))
    }

    /// Returns a view of `f(element, elements of the operands, index)`: a prologue with further tensors. Each is a tensor
    /// with the same axes, or follows some of them: [`along`](View::along). Their extents must be equal to those of these
    /// axes, which the launcher checks. Where a vector of the view is loaded, one of every operand that follows the last
    /// axis is loaded, too, which requires that its rows are multiples of it.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     #[launch(grid = m, block = 2)]
    ///     fn copy(x: In<f32, [m, 8]>, y: Out<f32, [m, 8]>) {
    ///         let (i, j) = (block_idx().x, thread_idx().x * 4);
    ///         y.store((i, j), x.load::<4>((i, j)));
    ///     }
    /// }
    ///
    /// type Parameters = (In<f32, 2>, In<f32, 1>, Out<f32, 2>);
    /// // Loads four elements of `x` and of `bias` at once.
    /// let biased = copy().fuse("biased", ["x[m, 8]", "bias[8]", "y[m, 8]"], |(x, bias, y): Parameters| {
    ///     (x.map_with((bias.along([1]),), |v, (bias,), _| v + bias), y)
    /// });
    /// let device = Device::sim();
    /// let (x, bias) = (device.zeros([2, 8])?, device.tensor(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [8])?);
    /// let mut y = device.empty([2, 8])?;
    /// biased.compile(&device)?.launch(&x, &bias, &mut y)?;
    /// assert_eq!(y.to_vec()?[8..], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn map_with<U: Element, O: MapOperands<R>, V: IntoExpr<U>>(
        self,
        operands: O,
        f: impl Fn(Expr<T>, O::Elements, [Expr<i32>; R]) -> V + 'static,
    ) -> In<U, R> {
        self.mapped::<T, U, U, _, _, _>(operands, f, false, here())
    }

    /// Returns a view of the elements at `f(index)` of this one. `run` is the number of elements along the last axis,
    /// starting at a multiple of it, that are contiguous along the last axis of this view; 1 if unknown.
    ///
    /// In a fused kernel the launcher checks that `f` returns coordinates inside of this view. If that cannot be
    /// proved, every access is protected, one element at a time: elements outside are zero, and are not written.
    #[track_caller]
    pub fn remap<const Q: usize, E: Extent>(
        self,
        shape: [E; Q],
        run: u32,
        f: impl Fn([Expr<i32>; Q]) -> [Expr<i32>; R] + 'static,
    ) -> View<T, Q, A> {
        let Some(data) = self.data(here()) else { return View::dead() };
        let shape = shape.into_iter().map(Extent::size).collect();
        let map = Rc::new(move |index: &[Expr<i32>]| f(array(index)).to_vec());
        add(data.remapped(shape, run, map))
    }
}

impl<T: Element, const R: usize, A: Writable> View<T, R, A> {
    /// Returns a view that stores `f(value, index)` when a value is written: an epilogue. It cannot be read. A vector is
    /// stored as a vector of this view; what `f` itself reads, it reads element by element: see
    /// [`map_store_with`](View::map_store_with).
    #[track_caller]
    pub fn map_store<U: Element, V: IntoExpr<T>>(
        self,
        f: impl Fn(Expr<U>, [Expr<i32>; R]) -> V + 'static,
    ) -> Out<U, R> {
        self.map_store_with((), move |value, (), index| f(value, index))
    }

    /// Returns a view that stores `f(value, elements of the operands, index)`: an epilogue with further tensors, which
    /// are as those of [`map_with`](View::map_with).
    #[track_caller]
    pub fn map_store_with<U: Element, O: MapOperands<R>, V: IntoExpr<T>>(
        self,
        operands: O,
        f: impl Fn(Expr<U>, O::Elements, [Expr<i32>; R]) -> V + 'static,
    ) -> Out<U, R> {
        self.mapped::<U, T, U, _, _, _>(operands, f, true, here())
    }
}

impl<T: Element, const R: usize> Out<T, R> {
    /// Returns the same output, but elements may stay unwritten: for a parameter of a fused kernel, the same as
    /// `#[partial] y: Out<..>`. Otherwise the simulated device reports the first element that no thread has written.
    #[track_caller]
    pub fn partial(self) -> Self {
        let Some(buffer) = self.data(here()).and_then(|data| data.buffer()) else { return self };
        with(|builder| {
            for param in &mut builder.function.params {
                if let Param::Tensor { buffer: of, access: access @ Access::Out } = param
                    && *of == buffer
                {
                    *access = Access::PartialOut;
                }
            }
        });
        self
    }
}

/// Returns a computed tensor that is not in memory: its elements are `f(index)`.
#[track_caller]
pub fn computed_view<T: Element, const R: usize, E: Extent, V: IntoExpr<T>>(
    shape: [E; R],
    f: impl Fn([Expr<i32>; R]) -> V + 'static,
) -> In<T, R> {
    let shape: Vec<ViewExtent> = shape.into_iter().map(Extent::size).collect();
    let function: ElementFn = Rc::new(move |_, _, index| f(array(index)).into_expr().assume());
    add(ViewData::computed(T::SCALAR, shape, Vec::new(), function, here()))
}
