//! Methods of device numbers, named as in Rust where Rust has them.

use super::builder::here;
use super::expr::{Expr, IntoExpr, binary, cast, compare, emit, unary};
use super::ops::{Arithmetic, Floating};
use crate::ir::{BinaryOp, CompareOp, Op, UnaryOp};
use crate::types::{Element, Float, Int, Num, Number};

/// Returns a number that every type can represent.
#[track_caller]
fn number<T: Num>(number: f64) -> Expr<T> {
    T::from_number(Number::Float(number)).into_expr()
}

impl<T: Element> Expr<T> {
    /// Converts to another type, as Rust's `as`.
    #[track_caller]
    pub fn to<U: Element>(self) -> Expr<U> {
        cast(self)
    }
}

impl<T: Arithmetic> Expr<T> {
    /// Returns the smaller operand; if one is NaN, the other.
    #[track_caller]
    pub fn min(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Min, self, other.into_expr())
    }

    /// Returns the larger operand; if one is NaN, the other.
    #[track_caller]
    pub fn max(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Max, self, other.into_expr())
    }

    /// Returns the absolute value.
    #[track_caller]
    pub fn abs(self) -> Expr<T> {
        unary(UnaryOp::Abs, self)
    }
}

impl<T: Num> Expr<T> {
    /// Limits the value to `low ..= high`; NaN stays NaN, and a zero keeps its sign.
    #[track_caller]
    pub fn clamp(self, low: impl IntoExpr<T>, high: impl IntoExpr<T>) -> Expr<T> {
        let (low, high) = (low.into_expr(), high.into_expr());
        if !T::SCALAR.is_float() {
            return self.max(low).min(high);
        }
        let raised = compare(CompareOp::Lt, self, low).select(low, self);
        compare(CompareOp::Gt, raised, high).select(high, raised)
    }
}

impl<T: Num> Expr<T> {
    /// Returns the non-negative remainder: `-7` by `4` is 1.
    #[track_caller]
    pub fn rem_euclid(self, by: impl IntoExpr<T>) -> Expr<T> {
        let by = by.into_expr();
        let rest = binary(BinaryOp::Rem, self, by);
        compare(CompareOp::Lt, rest, number(0.0)).select(rest + by.abs(), rest)
    }
}

impl<T: Int> Expr<T> {
    /// Returns true if it is a multiple of a number.
    #[track_caller]
    pub fn multiple_of(self, by: impl IntoExpr<T>) -> Expr<bool> {
        compare(CompareOp::Eq, binary(BinaryOp::Rem, self, by.into_expr()), number(0.0))
    }

    /// Returns the quotient rounded up.
    #[track_caller]
    pub fn div_ceil(self, by: impl IntoExpr<T>) -> Expr<T> {
        let by = by.into_expr();
        let (quotient, rest) = (binary(BinaryOp::Div, self, by), binary(BinaryOp::Rem, self, by));
        let mut up = compare(CompareOp::Ne, rest, number(0.0));
        if T::SCALAR.is_signed_int() {
            // Truncation rounds up if the signs differ; a sum and a remainder have equal signs.
            let same = compare(CompareOp::Ge, binary(BinaryOp::Xor, rest, by), number(0.0));
            up = binary(BinaryOp::And, up, same);
        }
        binary(BinaryOp::Add, quotient, up.to::<T>())
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $op:ident;)*) => {
        impl<T: Floating> Expr<T> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $method(self) -> Expr<T> {
                unary(UnaryOp::$op, self)
            }
        )*}
    };
}
methods! {
    /// The largest integer not greater than the value.
    floor Floor;
    /// The smallest integer not less than the value.
    ceil Ceil;
    /// Nearest integer, ties to even.
    round_ties_even Round;
    /// The integer part: rounds towards zero.
    trunc Trunc;
    /// Square root.
    sqrt Sqrt;
    /// `1 / sqrt(x)`
    rsqrt Rsqrt;
    /// Sine; the operand is in radians.
    sin Sin;
    /// Cosine.
    cos Cos;
    /// Tangent.
    tan Tan;
    /// Hyperbolic sine.
    sinh Sinh;
    /// Hyperbolic cosine.
    cosh Cosh;
    /// Hyperbolic tangent.
    tanh Tanh;
    /// Inverse sine.
    asin Asin;
    /// Inverse cosine.
    acos Acos;
    /// Inverse tangent.
    atan Atan;
    /// Inverse hyperbolic sine.
    asinh Asinh;
    /// Inverse hyperbolic cosine.
    acosh Acosh;
    /// Inverse hyperbolic tangent.
    atanh Atanh;
    /// `e^x`
    exp Exp;
    /// `2^x`
    exp2 Exp2;
    /// `e^x - 1`, accurate near 0.
    exp_m1 Expm1;
    /// Natural logarithm.
    ln Log;
    /// Logarithm to base 2.
    log2 Log2;
    /// Logarithm to base 10.
    log10 Log10;
    /// `ln(1 + x)`, accurate near 0.
    ln_1p Log1p;
    /// The error function.
    erf Erf;
}

