//! Inputs taken apart: the tensor below and the function that a prologue applies to its elements.
//!
//! A kernel copies the tensor below as it is, by TMA for example, and applies the function when it loads what it has
//! copied into registers. It is the same kernel for an input in memory, whose function changes nothing.

use super::access::{ViewData, extract, join, moved, problem};
use super::builder::{Caller, here, with};
use super::expr::{DeviceType, Expr, IntoExpr, compare};
use super::index::{IndexTuple, IndexValue};
use super::mapped::{self, Mapped};
use super::vector::Vector;
use super::view::{In, View, add};
use crate::ir::{BinaryOp, CompareOp, Op};
use crate::types::{Const, Element, Scalar, Type};
use std::marker::PhantomData;

/// An input of elements `U` with `R` axes, taken apart: see [`View::prologue`].
#[derive(Clone)]
pub struct Prologue<U, const R: usize> {
    /// The functions, beginning with the one that is applied first.
    functions: Vec<Mapped>,
    /// What is read: memory, unless the prologue is not of a whole input.
    below: Option<ViewData>,
    of: PhantomData<fn() -> U>,
}

impl<U: Element, const R: usize, A> View<U, R, A> {
    /// Takes the input apart into what [`map`](View::map) and [`map_with`](View::map_with) made it of. For an input in
    /// memory the function is that of no change.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// y = x, through shared memory.
    ///     #[launch(grid = 1, block = 32)]
    ///     fn copy(x: In<f32, [64]>, y: Out<f32, [64]>) {
    ///         let prologue = x.prologue();
    ///         let (below, tile) = (prologue.below::<f32>(), shared::<f32>([64]));
    ///         let i = thread_id() * 2;
    ///         cp_async::<2>(&tile[[i]], &below[[i]]);
    ///         cp_async_commit();
    ///         cp_async_wait(0);
    ///         y.store((i,), prologue.apply::<f32, 2>(tile.load::<2>((i,)), (i,)));
    ///     }
    /// }
    ///
    /// type Parameters = (In<f32, 1>, Out<f32, 1>);
    /// let doubled = copy().fuse("doubled", ["x[64]", "y[64]"], |(x, y): Parameters| (x.map(|v, _| v * 2.0), y));
    /// let device = Device::sim();
    /// let (x, mut y) = (device.tensor(&[1.0; 64], [64])?, device.empty([64])?);
    /// doubled.compile(&device)?.launch(&x, &mut y)?;
    /// assert_eq!(y.to_vec()?, [2.0; 64]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn prologue(&self) -> Prologue<U, R> {
        let (functions, below) = self.data(here()).map(|data| data.taken_apart(false)).unzip();
        let mut functions: Vec<Mapped> = functions.unwrap_or_default();
        functions.reverse();
        Prologue { functions, below, of: PhantomData }
    }
}

impl<U: Element, const R: usize> Prologue<U, R> {
    /// Returns true if the function changes nothing, so that elements can be used as they were copied.
    pub fn is_identity(&self) -> bool {
        self.functions.is_empty()
    }

    /// Returns true if the elements of the tensor below are of type `T`.
    pub fn reads<T: Element>(&self) -> bool {
        self.below.as_ref().is_some_and(|below| below.elem == T::SCALAR)
    }

    /// Returns the tensor below. Its elements must be of type `T`: see [`reads`](Self::reads).
    #[track_caller]
    pub fn below<T: Element>(&self) -> In<T, R> {
        self.expect::<T>(here());
        self.below.clone().map_or_else(View::dead, add)
    }

    /// Returns the numbers, counted from 0, and the tensors of the operands of type `T` that follow the last axis alone, such
    /// as a scale of columns, and of which a tensor map can be taken.
    #[track_caller]
    pub fn row_operands<T: Element>(&self) -> Vec<(usize, In<T, 1>)> {
        let rows = mapped::row_operands(&self.functions, R, T::SCALAR);
        rows.into_iter().map(|(number, view)| (number, add(view))).collect()
    }

    /// Returns the same prologue, of which a [row operand](Self::row_operands) is read from `row`, where the kernel has
    /// copied a part of it that begins at `start`.
    #[track_caller]
    pub fn read_from<T: Element, B>(&self, number: usize, row: View<T, 1, B>, start: impl IndexValue) -> Self {
        let (mut made, at, start) = (self.clone(), here(), start.coordinate());
        let operand = made.functions.iter_mut().flat_map(|mapped| &mut mapped.operands).nth(number);
        match (operand, row.data(at)) {
            (Some(operand), Some(data)) if operand.axes == [R - 1] && data.elem == operand.view.elem => {
                operand.read_from(data, R - 1, &[start]);
            }
            (_, None) => {}
            _ => problem(&format!("operand {number} has other axes or elements than this row: see `row_operands`"), at),
        }
        made
    }

