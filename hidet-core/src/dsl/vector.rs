//! Vectors: 2, 4, 8 or 16 numbers in consecutive registers, loaded and stored by one instruction.

use super::access::problem;
use super::builder::{Caller, here};
use super::expr::{Expr, IntoExpr, cast, emit};
use crate::ir::Op;
use crate::types::{Element, Type};
use std::marker::PhantomData;

/// The type of a vector of `N` numbers of type `T`.
#[derive(Debug)]
pub struct Vector<T, const N: usize>(PhantomData<fn() -> T>);
impl<T, const N: usize> Copy for Vector<T, N> {}
impl<T, const N: usize> Clone for Vector<T, N> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Returns a vector with the same number in every element.
#[track_caller]
pub fn splat<T: Element, const N: usize>(value: Expr<T>) -> Expr<Vector<T, N>> {
    vector([value; N])
}

/// Returns a vector of these numbers: 2, 4, 8 or 16 of them; a vector of one number is the number itself.
#[track_caller]
pub fn vector<T: Element, const N: usize>(lanes: [Expr<T>; N]) -> Expr<Vector<T, N>> {
    let at = here();
    if let ([lane], true) = (lanes.as_slice(), N == 1) {
        return lane.assume();
    }
    emit(at, &lanes.iter().map(|lane| lane.with_type()).collect::<Vec<_>>(), &|values| Op::Vector(values.into()))
}

/// Returns a vector of two numbers.
#[track_caller]
pub fn vector2<T: Element>(a: impl IntoExpr<T>, b: impl IntoExpr<T>) -> Expr<Vector<T, 2>> {
    vector([a.into_expr(), b.into_expr()])
}

/// Returns a vector of four numbers.
#[track_caller]
pub fn vector4<T: Element>(lanes: [Expr<T>; 4]) -> Expr<Vector<T, 4>> {
    vector(lanes)
}

/// Returns a vector of eight numbers.
#[track_caller]
pub fn vector8<T: Element>(lanes: [Expr<T>; 8]) -> Expr<Vector<T, 8>> {
    vector(lanes)
}

/// Lanes. Operators and the functions of floats work on all lanes of vectors at once, beside a number (`v * 2.0`,
/// `v * lit(FACTOR)`) or another vector ([`splat`] makes one of a scalar); what is defined for scalars only is applied by
/// [`map`](Expr::map).
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     /// y = sigmoid(x), eight elements per thread: two loads of 16 bytes, four packed casts, one store.
///     #[launch(grid = n / 1024, block = 128)]
///     fn sigmoid(x: In<f32, [n]>, y: Out<bf16, [n]>) {
///         require(n % 1024 == 0, "blocks are whole");
///         let i = (block_idx().x * 128 + thread_id()) * 8;
///         let power = (x.load::<8>((i,)) * lit(-std::f32::consts::LOG2_E)).map(|x| x.exp2_approx());
///         y.store((i,), (power + 1.0).recip().cast::<bf16>());
///     }
/// }
///
/// let device = Device::sim();
/// let (x, mut y) = (device.tensor(&[0f32; 1024], [1024])?, device.empty([1024])?);
/// sigmoid().compile(&device)?.launch(&x, &mut y)?;
/// assert_eq!(y.to_vec()?, [bf16::from_f32(0.5); 1024]);
/// # Ok::<(), hidet::Error>(())
/// ```
impl<T: Element, const N: usize> Expr<Vector<T, N>> {
    /// Returns one element; `lane` counts from 0 and is a meta value.
    #[track_caller]
    pub fn lane(self, lane: i32) -> Expr<T> {
        self.lane_at(lane, here())
    }

    fn lane_at(self, lane: i32, at: Caller) -> Expr<T> {
        if N == 1 && lane == 0 {
            return self.assume();
        }
        if lane < 0 || lane as usize >= N {
            problem(&format!("lane {lane} of a vector of {N}"), at);
            return Expr::dead();
        }
        emit(at, &[self.with_type()], &|values| Op::Extract(values[0], lane as u8))
    }

    /// Returns all elements.
    #[track_caller]
    pub fn lanes(self) -> [Expr<T>; N] {
        let at = here();
        std::array::from_fn(|lane| self.lane_at(lane as i32, at))
    }

    /// Returns the vector with one element replaced; `lane` counts from 0 and is a meta value.
    #[track_caller]
    pub fn with_lane(self, lane: i32, value: impl IntoExpr<T>) -> Expr<Vector<T, N>> {
        let (mut lanes, at) = (self.lanes(), here());
        match usize::try_from(lane).ok().and_then(|lane| lanes.get_mut(lane)) {
            Some(old) => *old = value.into_expr(),
            None => problem(&format!("lane {lane} of a vector of {N}"), at),
        }
        vector(lanes)
    }

    /// Returns the vector of the results of a function of each element.
    #[track_caller]
    pub fn map<U: Element>(self, f: impl FnMut(Expr<T>) -> Expr<U>) -> Expr<Vector<U, N>> {
        vector(self.lanes().map(f))
    }

    /// Returns the vector of the results of a function of each element and that of another vector in the same lane.
    #[track_caller]
    pub fn map_with<V: Element, U: Element>(
        self,
        other: Expr<Vector<V, N>>,
        mut f: impl FnMut(Expr<T>, Expr<V>) -> Expr<U>,
    ) -> Expr<Vector<U, N>> {
        let (lanes, others) = (self.lanes(), other.lanes());
        vector(std::array::from_fn(|lane| f(lanes[lane], others[lane])))
    }

    /// Converts each element. A GPU converts two `f32` at once to `f16` and `bf16`, and to `E4M3` and `E5M2` since sm_89.
    #[track_caller]
    pub fn cast<U: Element>(self) -> Expr<Vector<U, N>> {
        cast(self)
    }
}

impl<T: Element> Expr<T> {
    /// Returns the same bits as another type of the same size.
    #[track_caller]
    pub fn bitcast<U: Element>(self) -> Expr<U> {
        let (at, from, to) = (here(), Type::from(T::SCALAR), Type::from(U::SCALAR));
        if from.bytes() != to.bytes() {
            problem(&format!("`bitcast` from {from} to {to}: their sizes differ"), at);
        }
        emit(at, &[self.with_type()], &|values| Op::Bitcast(values[0]))
    }
}
