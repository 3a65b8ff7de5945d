//! Traits of the Rust types whose values a kernel can hold: [`Element`], [`Num`], [`Int`], [`Float`].
//!
//! The traits are sealed: the elements are the types listed in [`Scalar`].

use super::arithmetic::{to_f32_odd, to_f64_odd};
use super::scalar::{Const, Scalar};
use super::small::{E4M3, E5M2, TF32};
use half::{bf16, f16};

/// A number during conversion between host types, exact within 128-bit integers and `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// An integer; `bool` is 0 or 1.
    Int(i128),
    /// A float.
    Float(f64),
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Number::Int(value) => write!(f, "{value}"),
            Number::Float(value) => write!(f, "{value:?}"),
        }
    }
}

mod sealed {
    /// Seals [`Element`](super::Element).
    pub trait Sealed {}
}

/// A scalar type of the device.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a device type",
    label = "not a device type",
    note = "device types are bool, i8..i64, u8..u64, f16, bf16, f32, f64, TF32, E4M3 and E5M2; indices and sizes are `i32`"
)]
pub trait Element: sealed::Sealed + Copy + PartialEq + Default + std::fmt::Debug + Send + Sync + 'static {
    /// Its type in the IR.
    const SCALAR: Scalar;
    /// The host type that it is printed as: floats smaller than `f32` as `f32`.
    type Shown: std::fmt::Display + std::fmt::Debug;
    /// Returns the value as a constant of the IR.
    fn constant(self) -> Const;
    /// Returns the value with these bits, which must be those of a constant of type [`Element::SCALAR`].
    fn from_bits64(bits: u64) -> Self;
    /// Returns the nearest value, rounded once, as Rust's `as`.
    fn from_number(number: Number) -> Self;
    /// Returns the value as a host number.
    fn number(self) -> Number;
}

/// A type with comparisons: numbers with arithmetic, and `bool`.
#[diagnostic::on_unimplemented(
    message = "values of type `{Self}` can't be compared on the device",
    label = "not a number or `bool`",
    note = "compare vectors lane by lane; cast the storage formats TF32, E4M3 and E5M2 first: `x as f32`"
)]
pub trait Comparable: Element {}

/// An element with arithmetic: all but `bool` and the storage formats `TF32`, `E4M3`, `E5M2`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no arithmetic on the device",
    label = "no arithmetic",
    note = "`bool` has `&&`, `||` and `!`; cast the storage formats TF32, E4M3 and E5M2 first: `x as f32`"
)]
pub trait Num: Comparable {}

/// An integer.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a device integer", label = "an integer is needed here")]
pub trait Int: Num + Bits {}

/// A float with arithmetic.
#[diagnostic::on_unimplemented(message = "`{Self}` is not a float with arithmetic", label = "a float is needed here")]
pub trait Float: Num {
    /// The unsigned integer of the same size, for its bits.
    type Word: Int;
}

/// A type with `!`, `&`, `|` and `^`: `bool` and the integers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no bit operations",
    label = "`bool` or an integer is needed here"
)]
pub trait Bits: Comparable {}

macro_rules! element {
    ($($ty:ty, $scalar:ident, $number:ident as $host:ty, $bits:ty: $to:expr, $of:expr, $from:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Element for $ty {
            const SCALAR: Scalar = Scalar::$scalar;
            type Shown = element!(@shown $scalar $ty);
            fn constant(self) -> Const {
                let bits: $bits = ($to)(self);
                Const { scalar: Scalar::$scalar, bits: bits as u64 }
            }
            fn from_bits64(bits: u64) -> Self {
                ($of)(bits as $bits)
            }
            fn from_number(number: Number) -> Self {
                match number {
                    Number::Int(value) => element!(@from $number $scalar value $from),
                    Number::Float(value) => ($from)(value as _),
                }
            }
            fn number(self) -> Number {
                Number::$number(element!(@number $number self as $host))
            }
        }
    )*};
    (@shown F16 $ty:ty) => { f32 };
    (@shown BF16 $ty:ty) => { f32 };
    (@shown TF32 $ty:ty) => { f32 };
    (@shown E4M3 $ty:ty) => { f32 };
    (@shown E5M2 $ty:ty) => { f32 };
    (@shown $other:ident $ty:ty) => { $ty };
    (@number Int $value:ident as $host:ty) => { $value as i128 };
    (@number Float $value:ident as $host:ty) => { <$host>::from($value.wide()) };
    (@from Int $scalar:ident $value:ident $from:expr) => { $value as Self };
    (@from Float F64 $value:ident $from:expr) => { $value as f64 };
    (@from Float $small:ident $value:ident $from:expr) => { ($from)(to_f64_odd($value)) };
}

/// The exact value in `f64`.
trait Wide {
    fn wide(self) -> f64;
}
macro_rules! wide {
    ($($ty:ty: $wide:expr;)*) => {$(
        impl Wide for $ty {
            fn wide(self) -> f64 {
                ($wide)(self)
            }
        }
    )*};
}
wide! {
    f16: f16::to_f64;
    bf16: bf16::to_f64;
    f32: f64::from;
    f64: |value| value;
    TF32: |value: TF32| value.to_f32() as f64;
    E4M3: |value: E4M3| value.to_f32() as f64;
    E5M2: |value: E5M2| value.to_f32() as f64;
}