    /// Returns the elements of the input for `N` consecutive ones of the tensor below, beginning at an index that is a
    /// multiple of `N`: 1, 2, 4, 8 or 16. Operands are loaded here. Extents along the last axis of operands that are loaded in vectors must be
    /// multiples of `N`, which the launcher checks. Outside of the input, as in its last tile, elements
    /// are zero, and nothing outside of the operands is read.
    #[track_caller]
    pub fn apply<T: Element, const N: usize>(
        &self,
        value: Expr<Vector<T, N>>,
        index: impl IndexTuple<R>,
    ) -> Expr<Vector<U, N>> {
        let (at, index) = (here(), index.coordinates());
        self.expect::<T>(at);
        let (mut value, mut from) = (value.assume(), <Vector<T, N> as DeviceType>::TYPE);
        for (number, mapped) in self.functions.iter().enumerate() {
            let above = self.functions.get(number + 1).and_then(|next| next.below.as_ref());
            let to = Type { scalar: above.map_or(U::SCALAR, |above| above.elem), ..from };
            value = mapped.loaded(&index, value, from.scalar, to, at);
            from = to;
        }
        if self.is_identity() { value.assume() } else { self.inside(value, &index, from, at).assume() }
    }

    /// Returns the elements, of which those outside of the input are zero.
    fn inside(&self, value: Expr<()>, index: &[Expr<i32>], ty: Type, at: Caller) -> Expr<()> {
        let Some(below) = &self.below else { return value };
        let is_inside = |lane: u8| {
            let mut inside: Expr<bool> = true.into_expr();
            for (coordinate, extent) in moved(index, lane.into()).iter().zip(&below.shape) {
                inside = inside & compare(CompareOp::Lt, *coordinate, extent.expr());
            }
            inside
        };
        // If rows end with whole vectors, a vector is inside or outside as a whole, and words of it are masked at once.
        let rows = below.shape.last().and_then(|extent| with(|builder| extent.formula(builder, at))).flatten();
        let whole = rows.and_then(|rows| with(|builder| builder.is_multiple(&rows, ty.lanes.into())));
        if ty.lanes > 1 && ty.scalar != Scalar::Bool && ty.bytes() <= 8 && whole == Some(true) {
            return or_zero(is_inside(0), value, ty, at);
        }
        let lane = |lane| or_zero(is_inside(lane), extract(value, ty.scalar, lane, at), ty.scalar.into(), at);
        join(&(0..ty.lanes).map(lane).collect::<Vec<_>>(), ty, at)
    }

    /// Reports a problem if the elements below are not of type `T`.
    fn expect<T: Element>(&self, at: Caller) {
        if let Some(below) = &self.below {
            below.expect(T::SCALAR, "prologue", at);
        }
    }
}

/// Returns the value if the condition is true, else zero. Not by a choice, for which NVRTC would branch around the inline
/// instructions of the value: registers that are written in a branch make it serialise the products of a warp group.
fn or_zero(cond: Expr<bool>, value: Expr<()>, ty: Type, at: Caller) -> Expr<()> {
    let word = match ty.bytes() {
        1 => Scalar::U8,
        2 => Scalar::U16,
        4 => Scalar::U32,
        _ => Scalar::U64,
    };
    with(|builder| {
        let ones = builder.constant(Const { scalar: word, bits: u64::MAX >> (64 - 8 * word.bytes()) }, at);
        let none = builder.constant(Const { scalar: word, bits: 0 }, at);
        let cond = cond.resolve(builder, at);
        let value = value.raw(builder, at);
        if ty.scalar == Scalar::Bool {
            let both = builder.emit(Op::Binary(BinaryOp::And, cond, value), ty, at);
            return Expr::new(builder, both);
        }
        let mask = builder.emit(Op::Select(cond, ones, none), word, at);
        let bits = builder.emit(Op::Bitcast(value), word, at);
        let bits = builder.emit(Op::Binary(BinaryOp::And, bits, mask), word, at);
        let value = builder.emit(Op::Bitcast(bits), ty, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}
