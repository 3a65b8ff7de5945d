//! Arithmetic on the scalar types, as every device defines it: integers wrap, floats round once to nearest even.
//!
//! Constant folding and the simulated device share these functions, so that they cannot disagree. Independent of the
//! IR's operations; `ir::eval` maps those to the functions here.

use super::{Scalar, bf16, f16};

/// A word of a register: 32 bits, or 64 for the types that need them.
pub trait RegisterWord: Copy + Default + 'static {
    /// Returns the lowest bits of a 64-bit word.
    fn from_u64(bits: u64) -> Self;
    /// Zero-extends the word to 64 bits.
    fn to_u64(self) -> u64;
}

impl RegisterWord for u32 {
    #[inline(always)]
    fn from_u64(bits: u64) -> Self {
        bits as u32
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self as u64
    }
}

impl RegisterWord for u64 {
    #[inline(always)]
    fn from_u64(bits: u64) -> Self {
        bits
    }
    #[inline(always)]
    fn to_u64(self) -> u64 {
        self
    }
}

/// A type with arithmetic.
pub trait ScalarArithmetic: Copy + PartialOrd + 'static {
    /// The scalar type.
    const SCALAR: Scalar;
    /// The word that holds it in a register; bits beyond its size are zero.
    type Word: RegisterWord;
    /// Converts from the word of a register.
    fn from_word(word: Self::Word) -> Self;
    /// Converts to the word of a register.
    fn to_word(self) -> Self::Word;
    /// Converts from the lowest bits of a 64-bit word.
    #[inline(always)]
    fn from_bits64(bits: u64) -> Self {
        Self::from_word(Self::Word::from_u64(bits))
    }
    /// Converts to 64 bits, zero-extended.
    #[inline(always)]
    fn to_bits64(self) -> u64 {
        self.to_word().to_u64()
    }
    /// `a + b`
    fn add(self, b: Self) -> Self;
    /// `a - b`
    fn sub(self, b: Self) -> Self;
    /// `a * b`
    fn mul(self, b: Self) -> Self;
    /// `a / b`; 0 for an integer division by zero, which is a fault reported elsewhere.
    fn div(self, b: Self) -> Self;
    /// Returns the remainder with the sign of `a`; 0 for an integer division by zero.
    fn rem(self, b: Self) -> Self;
    /// Returns the smaller operand; if one is NaN, the other; -0 is less than +0.
    fn min(self, b: Self) -> Self;
    /// Returns the larger operand; if one is NaN, the other; -0 is less than +0.
    fn max(self, b: Self) -> Self;
    /// `-a`
    fn neg(self) -> Self;
    /// Absolute value.
    fn abs(self) -> Self;
}

/// An integer type.
pub trait IntegerArithmetic: ScalarArithmetic {
    /// The width in bits.
    const BITS: u32;
    /// Bitwise and.
    fn and(self, b: Self) -> Self;
    /// Bitwise or.
    fn or(self, b: Self) -> Self;
    /// Bitwise exclusive or.
    fn xor(self, b: Self) -> Self;
    /// Bitwise not.
    fn not(self) -> Self;
    /// Shift left by `b` modulo the width; a `b` not less than the width is a fault reported elsewhere.
    fn shl(self, b: Self) -> Self;
    /// Shift right, likewise; arithmetic for signed types.
    fn shr(self, b: Self) -> Self;
}

