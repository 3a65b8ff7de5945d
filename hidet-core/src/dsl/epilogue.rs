//! Outputs taken apart: the function that an epilogue applies, its operands, and the tensor below.
//!
//! A kernel that holds its results in registers applies the function there, stores what it gives as it likes, by TMA for
//! example, and reads operands from where it has copied them before. It is the same kernel for an output in memory,
//! whose function changes nothing.

use super::access::{ViewData, problem};
use super::builder::{Caller, here};
use super::expr::{DeviceType, Expr};
use super::index::{IndexTuple, IndexValue};
use super::mapped::{self, Mapped};
use super::vector::Vector;
use super::view::{In, Out, View, Writable, add};
use crate::types::{Element, Type};
use std::marker::PhantomData;

/// An output of elements `U` with `R` axes, taken apart: see [`View::epilogue`].
#[derive(Clone)]
pub struct Epilogue<U, const R: usize> {
    /// The functions, beginning with the one that is applied first.
    functions: Vec<Mapped>,
    /// What is written last: memory, unless the epilogue is not of a whole output.
    below: Option<ViewData>,
    of: PhantomData<fn() -> U>,
}

impl<U: Element, const R: usize, A: Writable> View<U, R, A> {
    /// Takes the output apart into what [`map_store`](View::map_store) and [`map_store_with`](View::map_store_with) made
    /// it of. For an output in memory the function is that of no change.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// y = x, by the thread's own way of storing.
    ///     #[launch(grid = 1, block = 32)]
    ///     fn copy<T: Element>(x: In<T, [64]>, y: Out<T, [64]>) {
    ///         let epilogue = y.epilogue();
    ///         let below = epilogue.below::<f32>();
    ///         let i = thread_id() * 2;
    ///         below.store((i,), epilogue.apply::<f32, 2>(x.load::<2>((i,)), (i,)));
    ///     }
    /// }
    ///
    /// type Parameters = (In<f32, 1>, In<f32, 1>, Out<f32, 1>);
    /// let sum = copy::<f32>().fuse("sum", ["a[64]", "b[64]", "y[64]"], |(a, b, y): Parameters| {
    ///     (a, y.map_store_with((b,), |a, (b,), _| a + b))
    /// });
    /// let device = Device::sim();
    /// let (a, b, mut y) = (device.tensor(&[1.0; 64], [64])?, device.tensor(&[2.0; 64], [64])?, device.empty([64])?);
    /// sum.compile(&device)?.launch(&a, &b, &mut y)?;
    /// assert_eq!(y.to_vec()?, [3.0; 64]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn epilogue(&self) -> Epilogue<U, R> {
        let (functions, below) = self.data(here()).map(|data| data.taken_apart(true)).unzip();
        let functions: Vec<Mapped> = functions.unwrap_or_default();
        Epilogue { functions, below, of: PhantomData }
    }
}

impl<U: Element, const R: usize> Epilogue<U, R> {
    /// Returns true if the elements of the tensor below are of type `T`.
    pub fn stores<T: Element>(&self) -> bool {
        self.below.as_ref().is_some_and(|below| below.elem == T::SCALAR)
    }

    /// Returns the tensor below. Its elements must be of type `T`: see [`stores`](Self::stores).
    #[track_caller]
    pub fn below<T: Element>(&self) -> Out<T, R> {
        self.expect::<T>(here());
        self.below.clone().map_or_else(View::dead, add)
    }

    /// Returns the number of operands of all functions.
    pub fn operands(&self) -> usize {
        self.functions.iter().map(|mapped| mapped.operands.len()).sum()
    }

    /// Returns an operand, counted from 0, if its elements are of type `T` and its axes are those of the output, so that
    /// a part of it belongs to each part of the output.
    pub fn operand<T: Element>(&self, number: usize) -> Option<In<T, R>> {
        let operand = self.functions.iter().flat_map(|mapped| &mapped.operands).nth(number)?;
        let same = operand.view.elem == T::SCALAR && operand.axes.iter().copied().eq(0..R);
        same.then(|| add(operand.view.clone()))
    }

    /// Returns the number and the tensor of the first [`operand`](Self::operand) of type `T` of which a tensor map can be
    /// taken.
    #[track_caller]
    pub fn operand_in_memory<T: Element>(&self) -> Option<(usize, In<T, R>)> {
        let mut operands = (0..self.operands()).filter_map(|number| Some((number, self.operand::<T>(number)?)));
        operands.find(|(_, view)| view.can_tensor_map().is_ok())
    }

