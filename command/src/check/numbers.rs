//! Numbers for checks: seeded random inputs, rounding to an element type, and errors in units of its last place.

use hidet::prelude::*;

/// An element type whose values are real numbers.
pub trait Real: Element {
    /// The name in reports.
    const NAME: &'static str;
    /// Digits of the mantissa, including the hidden one; integers are exact.
    const DIGITS: i32;
    /// The least exponent of a normal number.
    const LEAST: i32;
    /// The nearest value.
    fn round(value: f64) -> Self;
    /// The value.
    fn real(self) -> f64;
}

macro_rules! real {
    ($($ty:ty, $name:literal, $digits:expr, $least:expr, $round:expr, $real:expr;)*) => {$(
        impl Real for $ty {
            const NAME: &'static str = $name;
            const DIGITS: i32 = $digits;
            const LEAST: i32 = $least;
            fn round(value: f64) -> Self {
                $round(value)
            }
            fn real(self) -> f64 {
                $real(self)
            }
        }
    )*};
}
real! {
    f64, "f64", 53, -1022, |v| v, |v| v;
    f32, "f32", 24, -126, |v: f64| v as f32, |v: f32| v as f64;
    f16, "f16", 11, -14, |v| f16::from_number(hidet::types::Number::Float(v)), |v: f16| v.to_f64();
    bf16, "bf16", 8, -126, |v| bf16::from_number(hidet::types::Number::Float(v)), |v: bf16| v.to_f64();
    i32, "i32", 31, 0, |v: f64| v as i32, |v: i32| v as f64;
    i64, "i64", 53, 0, |v: f64| v as i64, |v: i64| v as f64;
    u32, "u32", 32, 0, |v: f64| v as u32, |v: u32| v as f64;
    u8, "u8", 8, 0, |v: f64| v as u8, |v: u8| v as f64;
}

/// The distance between neighbours of `value` in `T`.
pub fn ulp<T: Real>(value: f64) -> f64 {
    let exponent = if value == 0.0 || !value.is_finite() { T::LEAST } else { value.abs().log2().floor() as i32 };
    2f64.powi(exponent.max(T::LEAST) - T::DIGITS + 1)
}

/// A small generator of pseudo-random numbers (xorshift64*), the same on every machine.
pub struct Random(u64);

impl Random {
    /// Numbers of that seed.
    pub fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 32 bits.
    pub fn bits(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// Uniform in `-1..1`.
    pub fn unit(&mut self) -> f64 {
        self.bits() as f64 / (1u64 << 31) as f64 - 1.0
    }

    /// `count` values in `-scale..scale`, rounded to `T`.
    pub fn reals<T: Real>(&mut self, count: usize, scale: f64) -> Vec<T> {
        (0..count).map(|_| T::round(self.unit() * scale)).collect()
    }

    /// `count` whole numbers in `0..below`.
    pub fn counts<T: Real>(&mut self, count: usize, below: u32) -> Vec<T> {
        (0..count).map(|_| T::round((self.bits() % below) as f64)).collect()
    }
}

/// The values as `f64`.
pub fn reals<T: Real>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| value.real()).collect()
}
