//! Operators on device values. Both operands have the same type; there are no implicit conversions.

use super::expr::{DeviceType, Expr, IntoExpr, binary, unary};
use super::literal::FloatLiteral;
use super::vector::Vector;
use crate::ir::{BinaryOp, UnaryOp};
use crate::types::{Bits, Float, Int, Num, bf16, f16};
use std::ops;

/// Device types with arithmetic: numbers, and vectors of them.
#[diagnostic::on_unimplemented(message = "`{Self}` has no arithmetic on the device", label = "no arithmetic")]
pub trait Arithmetic: DeviceType {}
#[diagnostic::do_not_recommend]
impl<T: Num> Arithmetic for T {}
#[diagnostic::do_not_recommend]
impl<T: Num, const N: usize> Arithmetic for Vector<T, N> {}

/// Device types with the functions of floats: floats, and vectors of them.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a float", label = "neither a float nor a vector of floats")]
pub trait Floating: Arithmetic {
    /// Returns a number, in all lanes.
    fn number(number: f64) -> Expr<Self>;
}
#[diagnostic::do_not_recommend]
impl<T: Float> Floating for T {
    #[track_caller]
    fn number(number: f64) -> Expr<T> {
        FloatLiteral(number).into_expr()
    }
}
#[diagnostic::do_not_recommend]
impl<T: Float, const N: usize> Floating for Vector<T, N> {
    #[track_caller]
    fn number(number: f64) -> Expr<Vector<T, N>> {
        FloatLiteral(number).into_expr()
    }
}

macro_rules! arithmetic {
    ($($trait:ident $method:ident $op:ident $bound:ident: $($host:ty)*;)*) => {$(
        // If the right operand does not fit, rustc reports the message of `IntoExpr`.
        impl<T: $bound, V: IntoExpr<T>> ops::$trait<V> for Expr<T> {
            type Output = Expr<T>;
            #[track_caller]
            fn $method(self, other: V) -> Expr<T> {
                binary(BinaryOp::$op, self, other.into_expr())
            }
        }
        $(
            #[diagnostic::do_not_recommend]
            impl ops::$trait<Expr<$host>> for $host {
                type Output = Expr<$host>;
                #[track_caller]
                fn $method(self, other: Expr<$host>) -> Expr<$host> {
                    binary(BinaryOp::$op, self.into_expr(), other)
                }
            }
        )*
    )*};
}
arithmetic! {
    Add add Add Arithmetic: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Sub sub Sub Arithmetic: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Mul mul Mul Arithmetic: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Div div Div Arithmetic: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Rem rem Rem Arithmetic: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    BitAnd bitand And Bits: bool i8 i16 i32 i64 u8 u16 u32 u64;
    BitOr bitor Or Bits: bool i8 i16 i32 i64 u8 u16 u32 u64;
    BitXor bitxor Xor Bits: bool i8 i16 i32 i64 u8 u16 u32 u64;
    Shl shl Shl Int: i8 i16 i32 i64 u8 u16 u32 u64;
    Shr shr Shr Int: i8 i16 i32 i64 u8 u16 u32 u64;
}

// `-x` is defined for every number, so that a kernel generic over `T: Float` can negate; for unsigned integers it
// wraps.
#[diagnostic::do_not_recommend]
impl<T: Arithmetic> ops::Neg for Expr<T> {
    type Output = Expr<T>;
    #[track_caller]
    fn neg(self) -> Expr<T> {
        unary(UnaryOp::Neg, self)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Bits> ops::Not for Expr<T> {
    type Output = Expr<T>;
    #[track_caller]
    fn not(self) -> Expr<T> {
        unary(UnaryOp::Not, self)
    }
}
