//! Numbers without a type, which take their type from the context.

use super::builder::{Caller, here, with};
use super::expr::{Expr, IntoExpr};
use super::vector::Vector;
use crate::ir::eval;
use crate::types::{Const, Element, Float, Int, Num, Number, Scalar};

/// A number without a type of its own: it takes the device type that the context requires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lit(Number);

/// Returns a number for a context whose type is generic or has no Rust literals (`f16`, `bf16`): `v.max(lit(0.0))`. A
/// number that the type cannot represent is an error when the kernel is built.
pub fn lit(number: impl Into<Lit>) -> Lit {
    number.into()
}

macro_rules! into_lit {
    ($($ty:ty: $variant:ident;)*) => {$(
        impl From<$ty> for Lit {
            fn from(value: $ty) -> Lit {
                Lit(Number::$variant(value.into()))
            }
        }
    )*};
}
into_lit! { i32: Int; u32: Int; i64: Int; u64: Int; f32: Float; f64: Float; }

/// Emits the number as a constant; a number that the type cannot represent is a problem of the kernel.
#[track_caller]
fn constant<T: Num>(number: Number) -> Expr<T> {
    Lit(number).emit(T::SCALAR, here()).assume()
}

impl Lit {
    /// Emits the number as a constant of a type; a number that it cannot represent is a problem of the kernel.
    pub(super) fn emit(self, scalar: Scalar, at: Caller) -> Expr<()> {
        let bits = eval::nearest(scalar, self.0);
        let fits = match (self.0, eval::number(scalar, bits)) {
            (Number::Int(asked), Number::Int(held)) => asked == held,
            (Number::Float(asked), Number::Int(held)) => asked == held as f64,
            (Number::Float(asked), Number::Float(held)) => held.is_finite() || !asked.is_finite(),
            (Number::Int(_), Number::Float(held)) => held.is_finite(),
        };
        with(|builder| {
            if !fits {
                builder.problem(format!("{} does not fit {}", self.0, held_by(scalar)), at);
            }
            let value = builder.constant(Const { scalar, bits }, at);
            Expr::new(builder, value)
        })
        .unwrap_or_else(Expr::dead)
    }
}

/// Returns a type and its range, in words.
fn held_by(scalar: Scalar) -> String {
    let bits = if scalar == Scalar::Bool { 1 } else { 8 * scalar.bytes() as u32 };
    if scalar.is_float() {
        format!("`{scalar}`: it is beyond the largest")
    } else if scalar.is_signed_int() {
        format!("`{scalar}`, which holds {} to {}", -1i128 << (bits - 1), (1i128 << (bits - 1)) - 1)
    } else {
        format!("`{scalar}`, which holds 0 to {}", (1i128 << bits) - 1)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Num> IntoExpr<T> for Lit {
    #[track_caller]
    fn into_expr(self) -> Expr<T> {
        constant(self.0)
    }
}

/// A float without a type suffix in the kernel's source, where a device value is expected.
#[derive(Clone, Copy, Debug)]
pub struct FloatLiteral(pub f64);

/// An integer without a type suffix in the kernel's source, where a device value is expected.
#[derive(Clone, Copy, Debug)]
pub struct IntegerLiteral(pub i128);

#[diagnostic::do_not_recommend]
impl<T: Float> IntoExpr<T> for FloatLiteral {
    #[track_caller]
    fn into_expr(self) -> Expr<T> {
        constant(Number::Float(self.0))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int> IntoExpr<T> for IntegerLiteral {
    #[track_caller]
    fn into_expr(self) -> Expr<T> {
        constant(Number::Int(self.0))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Float, const N: usize> IntoExpr<Vector<T, N>> for FloatLiteral {
    #[track_caller]
    fn into_expr(self) -> Expr<Vector<T, N>> {
        super::vector::splat(constant::<T>(Number::Float(self.0)))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int, const N: usize> IntoExpr<Vector<T, N>> for IntegerLiteral {
    #[track_caller]
    fn into_expr(self) -> Expr<Vector<T, N>> {
        super::vector::splat(constant::<T>(Number::Int(self.0)))
    }
}

#[diagnostic::do_not_recommend]
impl<T: Num, const N: usize> IntoExpr<Vector<T, N>> for Lit {
    #[track_caller]
    fn into_expr(self) -> Expr<Vector<T, N>> {
        super::vector::splat(constant::<T>(self.0))
    }
}

/// A number without a type suffix, as the operand of an operator whose other operand is a device value of type `T`.
#[diagnostic::on_unimplemented(
    message = "this number does not match a value of type `{T}`",
    label = "not a number of type `{T}`",
    note = "a number with a point is a float, one without is an integer: write `2.0` beside floats and `2` beside integers"
)]
pub trait LiteralOf<T> {
    /// Returns the number as a device value.
    fn literal(self) -> Expr<T>;
}

/// A number without a type suffix, as an operand of `<<` or `>>` beside a device value of type `T`.
#[diagnostic::on_unimplemented(
    message = "`<<` and `>>` shift integers by integers; the other operand has type `{T}`",
    label = "not a shift of integers",
    note = "of a float, `x.to_bits()` gives the bits as an unsigned integer"
)]
pub trait ShiftLiteralOf<T>: LiteralOf<T> {}

#[diagnostic::do_not_recommend]
impl<T: Int> ShiftLiteralOf<T> for i128 {}
#[diagnostic::do_not_recommend]
impl<T: Int, const N: usize> ShiftLiteralOf<Vector<T, N>> for i128 {}

#[diagnostic::do_not_recommend]
impl<T: Float> LiteralOf<T> for f64 {
    #[track_caller]
    fn literal(self) -> Expr<T> {
        FloatLiteral(self).into_expr()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int> LiteralOf<T> for i128 {
    #[track_caller]
    fn literal(self) -> Expr<T> {
        IntegerLiteral(self).into_expr()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Float, const N: usize> LiteralOf<Vector<T, N>> for f64 {
    #[track_caller]
    fn literal(self) -> Expr<Vector<T, N>> {
        FloatLiteral(self).into_expr()
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int, const N: usize> LiteralOf<Vector<T, N>> for i128 {
    #[track_caller]
    fn literal(self) -> Expr<Vector<T, N>> {
        IntegerLiteral(self).into_expr()
    }
}

/// The number of a meta value, for casts.
pub trait HostNumber: Copy {
    /// Returns the value.
    fn host_number(self) -> Number;
}

#[diagnostic::do_not_recommend]
impl<T: Element> HostNumber for T {
    fn host_number(self) -> Number {
        self.number()
    }
}

/// A type that a meta value can be cast to: the device's element types, and `usize` and `isize`.
#[diagnostic::on_unimplemented(message = "`as {Self}` is not a cast of the kernel language")]
pub trait CastTarget: Sized {
    /// Returns the nearest value.
    fn cast_number(number: Number) -> Self;
}

#[diagnostic::do_not_recommend]
impl<T: Element> CastTarget for T {
    fn cast_number(number: Number) -> Self {
        T::from_number(number)
    }
}

macro_rules! host_integer {
    ($($ty:ty)*) => {$(
        #[diagnostic::do_not_recommend]
        impl HostNumber for $ty {
            fn host_number(self) -> Number {
                Number::Int(self as i128)
            }
        }
        #[diagnostic::do_not_recommend]
        impl CastTarget for $ty {
            fn cast_number(number: Number) -> Self {
                match number {
                    Number::Int(value) => value as $ty,
                    Number::Float(value) => value as $ty,
                }
            }
        }
    )*};
}
host_integer! { usize isize i128 u128 }
