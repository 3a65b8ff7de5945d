//! Integer arithmetic as a parameter: one formula serves both evaluation on the host and lowering on the device.
//!
//! A mapping or layout writes its index formula once against [`Arith`]. [`HostArith`] computes it on `i64`; the IR
//! builder also implements the trait and emits operations instead.

/// The integer operations an index formula may use. Values are non-negative, so `/` and `%` need no rounding rule.
pub trait Arith {
    /// The type the formula computes with: a number on the host, a handle to a value on the device.
    type Int: Clone;

    /// Returns the number `value`.
    fn constant(&mut self, value: i64) -> Self::Int;
    /// Returns the symbol with that number (see [`IndexExpr::Symbol`](crate::IndexExpr::Symbol)).
    fn symbol(&mut self, symbol: u32) -> Self::Int;
    /// `a + b`
    fn add(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// `a - b`
    fn sub(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// `a * b`
    fn mul(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// `a / b`, `b > 0`
    fn div(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// `a % b`, `b > 0`
    fn rem(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// Bitwise `a ^ b`
    fn xor(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// Bitwise `a & b`
    fn and(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// Returns the smaller of the two.
    fn min(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
    /// Returns the larger of the two.
    fn max(&mut self, a: &Self::Int, b: &Self::Int) -> Self::Int;
}

/// [`Arith`] on `i64`, with the values of the symbols. A division by zero, an overflow or an unknown symbol gives 0 and
/// is recorded in [`HostArith::fault`].
#[derive(Debug, Clone, Default)]
pub struct HostArith<'a> {
    /// The value of each symbol.
    pub symbols: &'a [i64],
    /// The reason why the result is invalid, if it is.
    pub fault: Option<&'static str>,
}

impl<'a> HostArith<'a> {
    /// Arithmetic in which symbol `i` has the value `symbols[i]`.
    pub fn new(symbols: &'a [i64]) -> Self {
        HostArith { symbols, fault: None }
    }

    fn checked(&mut self, value: Option<i64>, why: &'static str) -> i64 {
        value.unwrap_or_else(|| {
            self.fault = Some(why);
            0
        })
    }
}

impl Arith for HostArith<'_> {
    type Int = i64;

    fn constant(&mut self, value: i64) -> i64 {
        value
    }
    fn symbol(&mut self, symbol: u32) -> i64 {
        self.checked(self.symbols.get(symbol as usize).copied(), "unknown symbol")
    }
    fn add(&mut self, a: &i64, b: &i64) -> i64 {
        self.checked(a.checked_add(*b), "overflow")
    }
    fn sub(&mut self, a: &i64, b: &i64) -> i64 {
        self.checked(a.checked_sub(*b), "overflow")
    }
    fn mul(&mut self, a: &i64, b: &i64) -> i64 {
        self.checked(a.checked_mul(*b), "overflow")
    }
    fn div(&mut self, a: &i64, b: &i64) -> i64 {
        self.checked(a.checked_div(*b), "division by zero")
    }
    fn rem(&mut self, a: &i64, b: &i64) -> i64 {
        self.checked(a.checked_rem(*b), "division by zero")
    }
    fn xor(&mut self, a: &i64, b: &i64) -> i64 {
        a ^ b
    }
    fn and(&mut self, a: &i64, b: &i64) -> i64 {
        a & b
    }
    fn min(&mut self, a: &i64, b: &i64) -> i64 {
        *a.min(b)
    }
    fn max(&mut self, a: &i64, b: &i64) -> i64 {
        *a.max(b)
    }
}
