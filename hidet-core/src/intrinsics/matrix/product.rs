//! The matrix product of tensor cores: `d = a * b` or `d += a * b` on the bits of elements.
//!
//! Products are exact, sums are `f32` in the order of k; an `f16` accumulator is rounded once at the end. Hardware
//! instead aligns a few terms to the largest and truncates them (fp8 on Hopper keeps 13 bits below it), so results
//! differ in the last places; sums of small integers are equal bit for bit. Integers wrap. `tf32` uses the upper 19
//! bits of each operand. The bits of NaN results are unspecified.

use crate::types::{E4M3, E5M2, Scalar, bf16, f16};
use std::sync::LazyLock;

/// The shape and the types of a product: a is `m x k`, b is `k x n`, d is `m x n`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// Rows of a and d.
    pub m: u32,
    /// Columns of b and d.
    pub n: u32,
    /// Columns of a, rows of b.
    pub k: u32,
    /// Type of d: `f16`, `f32` or `i32`.
    pub d: Scalar,
    /// Type of a.
    pub a: Scalar,
    /// Type of b.
    pub b: Scalar,
}

/// The terms of the sum and their signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// True to add the old d.
    pub accumulate: bool,
    /// True to negate a (floats only).
    pub negate_a: bool,
    /// True to negate b (floats only).
    pub negate_b: bool,
}

impl Terms {
    /// `d += a * b`
    pub const ADD: Terms = Terms { accumulate: true, negate_a: false, negate_b: false };
}

static E4M3S: LazyLock<[f32; 256]> = LazyLock::new(|| std::array::from_fn(|bits| E4M3::from_bits(bits as u8).to_f32()));
static E5M2S: LazyLock<[f32; 256]> = LazyLock::new(|| std::array::from_fn(|bits| E5M2::from_bits(bits as u8).to_f32()));

/// Returns the value that a tensor core reads from the bits of a float.
fn float(scalar: Scalar, bits: u32) -> f32 {
    match scalar {
        Scalar::F16 => f16::from_bits(bits as u16).to_f32(),
        Scalar::BF16 => bf16::from_bits(bits as u16).to_f32(),
        Scalar::TF32 => f32::from_bits(bits & !0x1fff),
        Scalar::E4M3 => E4M3S[bits as usize & 0xff],
        Scalar::E5M2 => E5M2S[bits as usize & 0xff],
        _ => f32::from_bits(bits),
    }
}

fn int(scalar: Scalar, bits: u32) -> i32 {
    match scalar {
        Scalar::I8 => bits as i8 as i32,
        Scalar::U8 => bits as u8 as i32,
        _ => bits as i32,
    }
}

impl Product {
    /// Computes d from the bits of all elements, each matrix in row-major order (one element per word, upper bits
    /// zero). Slices that are too short leave d unchanged.
    pub fn run(&self, terms: Terms, d: &mut [u32], a: &[u32], b: &[u32]) {
        let [m, n, k] = [self.m, self.n, self.k].map(|extent| extent as usize);
        if d.len() < m * n || a.len() < m * k || b.len() < k * n {
            return;
        }
        if self.d == Scalar::I32 {
            let old = |bits| int(self.d, bits);
            let product = |sum: &mut i32, a: i32, b: i32| *sum = sum.wrapping_add(a.wrapping_mul(b));
            let a: Vec<i32> = a.iter().map(|bits| int(self.a, *bits)).collect();
            let b: Vec<i32> = b.iter().map(|bits| int(self.b, *bits)).collect();
            sum([m, n, k], terms.accumulate, d, (&a, &b), old, product, |sum| sum as u32);
            return;
        }
        let negate = terms.negate_a != terms.negate_b;
        let sign = if negate { -1.0 } else { 1.0 };
        let a: Vec<f32> = a.iter().map(|bits| sign * float(self.a, *bits)).collect();
        let b: Vec<f32> = b.iter().map(|bits| float(self.b, *bits)).collect();
        let new = |sum: f32| match self.d {
            Scalar::F16 => f16::from_f32(sum).to_bits() as u32,
            _ => sum.to_bits(),
        };
        let old = |bits| float(self.d, bits);
        sum([m, n, k], terms.accumulate, d, (&a, &b), old, |sum, a, b| *sum += a * b, new);
    }
}