impl<T: Floating> Expr<T> {
    /// Returns `1 / x`.
    #[track_caller]
    pub fn recip(self) -> Expr<T> {
        binary(BinaryOp::Div, T::number(1.0), self)
    }

    /// Returns `x^power` for a power that is a meta value, by repeated squaring; each product rounds.
    #[track_caller]
    pub fn powi(self, power: i32) -> Expr<T> {
        let (mut rest, mut square, mut product) = (power.unsigned_abs(), self, T::number(1.0));
        while rest > 0 {
            if rest & 1 == 1 {
                product = product * square;
            }
            rest >>= 1;
            if rest > 0 {
                square = square * square;
            }
        }
        if power < 0 { product.recip() } else { product }
    }

    /// Returns the fractional part, with the sign: `x - x.trunc()`.
    #[track_caller]
    pub fn fract(self) -> Expr<T> {
        self - self.trunc()
    }

    /// Returns `x^power`.
    #[track_caller]
    pub fn powf(self, power: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Pow, self, power.into_expr())
    }

    /// Returns the angle of the point `(other, self)`, in radians.
    #[track_caller]
    pub fn atan2(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Atan2, self, other.into_expr())
    }

    /// Returns `self * a + b`, rounded once.
    #[track_caller]
    pub fn mul_add(self, a: impl IntoExpr<T>, b: impl IntoExpr<T>) -> Expr<T> {
        let operands = [self.with_type(), a.into_expr().with_type(), b.into_expr().with_type()];
        emit(here(), &operands, &|values| Op::Fma(values[0], values[1], values[2]))
    }
}

impl<T: Float> Expr<T> {
    /// Rounds to the nearest integer, ties away from zero.
    #[track_caller]
    pub fn round(self) -> Expr<T> {
        let whole = self.trunc();
        let up = compare(CompareOp::Ge, (self - whole).abs(), number(0.5));
        up.select(whole + number::<T>(1.0).copysign(self), whole)
    }

    /// Returns 1 with the sign of the number, also for zeros; NaN for NaN.
    #[track_caller]
    pub fn signum(self) -> Expr<T> {
        self.is_nan().select(self, number::<T>(1.0).copysign(self))
    }

    /// Returns the number with the sign of another.
    #[track_caller]
    pub fn copysign(self, sign: impl IntoExpr<T>) -> Expr<T> {
        let top = T::Word::from_number(Number::Int(1 << (8 * T::SCALAR.bytes() - 1))).into_expr();
        Expr::<T>::from_bits((self.to_bits() & !top) | (sign.into_expr().to_bits() & top))
    }

    /// Returns the bits as `u16`, `u32` or `u64`.
    #[track_caller]
    pub fn to_bits(self) -> Expr<T::Word> {
        self.bitcast()
    }

    /// Returns the number with these bits: `Expr::<f32>::from_bits(word)`.
    #[track_caller]
    pub fn from_bits(bits: impl IntoExpr<T::Word>) -> Expr<T> {
        bits.into_expr().bitcast()
    }

    /// Returns true if it is NaN.
    #[track_caller]
    pub fn is_nan(self) -> Expr<bool> {
        unary(UnaryOp::IsNan, self)
    }

    /// Returns true if it is an infinity.
    #[track_caller]
    pub fn is_infinite(self) -> Expr<bool> {
        unary(UnaryOp::IsInf, self)
    }

    /// Returns true if it is neither NaN nor an infinity.
    #[track_caller]
    pub fn is_finite(self) -> Expr<bool> {
        unary(UnaryOp::IsFinite, self)
    }
}

impl Expr<bool> {
    /// Selects the first value if the condition is true, else the second. Both are computed.
    #[track_caller]
    pub fn select<T: crate::dsl::DeviceType>(self, yes: impl IntoExpr<T>, no: impl IntoExpr<T>) -> Expr<T> {
        let operands = [self.with_type(), yes.into_expr().with_type(), no.into_expr().with_type()];
        emit(here(), &operands, &|values| Op::Select(values[0], values[1], values[2]))
    }
}