    /// Returns the numbers and the tensors of the operands of type `T` that follow the last axis alone, such as a bias of
    /// columns, and of which a tensor map can be taken.
    #[track_caller]
    pub fn row_operands<T: Element>(&self) -> Vec<(usize, In<T, 1>)> {
        let rows = mapped::row_operands(&self.functions, R, T::SCALAR);
        rows.into_iter().map(|(number, view)| (number, add(view))).collect()
    }

    /// Returns the same epilogue, for which elements of an operand are given: those of the `N` elements of the output to
    /// which it is applied. The operand is one with [all axes](Self::operand).
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// y = 0, by pairs; the pair of an operand is loaded by the kernel.
    ///     #[launch(grid = 1, block = 32)]
    ///     fn zeros(y: Out<f32, [64]>) {
    ///         let (epilogue, i) = (y.epilogue(), thread_id() * 2);
    ///         let epilogue = match epilogue.operand::<f32>(0) {
    ///             Some(operand) => epilogue.given(0, operand.load::<2>((i,))),
    ///             None => epilogue,
    ///         };
    ///         epilogue.below::<f32>().store((i,), epilogue.apply::<f32, 2>(vector2(0.0, 0.0), (i,)));
    ///     }
    /// }
    ///
    /// type Parameters = (In<f32, 1>, Out<f32, 1>);
    /// let copy = zeros().fuse("copy", ["a[64]", "y[64]"], |(a, y): Parameters| (y.map_store_with((a,), |v, (a,), _| v + a),));
    /// let device = Device::sim();
    /// let (a, mut y) = (device.tensor(&[2.0; 64], [64])?, device.empty([64])?);
    /// copy.compile(&device)?.launch(&a, &mut y)?;
    /// assert_eq!(y.to_vec()?, [2.0; 64]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn given<T: Element, const N: usize>(&self, number: usize, elements: Expr<Vector<T, N>>) -> Self {
        let (mut made, at) = (self.clone(), here());
        let operand = made.functions.iter_mut().flat_map(|mapped| &mut mapped.operands).nth(number);
        match operand.filter(|own| own.axes.iter().copied().eq(0..R) && own.view.elem == T::SCALAR) {
            Some(operand) => operand.given = Some((elements.assume(), N as u8)),
            None => problem(&format!("operand {number} has other axes or elements than these: see `operand`"), at),
        }
        made
    }

    /// Returns the same epilogue, of which an operand is read from `tile`, where the kernel has copied a part of it. The
    /// tile has the last `Q` axes of the output, of which the operand has these or all, and begins at `start` along them.
    #[track_caller]
    pub fn read_from<T: Element, const Q: usize, B, S: IndexValue>(
        &self,
        number: usize,
        tile: View<T, Q, B>,
        start: [S; Q],
    ) -> Self {
        let (mut made, at) = (self.clone(), here());
        let operand = made.functions.iter_mut().flat_map(|mapped| &mut mapped.operands).nth(number);
        let start: Vec<Expr<i32>> = start.into_iter().map(IndexValue::coordinate).collect();
        match (operand, tile.data(at)) {
            (Some(operand), Some(data)) if Q <= R && operand.ends_with(R - Q..R) && data.elem == operand.view.elem => {
                operand.read_from(data, R - Q, &start);
            }
            (_, None) => {}
            _ => problem(
                &format!(
                    "operand {number} has other axes or elements than this tile: see `operand` and `row_operands`"
                ),
                at,
            ),
        }
        made
    }

    /// Returns what is stored below for `N` consecutive elements of the output, beginning at an index that is a multiple
    /// of `N`: 1, 2, 4, 8 or 16. Operands that are neither given nor read from a tile are loaded here. Extents along the last axis of operands that are loaded in vectors must be
    /// multiples of `N`, which the launcher checks. Outside of the output, as in its
    /// last tile, what they give has no meaning; nothing outside of them is read.
    #[track_caller]
    pub fn apply<T: Element, const N: usize>(
        &self,
        value: Expr<Vector<U, N>>,
        index: impl IndexTuple<R>,
    ) -> Expr<Vector<T, N>> {
        let (at, index) = (here(), index.coordinates());
        self.expect::<T>(at);
        let (mut value, mut ty) = (value.assume(), <Vector<U, N> as DeviceType>::TYPE);
        for mapped in &self.functions {
            value = mapped.stored(&index, value, ty, at);
            ty = Type { scalar: mapped.below.as_ref().map_or(ty.scalar, |below| below.elem), ..ty };
        }
        value.assume()
    }

    /// Reports a problem if the elements below are not of type `T`.
    fn expect<T: Element>(&self, at: Caller) {
        if let Some(below) = &self.below {
            below.expect(T::SCALAR, "epilogue", at);
        }
    }
}