/// Computes row by row, so that the innermost loop runs along rows of b and d.
#[inline(always)]
fn sum<T: Copy + Default>(
    [m, n, k]: [usize; 3],
    accumulate: bool,
    d: &mut [u32],
    (a, b): (&[T], &[T]),
    old: impl Fn(u32) -> T,
    product: impl Fn(&mut T, T, T),
    new: impl Fn(T) -> u32,
) {
    let mut sums = vec![T::default(); n];
    for (d, a) in d.chunks_exact_mut(n).zip(a.chunks_exact(k)).take(m) {
        for (sum, d) in sums.iter_mut().zip(&*d) {
            *sum = if accumulate { old(*d) } else { T::default() };
        }
        for (a, b) in a.iter().zip(b.chunks_exact(n)) {
            for (sum, b) in sums.iter_mut().zip(b) {
                product(sum, *a, *b);
            }
        }
        for (d, sum) in d.iter_mut().zip(&sums) {
            *d = new(*sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product(d: Scalar, ab: Scalar, n: u32, k: u32) -> Product {
        Product { m: 16, n, k, d, a: ab, b: ab }
    }

    /// Returns small integers as bits.
    fn bits(scalar: Scalar, value: i32) -> u32 {
        match scalar {
            Scalar::F16 => f16::from_f32(value as f32).to_bits() as u32,
            Scalar::BF16 => bf16::from_f32(value as f32).to_bits() as u32,
            Scalar::E4M3 => E4M3::from_f32(value as f32).to_bits() as u32,
            Scalar::E5M2 => E5M2::from_f32(value as f32).to_bits() as u32,
            Scalar::I8 | Scalar::U8 => value as u8 as u32,
            Scalar::I32 => value as u32,
            _ => (value as f32).to_bits(),
        }
    }

    #[test]
    fn small_integers_come_out_exactly() {
        use Scalar::*;
        for (d, ab) in
            [(F16, F16), (F32, F16), (F32, BF16), (F32, TF32), (F32, E4M3), (F16, E5M2), (I32, I8), (I32, U8)]
        {
            let p = product(d, ab, 8, 16);
            let value = |i: usize, j: usize| ((i * 5 + j * 3) % 5) as i32 - if ab == U8 { 0 } else { 2 };
            let a: Vec<u32> = (0..16 * 16).map(|at| bits(ab, value(at / 16, at % 16))).collect();
            let b: Vec<u32> = (0..16 * 8).map(|at| bits(ab, value(at / 8 + 1, at % 8))).collect();
            let start: Vec<u32> = (0..16 * 8).map(|at| bits(d, at % 7)).collect();
            for terms in
                [Terms::ADD, Terms { accumulate: false, ..Terms::ADD }, Terms { negate_a: d != I32, ..Terms::ADD }]
            {
                let mut got = start.clone();
                p.run(terms, &mut got, &a, &b);
                for at in 0..16 * 8 {
                    let (i, j) = (at / 8, at % 8);
                    let mut sum: i32 = (0..16).map(|q| value(i, q) * value(q + 1, j)).sum();
                    if terms.negate_a {
                        sum = -sum;
                    }
                    let wanted = sum + if terms.accumulate { at as i32 % 7 } else { 0 };
                    assert_eq!(got[at], bits(d, wanted), "{d} {ab} {terms:?} {at}");
                }
            }
        }
    }

    #[test]
    fn tf32_reads_nineteen_bits_and_integers_wrap() {
        let one = Product { m: 1, n: 1, k: 1, d: Scalar::F32, a: Scalar::TF32, b: Scalar::TF32 };
        let mut d = [0];
        one.run(Terms::ADD, &mut d, &[0x3f80_1fff], &[0x3f80_0000]);
        assert_eq!(f32::from_bits(d[0]), 1.0);
        let wraps = Product { d: Scalar::I32, a: Scalar::I8, b: Scalar::I8, ..one };
        let mut d = [i32::MAX as u32];
        wraps.run(Terms::ADD, &mut d, &[1], &[1]);
        assert_eq!(d[0] as i32, i32::MIN);
    }
}
