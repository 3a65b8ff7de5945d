//! Methods of device integers, named as in Rust. Arithmetic wraps, so `wrapping_add` and similar methods are the
//! operators.

use super::expr::{Expr, IntoExpr, binary, unary};
use crate::ir::{BinaryOp, UnaryOp};
use crate::types::Int;

impl<T: Int> Expr<T> {
    /// Returns `a + b`, wrapping on overflow.
    #[track_caller]
    pub fn wrapping_add(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Add, self, other.into_expr())
    }

    /// Returns `a - b`, wrapping on overflow.
    #[track_caller]
    pub fn wrapping_sub(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Sub, self, other.into_expr())
    }

    /// Returns `a * b`, wrapping on overflow.
    #[track_caller]
    pub fn wrapping_mul(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Mul, self, other.into_expr())
    }

    /// Returns `-a`, wrapping on overflow.
    #[track_caller]
    pub fn wrapping_neg(self) -> Expr<T> {
        unary(UnaryOp::Neg, self)
    }

    /// Returns the number of trailing zeros.
    #[track_caller]
    pub fn trailing_zeros(self) -> Expr<u32> {
        self.reverse_bits().leading_zeros()
    }
}

macro_rules! words {
    ($($ty:ty: $word:ty;)*) => {$(
        impl Expr<$ty> {
            /// Rotates the bits to the left by that many places.
            #[track_caller]
            pub fn rotate_left(self, by: impl IntoExpr<u32>) -> Expr<$ty> {
                let last = <$word>::BITS - 1;
                let (word, by) = (self.to::<$word>(), by.into_expr());
                let (up, down) = ((by & last).to::<$word>(), ((-by) & last).to::<$word>());
                ((word << up) | (word >> down)).to()
            }

            /// Rotates the bits to the right by that many places.
            #[track_caller]
            pub fn rotate_right(self, by: impl IntoExpr<u32>) -> Expr<$ty> {
                self.rotate_left(-by.into_expr())
            }

            /// Returns the absolute difference, without overflow.
            #[track_caller]
            pub fn abs_diff(self, other: impl IntoExpr<$ty>) -> Expr<$word> {
                let other = other.into_expr();
                self.max(other).to::<$word>() - self.min(other).to::<$word>()
            }
        }
    )*};
}
words! { i8: u8; i16: u16; i32: u32; i64: u64; u8: u8; u16: u16; u32: u32; u64: u64; }
