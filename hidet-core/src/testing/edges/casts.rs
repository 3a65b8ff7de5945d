//! Casts between all types. The expected result is Rust's `as` if Rust has both types, and the nearest number for
//! low-precision floats.

use super::operation::List;
use super::values::signals;
use crate::types::{E4M3, E5M2, Element, Scalar, TF32, bf16, f16};

/// Casts a number by Rust's `as`, or by [`Element::from_number`] if Rust has no such cast.
macro_rules! host {
    (rust $value:ident $from:ident $to:ident) => {
        Some($value as $to)
    };
    (ours $value:ident $from:ident $to:ident) => {
        nearest::<$from, $to>($value)
    };
}

/// Returns the nearest value, or `None` for a signalling NaN to tf32, which keeps only the upper bits and may become an
/// infinity.
fn nearest<From: Element, To: Element>(value: From) -> Option<To> {
    let open =
        To::SCALAR == Scalar::TF32 && From::SCALAR == Scalar::F32 && signals(From::SCALAR, value.constant().bits);
    (!open).then(|| To::from_number(value.number()))
}

macro_rules! pairs {
    ($list:ident $kind:ident; $from:ident: $($to:ident)*) => {$(
        $list.one(concat!("as ", stringify!($to)), |a: crate::dsl::Expr<$from>| a.to::<$to>(), |a: $from| host!($kind a $from $to));
    )*};
}

macro_rules! casts {
    ($list:ident; numbers $($number:ident)*; small $($small:ident)*;) => {
        casts!(@all $list [$($number)*] [$($number)*] [$($small)*]);
        $(
            pairs!($list ours; $small: bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 TF32 f32 f64 E4M3 E5M2);
        )*
        pairs!($list rust; bool: bool i8 i16 i32 i64 u8 u16 u32 u64);
        pairs!($list ours; bool: f16 bf16 TF32 f32 f64 E4M3 E5M2);
    };
    (@all $list:ident [$($from:ident)*] $numbers:tt $small:tt) => {$(
        casts!(@from $list $from $numbers $small);
    )*};
    (@from $list:ident $from:ident [$($number:ident)*] [$($small:ident)*]) => {
        pairs!($list rust; $from: $($number)*);
        pairs!($list ours; $from: bool $($small)*);
    };
}

pub(super) fn add(list: &mut List) {
    casts! { list; numbers i8 i16 i32 i64 u8 u16 u32 u64 f32 f64; small f16 bf16 TF32 E4M3 E5M2; }
}
