//! Operations on floats whose results are exact or rounded once. Those that a device approximates (`exp`, `sin`, ..) are
//! checked elsewhere, within bounds.

use super::operation::{List, operations};
use crate::dsl::glue::Cmp;
use crate::dsl::{Expr, vector2};
use crate::types::arithmetic::{FloatArithmetic as _, ScalarArithmetic as _};
use crate::types::{bf16, f16};

/// Evaluates an expression of low-precision floats in `f32`: `a` and `b` are widened, and the result is rounded.
macro_rules! by_f32 {
    (f16 $($arg:ident)*; $host:expr) => {{ $(let $arg = $arg.to_f32();)* f16::from_f32($host) }};
    (bf16 $($arg:ident)*; $host:expr) => {{ $(let $arg = $arg.to_f32();)* bf16::from_f32($host) }};
    ($native:ident $($arg:ident)*; $host:expr) => { $host };
}

/// A predicate on a number, evaluated in a wider type.
macro_rules! wide {
    (f16 $a:ident) => {
        $a.to_f32()
    };
    (bf16 $a:ident) => {
        $a.to_f32()
    };
    ($native:ident $a:ident) => {
        $a
    };
}

macro_rules! floats {
    ($list:ident; $($ty:ident $word:ident;)*) => {$(
        operations! { $list;
            "add"(a: $ty, b: $ty) -> $ty { a + b };
            "sub"(a: $ty, b: $ty) -> $ty { a - b };
            "mul"(a: $ty, b: $ty) -> $ty { a * b };
            "div"(a: $ty, b: $ty) -> $ty { a / b };
            "rem"(a: $ty, b: $ty) -> $ty { a % b };
            "neg"(a: $ty) -> $ty { -a };
            "abs"(a: $ty) -> $ty { a.abs() } { <$ty>::from_bits(a.to_bits() & (<$word>::MAX >> 1)) };
            // The negative zero is smaller than the positive one.
            "min"(a: $ty, b: $ty) -> $ty { a.min(b) } {
                if a == b { <$ty>::from_bits(a.to_bits() | b.to_bits()) } else { by_f32!($ty a b; a.min(b)) }
            };
            "max"(a: $ty, b: $ty) -> $ty { a.max(b) } {
                if a == b { <$ty>::from_bits(a.to_bits() & b.to_bits()) } else { by_f32!($ty a b; a.max(b)) }
            };
            "clamp"(a: $ty, b: $ty, c: $ty) -> $ty { a.clamp(b, c) } { by_f32!($ty a b c; a.clamp(b, c)) } if b <= c;
            "rem_euclid"(a: $ty, b: $ty) -> $ty { a.rem_euclid(b) } { by_f32!($ty a b; a.rem_euclid(b)) };
            "floor"(a: $ty) -> $ty { a.floor() } { by_f32!($ty a; a.floor()) };
            "ceil"(a: $ty) -> $ty { a.ceil() } { by_f32!($ty a; a.ceil()) };
            "round"(a: $ty) -> $ty { a.round() } { by_f32!($ty a; a.round()) };
            "round_ties_even"(a: $ty) -> $ty { a.round_ties_even() } { by_f32!($ty a; a.round_ties_even()) };
            "trunc"(a: $ty) -> $ty { a.trunc() } { by_f32!($ty a; a.trunc()) };
            "fract"(a: $ty) -> $ty { a.fract() } { by_f32!($ty a; a.fract()) };
            "sqrt"(a: $ty) -> $ty { a.sqrt() } { by_f32!($ty a; a.sqrt()) };
            "recip"(a: $ty) -> $ty { a.recip() } { by_f32!($ty a; a.recip()) };
            "signum"(a: $ty) -> $ty { a.signum() } { by_f32!($ty a; a.signum()) };
            "copysign"(a: $ty, b: $ty) -> $ty { a.copysign(b) } {
                <$ty>::from_bits((a.to_bits() & (<$word>::MAX >> 1)) | (b.to_bits() & !(<$word>::MAX >> 1)))
            };
            "to_bits"(a: $ty) -> $word { a.to_bits() };
            "from_bits"(a: $word) -> $ty { Expr::<$ty>::from_bits(a) } { <$ty>::from_bits(a) };
            "mul_add"(a: $ty, b: $ty, c: $ty) -> $ty { a.mul_add(b, c) } { a.fma(b, c) };
            "powi 0"(a: $ty) -> $ty { a.powi(0) } { by_f32!($ty a; a.powi(0)) };
            "powi 1"(a: $ty) -> $ty { a.powi(1) } { a };
            "powi 3"(a: $ty) -> $ty { a.powi(3) } { a.mul(a.mul(a)) };
            "powi -1"(a: $ty) -> $ty { a.powi(-1) } { by_f32!($ty a; a.recip()) };
            "powi -2"(a: $ty) -> $ty { a.powi(-2) } { { let a = a.mul(a); by_f32!($ty a; a.recip()) } };
            "is_nan"(a: $ty) -> bool { a.is_nan() } { wide!($ty a).is_nan() };
            "is_infinite"(a: $ty) -> bool { a.is_infinite() } { wide!($ty a).is_infinite() };
            "is_finite"(a: $ty) -> bool { a.is_finite() } { wide!($ty a).is_finite() };
            "eq"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).eq() } { a == b };
            "ne"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).ne() } { a != b };
            "lt"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).lt() } { a < b };
            "le"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).le() } { a <= b };
            "gt"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).gt() } { a > b };
            "ge"(a: $ty, b: $ty) -> bool { Cmp(&a, &b).ge() } { a >= b };
            "select"(a: $ty, b: $ty) -> $ty { Cmp(&a, &b).lt().select(a, b) } { if a < b { a } else { b } };
            // Two lanes at once.
            "vector add"(a: $ty, b: $ty) -> $ty { (vector2(a, b) + vector2(b, b)).lane(0) } { a + b };
            "vector sub"(a: $ty, b: $ty) -> $ty { (vector2(b, a) - vector2(b, b)).lane(1) } { a - b };
            "vector mul"(a: $ty, b: $ty) -> $ty { (vector2(a, b) * vector2(b, b)).lane(0) } { a * b };
            "vector div"(a: $ty, b: $ty) -> $ty { (vector2(b, a) / vector2(b, b)).lane(1) } { a / b };
            "vector min"(a: $ty, b: $ty) -> $ty { vector2(a, b).min(vector2(b, b)).lane(0) } {
                if a == b { <$ty>::from_bits(a.to_bits() | b.to_bits()) } else { by_f32!($ty a b; a.min(b)) }
            };
            "vector max"(a: $ty, b: $ty) -> $ty { vector2(b, a).max(vector2(a, b)).lane(1) } {
                if a == b { <$ty>::from_bits(a.to_bits() & b.to_bits()) } else { by_f32!($ty a b; a.max(b)) }
            };
            "vector neg"(a: $ty) -> $ty { (-vector2(a, a)).lane(1) } { -a };
            "vector abs"(a: $ty) -> $ty { vector2(a, a).abs().lane(0) } { <$ty>::from_bits(a.to_bits() & (<$word>::MAX >> 1)) };
        }
    )*};
}

pub(super) fn add(list: &mut List) {
    floats! { list; f16 u16; bf16 u16; f32 u32; f64 u64; }
}
