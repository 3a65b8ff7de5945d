//! Richer views: values computed on load or store, and elements at computed coordinates. Prologues and epilogues are
//! made of them: a kernel built with such views computes more in one launch, and is itself unchanged.

use super::access::{Base, Guard, ViewData, ViewExtent, axes};
use super::builder::{Caller, here, with};
use super::expr::{Expr, IntoExpr};
use super::memory::Extent;
use super::reach;
use super::view::{In, Out, View, Writable, add};
use crate::ir::{Access, Param};
use crate::types::Element;
use std::rc::Rc;

/// Returns the coordinates as an array.
fn array<const R: usize>(index: &[Expr<i32>]) -> [Expr<i32>; R] {
    std::array::from_fn(|axis| index.get(axis).copied().unwrap_or_else(Expr::dead))
}

fn computed(elem: crate::types::Scalar, shape: Vec<ViewExtent>, base: Base) -> ViewData {
    ViewData { base, axes: axes(shape.len()), bounds: shape.clone(), shape, elem }
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns a view of `f(element, index)`: a prologue. Example: `x.map(|v, [i, j]| v * 0.5)`.
    #[track_caller]
    pub fn map<U: Element, V: IntoExpr<U>>(self, f: impl Fn(Expr<T>, [Expr<i32>; R]) -> V + 'static) -> In<U, R> {
        let Some(data) = self.data(here()) else { return View::dead() };
        let (shape, data) = (data.shape.clone(), Rc::new(data));
        let (view, extents, fused) = (data.clone(), data.limits(), reach::is_fused());
        let load = Rc::new(move |index: &[Expr<i32>], at: Caller| {
            let element = data.load(index, Guard::No, at).assume();
            reach::closure(fused, index, &extents, at, || f(element, array(index)).into_expr().assume())
        });
        add(computed(U::SCALAR, shape, Base::Computed { view: Some(view), load: Some(load), store: None }))
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
        let (run, fused) = (run.max(1), reach::is_fused());
        add(computed(T::SCALAR, shape, Base::Remapped { view: Rc::new(data), map, run, fused }))
    }
}

impl<T: Element, const R: usize, A: Writable> View<T, R, A> {
    /// Returns a view that stores `f(value, index)` when a value is written: an epilogue. It cannot be read.
    #[track_caller]
    pub fn map_store<U: Element, V: IntoExpr<T>>(
        self,
        f: impl Fn(Expr<U>, [Expr<i32>; R]) -> V + 'static,
    ) -> Out<U, R> {
        let Some(data) = self.data(here()) else { return View::dead() };
        let (shape, data) = (data.shape.clone(), Rc::new(data));
        let (view, extents, fused) = (data.clone(), data.limits(), reach::is_fused());
        let store = Rc::new(move |index: &[Expr<i32>], value: Expr<()>, at: Caller| {
            let value = || f(value.assume(), array(index)).into_expr().assume();
            let value = reach::closure(fused, index, &extents, at, value);
            data.store(index, value, Guard::No, at);
        });
        add(computed(U::SCALAR, shape, Base::Computed { view: Some(view), load: None, store: Some(store) }))
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
    let (extents, fused) = (reach::known(&shape), reach::is_fused());
    let load = Rc::new(move |index: &[Expr<i32>], at: Caller| {
        reach::closure(fused, index, &extents, at, || f(array(index)).into_expr().assume())
    });
    add(computed(T::SCALAR, shape, Base::Computed { view: None, load: Some(load), store: None }))
}
