//! Methods of device numbers, named as Rust's own where Rust has them.

use super::builder::here;
use super::expr::{Expr, IntoExpr, binary, cast, compare, emit, unary};
use super::ops::Arithmetic;
use crate::ir::{BinaryOp, CompareOp, Op, UnaryOp};
use crate::types::{Element, Float, Int, Num, Number};

/// A number that every type has.
#[track_caller]
fn number<T: Num>(number: f64) -> Expr<T> {
    T::from_number(Number::Float(number)).into_expr()
}

impl<T: Element> Expr<T> {
    /// Another type, as Rust's `as` converts.
    #[track_caller]
    pub fn to<U: Element>(self) -> Expr<U> {
        cast(self)
    }
}

impl<T: Arithmetic> Expr<T> {
    /// The smaller of the two; of a number and NaN the number.
    #[track_caller]
    pub fn min(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Min, self, other.into_expr())
    }

    /// The larger of the two; of a number and NaN the number.
    #[track_caller]
    pub fn max(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Max, self, other.into_expr())
    }

    /// Absolute value.
    #[track_caller]
    pub fn abs(self) -> Expr<T> {
        unary(UnaryOp::Abs, self)
    }
}

impl<T: Num> Expr<T> {
    /// At least `low` and at most `high`; NaN stays NaN, and a zero keeps its sign.
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
    /// The remainder that is not negative: `-7` by `4` gives 1.
    #[track_caller]
    pub fn rem_euclid(self, by: impl IntoExpr<T>) -> Expr<T> {
        let by = by.into_expr();
        let rest = binary(BinaryOp::Rem, self, by);
        compare(CompareOp::Lt, rest, number(0.0)).select(rest + by.abs(), rest)
    }
}

impl<T: Int> Expr<T> {
    /// Whether it is a multiple of a number.
    #[track_caller]
    pub fn multiple_of(self, by: impl IntoExpr<T>) -> Expr<bool> {
        compare(CompareOp::Eq, binary(BinaryOp::Rem, self, by.into_expr()), number(0.0))
    }

    /// The quotient rounded up.
    #[track_caller]
    pub fn div_ceil(self, by: impl IntoExpr<T>) -> Expr<T> {
        let by = by.into_expr();
        let (quotient, rest) = (binary(BinaryOp::Div, self, by), binary(BinaryOp::Rem, self, by));
        let mut up = compare(CompareOp::Ne, rest, number(0.0));
        if T::SCALAR.is_signed_int() {
            // Rounded towards zero is rounded up where the signs differ; those of a sum and of a remainder agree.
            let same = compare(CompareOp::Ge, binary(BinaryOp::Xor, rest, by), number(0.0));
            up = binary(BinaryOp::And, up, same);
        }
        binary(BinaryOp::Add, quotient, up.to::<T>())
    }
}

macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident $op:ident;)*) => {
        impl<T: Float> Expr<T> {$(
            $(#[$doc])*
            #[track_caller]
            pub fn $method(self) -> Expr<T> {
                unary(UnaryOp::$op, self)
            }
        )*}
    };
}
methods! {
    /// Largest integer not above.
    floor Floor;
    /// Smallest integer not below.
    ceil Ceil;
    /// Nearest integer, ties to even.
    round_ties_even Round;
    /// Integer part.
    trunc Trunc;
    /// Square root.
    sqrt Sqrt;
    /// `1 / sqrt(x)`
    rsqrt Rsqrt;
    /// Sine, of radians.
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
    /// `e^x - 1`, exact near 0.
    exp_m1 Expm1;
    /// Natural logarithm.
    ln Log;
    /// Logarithm to base 2.
    log2 Log2;
    /// Logarithm to base 10.
    log10 Log10;
    /// `ln(1 + x)`, exact near 0.
    ln_1p Log1p;
    /// The error function.
    erf Erf;
}

impl<T: Float> Expr<T> {
    /// `1 / x`
    #[track_caller]
    pub fn recip(self) -> Expr<T> {
        binary(BinaryOp::Div, number(1.0), self)
    }

    /// Nearest integer, ties away from zero.
    #[track_caller]
    pub fn round(self) -> Expr<T> {
        let whole = self.trunc();
        let up = compare(CompareOp::Ge, (self - whole).abs(), number(0.5));
        up.select(whole + number::<T>(1.0).copysign(self), whole)
    }

    /// What is behind the point, with the sign: `x - x.trunc()`.
    #[track_caller]
    pub fn fract(self) -> Expr<T> {
        self - self.trunc()
    }

    /// 1 with the sign of the number, also of a zero; NaN of NaN.
    #[track_caller]
    pub fn signum(self) -> Expr<T> {
        self.is_nan().select(self, number::<T>(1.0).copysign(self))
    }

    /// The number with the sign of another.
    #[track_caller]
    pub fn copysign(self, sign: impl IntoExpr<T>) -> Expr<T> {
        let top = T::Word::from_number(Number::Int(1 << (8 * T::SCALAR.bytes() - 1))).into_expr();
        Expr::<T>::from_bits((self.to_bits() & !top) | (sign.into_expr().to_bits() & top))
    }

    /// Its bits: `u16`, `u32` or `u64`.
    #[track_caller]
    pub fn to_bits(self) -> Expr<T::Word> {
        self.bitcast()
    }

    /// The number of these bits: `Expr::<f32>::from_bits(word)`.
    #[track_caller]
    pub fn from_bits(bits: impl IntoExpr<T::Word>) -> Expr<T> {
        bits.into_expr().bitcast()
    }

    /// `x^power` for a power known while building, by squaring; each product rounds.
    #[track_caller]
    pub fn powi(self, power: i32) -> Expr<T> {
        let (mut rest, mut square, mut product) = (power.unsigned_abs(), self, number(1.0));
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

    /// `x^power`
    #[track_caller]
    pub fn powf(self, power: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Pow, self, power.into_expr())
    }

    /// Angle of the point `(other, self)`.
    #[track_caller]
    pub fn atan2(self, other: impl IntoExpr<T>) -> Expr<T> {
        binary(BinaryOp::Atan2, self, other.into_expr())
    }

    /// `self * a + b`, rounded once.
    #[track_caller]
    pub fn mul_add(self, a: impl IntoExpr<T>, b: impl IntoExpr<T>) -> Expr<T> {
        let (a, b, at) = (a.into_expr(), b.into_expr(), here());
        emit(at, |builder| Some(Op::Fma(self.resolve(builder, at), a.resolve(builder, at), b.resolve(builder, at))))
    }

    /// Whether it is NaN.
    #[track_caller]
    pub fn is_nan(self) -> Expr<bool> {
        unary(UnaryOp::IsNan, self)
    }

    /// Whether it is an infinity.
    #[track_caller]
    pub fn is_infinite(self) -> Expr<bool> {
        unary(UnaryOp::IsInf, self)
    }

    /// Whether it is neither NaN nor an infinity.
    #[track_caller]
    pub fn is_finite(self) -> Expr<bool> {
        unary(UnaryOp::IsFinite, self)
    }
}

impl Expr<bool> {
    /// The first value where this holds, else the second. Both are computed.
    #[track_caller]
    pub fn select<T: crate::dsl::DeviceType>(self, yes: impl IntoExpr<T>, no: impl IntoExpr<T>) -> Expr<T> {
        let (yes, no, at) = (yes.into_expr(), no.into_expr(), here());
        emit(at, |builder| {
            Some(Op::Select(self.resolve(builder, at), yes.resolve(builder, at), no.resolve(builder, at)))
        })
    }
}