#[diagnostic::do_not_recommend]
impl Element for bool {
    const SCALAR: Scalar = Scalar::Bool;
    type Shown = bool;
    fn constant(self) -> Const {
        Const { scalar: Scalar::Bool, bits: self as u64 }
    }
    fn from_bits64(bits: u64) -> Self {
        bits & 1 != 0
    }
    fn from_number(number: Number) -> Self {
        match number {
            Number::Int(value) => value != 0,
            Number::Float(value) => value != 0.0,
        }
    }
    fn number(self) -> Number {
        Number::Int(self as i128)
    }
}

// Formats smaller than `f32` are rounded by way of round-to-odd `f32`: their own `from_f64`, and `as f32`, would round
// twice.
element! {
    i8, I8, Int as i128, u8: |v: i8| v as u8, |b: u8| b as i8, |v: f64| v as i8;
    i16, I16, Int as i128, u16: |v: i16| v as u16, |b: u16| b as i16, |v: f64| v as i16;
    i32, I32, Int as i128, u32: |v: i32| v as u32, |b: u32| b as i32, |v: f64| v as i32;
    i64, I64, Int as i128, u64: |v: i64| v as u64, |b: u64| b as i64, |v: f64| v as i64;
    u8, U8, Int as i128, u8: |v: u8| v, |b: u8| b, |v: f64| v as u8;
    u16, U16, Int as i128, u16: |v: u16| v, |b: u16| b, |v: f64| v as u16;
    u32, U32, Int as i128, u32: |v: u32| v, |b: u32| b, |v: f64| v as u32;
    u64, U64, Int as i128, u64: |v: u64| v, |b: u64| b, |v: f64| v as u64;
    f16, F16, Float as f64, u16: f16::to_bits, f16::from_bits, |v: f64| f16::from_f32(to_f32_odd(v));
    bf16, BF16, Float as f64, u16: bf16::to_bits, bf16::from_bits, |v: f64| bf16::from_f32(to_f32_odd(v));
    f32, F32, Float as f64, u32: f32::to_bits, f32::from_bits, |v: f64| v as f32;
    f64, F64, Float as f64, u64: f64::to_bits, f64::from_bits, |v: f64| v;
    TF32, TF32, Float as f64, u32: |v: TF32| v.to_f32().to_bits(), |b| TF32::from_f32(f32::from_bits(b)), |v: f64| TF32::from_f32(to_f32_odd(v));
    E4M3, E4M3, Float as f64, u8: E4M3::to_bits, E4M3::from_bits, |v: f64| E4M3::from_f32(to_f32_odd(v));
    E5M2, E5M2, Float as f64, u8: E5M2::to_bits, E5M2::from_bits, |v: f64| E5M2::from_f32(to_f32_odd(v));
}

macro_rules! kinds {
    ($($trait:path: $($ty:ty)*;)*) => {$($(
        #[diagnostic::do_not_recommend]
        impl $trait for $ty {}
    )*)*};
}
kinds! {
    sealed::Sealed: bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64 TF32 E4M3 E5M2;
    Comparable: bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Num: i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64;
    Int: i8 i16 i32 i64 u8 u16 u32 u64;
    Bits: bool i8 i16 i32 i64 u8 u16 u32 u64;
}

macro_rules! floats {
    ($($ty:ty: $word:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Float for $ty {
            type Word = $word;
        }
    )*};
}
floats! { f16: u16; bf16: u16; f32: u32; f64: u64; }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_keep_their_bits() {
        assert_eq!((-1i32).constant(), Const { scalar: Scalar::I32, bits: 0xffff_ffff });
        assert_eq!(f16::from_f32(1.0).constant().bits, 0x3c00);
        assert_eq!(f32::from_bits64((1.5f32).constant().bits), 1.5);
        assert_eq!(i8::from_number(Number::Int(300)), 44);
        assert_eq!(u8::from_number(Number::Float(300.0)), 255);
    }

    /// Each number differs from the midpoint of two neighbours by less than an intermediate type can represent.
    #[test]
    fn numbers_round_once() {
        fn of<T: Element>(value: f64) -> Number {
            T::from_number(Number::Float(value)).number()
        }
        let above = |middle: f64| f64::from_bits(middle.to_bits() + 1);
        assert_eq!(of::<f16>(above(1.0 + 2f64.powi(-11))), Number::Float(1.0 + 2f64.powi(-10)));
        assert_eq!(of::<bf16>(above(1.0 + 2f64.powi(-8))), Number::Float(1.0 + 2f64.powi(-7)));
        assert_eq!(of::<E4M3>(above(1.0 + 2f64.powi(-4))), Number::Float(1.125));
        assert_eq!(of::<E5M2>(above(1.0 + 2f64.powi(-3))), Number::Float(1.25));
        // Ties round away from zero, so what lies below the midpoint would be lost.
        assert_eq!(of::<TF32>(f64::from_bits((1.0 + 2f64.powi(-11)).to_bits() - 1)), Number::Float(1.0));
        let whole =
            |value: i128| (f32::from_number(Number::Int(value)), bf16::from_number(Number::Int(value)).to_f32());
        let power = |exponent| 2f32.powi(exponent);
        assert_eq!(whole((1 << 60) + (1 << 36) + 1), (power(60) + power(37), power(60)));
        assert_eq!(whole(-(1 << 60) - (1 << 52) - 1), (-power(60) - power(52), -power(60) - power(53)));
        assert_eq!(f64::from_number(Number::Int((1 << 60) + 1)), 2f64.powi(60));
    }
}