/// A float type with arithmetic.
pub trait FloatArithmetic: ScalarArithmetic {
    /// `a * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;
    /// Applies a function computed in `f32` (or in `f64` for `f64`) and rounds the result to the type.
    fn map(self, single: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> Self;
    /// Returns the value as `f64`, exactly.
    fn wide(self) -> f64;
}

macro_rules! integer {
    ($($int:ident $scalar:ident $word:ident $unsigned:ident;)*) => {$(
        impl ScalarArithmetic for $int {
            const SCALAR: Scalar = Scalar::$scalar;
            type Word = $word;
            #[inline(always)]
            fn from_word(word: $word) -> Self { word as $int }
            #[inline(always)]
            fn to_word(self) -> $word { self as $unsigned as $word }
            #[inline(always)]
            fn add(self, b: Self) -> Self { self.wrapping_add(b) }
            #[inline(always)]
            fn sub(self, b: Self) -> Self { self.wrapping_sub(b) }
            #[inline(always)]
            fn mul(self, b: Self) -> Self { self.wrapping_mul(b) }
            #[inline(always)]
            fn div(self, b: Self) -> Self { if b == 0 { 0 } else { self.wrapping_div(b) } }
            #[inline(always)]
            fn rem(self, b: Self) -> Self { if b == 0 { 0 } else { self.wrapping_rem(b) } }
            #[inline(always)]
            fn min(self, b: Self) -> Self { if b < self { b } else { self } }
            #[inline(always)]
            fn max(self, b: Self) -> Self { if b > self { b } else { self } }
            #[inline(always)]
            fn neg(self) -> Self { self.wrapping_neg() }
            #[inline(always)]
            #[allow(unused_comparisons)]
            fn abs(self) -> Self { if self < 0 { self.wrapping_neg() } else { self } }
        }
        impl IntegerArithmetic for $int {
            const BITS: u32 = $int::BITS;
            #[inline(always)]
            fn and(self, b: Self) -> Self { self & b }
            #[inline(always)]
            fn or(self, b: Self) -> Self { self | b }
            #[inline(always)]
            fn xor(self, b: Self) -> Self { self ^ b }
            #[inline(always)]
            fn not(self) -> Self { !self }
            #[inline(always)]
            fn shl(self, b: Self) -> Self { self.wrapping_shl(b as u32) }
            #[inline(always)]
            fn shr(self, b: Self) -> Self { self.wrapping_shr(b as u32) }
        }
    )*};
}
integer! {
    i8 I8 u32 u8; i16 I16 u32 u16; i32 I32 u32 u32; i64 I64 u64 u64;
    u8 U8 u32 u8; u16 U16 u32 u16; u32 U32 u32 u32; u64 U64 u64 u64;
}

macro_rules! float {
    ($float:ident, $scalar:ident, $word:ident) => {
        impl ScalarArithmetic for $float {
            const SCALAR: Scalar = Scalar::$scalar;
            type Word = $word;
            #[inline(always)]
            fn from_word(word: $word) -> Self {
                $float::from_bits(word)
            }
            #[inline(always)]
            fn to_word(self) -> $word {
                self.to_bits()
            }
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                self + b
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                self - b
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                self * b
            }
            #[inline(always)]
            fn div(self, b: Self) -> Self {
                self / b
            }
            #[inline(always)]
            fn rem(self, b: Self) -> Self {
                self % b
            }
            #[inline(always)]
            fn min(self, b: Self) -> Self {
                // Equal operands differ at most in the sign of zero, which `or` makes negative.
                let equal = $float::from_bits(self.to_bits() | b.to_bits());
                let least = if self < b { self } else { b };
                let least = if self == b { equal } else { least };
                if b.is_nan() { self } else { least }
            }
            #[inline(always)]
            fn max(self, b: Self) -> Self {
                let equal = $float::from_bits(self.to_bits() & b.to_bits());
                let most = if self > b { self } else { b };
                let most = if self == b { equal } else { most };
                if b.is_nan() { self } else { most }
            }
            #[inline(always)]
            fn neg(self) -> Self {
                -self
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::abs(self)
            }
        }
    };
}
float!(f32, F32, u32);
float!(f64, F64, u64);

