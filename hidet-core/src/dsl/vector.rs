//! Vectors: 2, 4, 8 or 16 numbers in consecutive registers, loaded and stored by one instruction.

use super::builder::{here, with};
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
    emit(at, |builder| Some(Op::Vector(lanes.iter().map(|lane| lane.resolve(builder, at)).collect())))
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

impl<T: Element, const N: usize> Expr<Vector<T, N>> {
    /// Returns one element; `lane` counts from 0 and is a meta value.
    #[track_caller]
    pub fn lane(self, lane: i32) -> Expr<T> {
        let at = here();
        if N == 1 && lane == 0 {
            return self.assume();
        }
        emit(at, |builder| {
            if lane < 0 || lane as usize >= N {
                builder.problem(format!("lane {lane} of a vector of {N}"), at);
                return None;
            }
            Some(Op::Extract(self.resolve(builder, at), lane as u8))
        })
    }

    /// Returns all elements.
    #[track_caller]
    pub fn lanes(self) -> [Expr<T>; N] {
        std::array::from_fn(|lane| self.lane(lane as i32))
    }

    /// Converts each element.
    #[track_caller]
    pub fn cast<U: Element>(self) -> Expr<Vector<U, N>> {
        cast(self)
    }
}

impl<T: Element> Expr<T> {
    /// Returns the same bits as another type of the same size.
    #[track_caller]
    pub fn bitcast<U: Element>(self) -> Expr<U> {
        let at = here();
        with(|builder| {
            let value = self.resolve(builder, at);
            let (from, to) = (Type::from(T::SCALAR), Type::from(U::SCALAR));
            if from.bytes() != to.bytes() {
                builder.problem(format!("`bitcast` from {from} to {to}: their sizes differ"), at);
            }
            let value = builder.emit(Op::Bitcast(value), to, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }
}