impl FloatArithmetic for f32 {
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    #[inline(always)]
    fn map(self, single: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> Self {
        single(self)
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self as f64
    }
}

impl FloatArithmetic for f64 {
    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }
    #[inline(always)]
    fn map(self, _: impl Fn(f32) -> f32, double: impl Fn(f64) -> f64) -> Self {
        double(self)
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

// `f32` has more than twice the precision of these types plus two bits, so computing one operation in it and rounding
// again gives the correctly rounded result for + - * / and the square root.
macro_rules! small_float {
    ($float:ident, $scalar:ident) => {
        impl ScalarArithmetic for $float {
            const SCALAR: Scalar = Scalar::$scalar;
            type Word = u32;
            #[inline(always)]
            fn from_word(word: u32) -> Self {
                $float::from_bits(word as u16)
            }
            #[inline(always)]
            fn to_word(self) -> u32 {
                self.to_bits() as u32
            }
            #[inline(always)]
            fn add(self, b: Self) -> Self {
                $float::from_f32(self.to_f32() + b.to_f32())
            }
            #[inline(always)]
            fn sub(self, b: Self) -> Self {
                $float::from_f32(self.to_f32() - b.to_f32())
            }
            #[inline(always)]
            fn mul(self, b: Self) -> Self {
                $float::from_f32(self.to_f32() * b.to_f32())
            }
            #[inline(always)]
            fn div(self, b: Self) -> Self {
                $float::from_f32(self.to_f32() / b.to_f32())
            }
            #[inline(always)]
            fn rem(self, b: Self) -> Self {
                $float::from_f32(self.to_f32() % b.to_f32())
            }
            #[inline(always)]
            fn min(self, b: Self) -> Self {
                $float::from_f32(ScalarArithmetic::min(self.to_f32(), b.to_f32()))
            }
            #[inline(always)]
            fn max(self, b: Self) -> Self {
                $float::from_f32(ScalarArithmetic::max(self.to_f32(), b.to_f32()))
            }
            #[inline(always)]
            fn neg(self) -> Self {
                $float::from_bits(self.to_bits() ^ 0x8000)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $float::from_bits(self.to_bits() & 0x7fff)
            }
        }
        impl FloatArithmetic for $float {
            fn fma(self, b: Self, c: Self) -> Self {
                $float::from_f32(to_f32_odd(fma_odd(self.to_f64(), b.to_f64(), c.to_f64())))
            }
            #[inline(always)]
            fn map(self, single: impl Fn(f32) -> f32, _: impl Fn(f64) -> f64) -> Self {
                $float::from_f32(single(self.to_f32()))
            }
            #[inline(always)]
            fn wide(self) -> f64 {
                self.to_f64()
            }
        }
    };
}
small_float!(f16, F16);
small_float!(bf16, BF16);

/// Returns `a * b + c` in `f64` with round-to-odd, for an exact product: rounding the result again to a float with
/// fewer than 52 bits gives the same as rounding once.
fn fma_odd(a: f64, b: f64, c: f64) -> f64 {
    let product = a * b;
    let sum = product + c;
    let back = sum - product;
    let error = (product - (sum - back)) + (c - back);
    if error == 0.0 || !sum.is_finite() || sum.to_bits() & 1 == 1 {
        return sum;
    }
    // The even neighbour was chosen; the exact value lies in the direction of `error`.
    let away = (error > 0.0) == (sum > 0.0);
    f64::from_bits(if away { sum.to_bits() + 1 } else { sum.to_bits() - 1 })
}

/// Rounds `value` to `f32` by round-to-odd, so that rounding again gives the correct result.
pub fn to_f32_odd(value: f64) -> f32 {
    let near = value as f32;
    let back = near as f64;
    if back == value || !value.is_finite() || near.to_bits() & 1 == 1 {
        return near;
    }
    if near.is_infinite() {
        return f32::MAX.copysign(near);
    }
    if back.abs() < value.abs() { f32::from_bits(near.to_bits() + 1) } else { f32::from_bits(near.to_bits() - 1) }
}

/// Rounds `value` to `f64` by round-to-odd, so that rounding again gives the correct result.
pub fn to_f64_odd(value: i128) -> f64 {
    let near = value as f64;
    let back = near as i128;
    if back == value || near.to_bits() & 1 == 1 {
        return near;
    }
    f64::from_bits(if back.unsigned_abs() < value.unsigned_abs() { near.to_bits() + 1 } else { near.to_bits() - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f16_fma_rounds_once() {
        // 2049 * 1 + 2^-11: the tie of 2049 between 2048 and 2050 is broken upwards by the addend.
        let a = f16::from_f32(683.0);
        let (b, c) = (f16::from_f32(3.0), f16::from_f32(2f32.powi(-20)));
        assert_eq!(a.fma(b, c), f16::from_f32(2050.0));
        assert_eq!(a.fma(b, f16::from_f32(0.0)), f16::from_f32(2048.0));
        assert_eq!(a.fma(b, c.neg()), f16::from_f32(2048.0));
    }

    #[test]
    fn minimum_prefers_numbers_and_negative_zero() {
        assert_eq!(ScalarArithmetic::min(f32::NAN, 1.0), 1.0);
        assert_eq!(ScalarArithmetic::max(1.0, f32::NAN), 1.0);
        assert_eq!(ScalarArithmetic::min(0.0f32, -0.0).to_bits(), (-0.0f32).to_bits());
        assert_eq!(ScalarArithmetic::max(-0.0f32, 0.0).to_bits(), 0);
    }
}
