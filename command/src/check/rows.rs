//! Kernels along rows: sums, softmax, layer norm.

use super::bench::{Bench, Limit};
use super::numbers::{Random, Real, reals, ulp};
use crate::examples::{layer_norm::layer_norm, reduction, softmax::softmax};
use hidet::prelude::*;

const SHAPES: [[usize; 2]; 8] = [[0, 7], [1, 1], [1, 31], [2, 32], [3, 33], [7, 257], [13, 1000], [67, 769]];

pub(super) fn check(bench: &mut Bench) {
    sums::<f32>(bench);
    sums::<f16>(bench);
    sums::<bf16>(bench);
    sum_all(bench);
    softmaxes::<f64>(bench);
    softmaxes::<f32>(bench);
    softmaxes::<f16>(bench);
    softmaxes::<bf16>(bench);
    layer_norms::<f32>(bench);
    layer_norms::<f16>(bench);
    layer_norms::<bf16>(bench);
}

/// The expected result, and the allowed error.
pub type Reference = (Vec<f64>, Vec<f64>);

/// The sum of each row.
pub const SUM: &str = "n 2^-24 sum |x|";
pub fn sum_reference<T: Real>(x: &[T], cols: usize) -> Reference {
    let expected = x.chunks(cols).map(|row| reals(row).iter().sum()).collect();
    // A sum of n numbers in any order: at most n roundings of partial sums, which the sum of absolute values bounds.
    let size = |row: &[T]| reals(row).iter().map(|v| v.abs()).sum::<f64>();
    (expected, x.chunks(cols).map(|row| cols as f64 * 2f64.powi(-24) * size(row)).collect())
}

/// The softmax of each row.
pub const SOFTMAX: &str = "(24 + n / 8) 2^-24 |y|";
pub fn softmax_reference<T: Real>(x: &[T], cols: usize) -> Reference {
    let mut expected = Vec::new();
    for row in x.chunks(cols) {
        let row = reals(row);
        let top = row.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
        expected.extend(row.iter().map(|v| (v - top).exp() / sum));
    }
    // Computed in f32: exp to 2 ulp, the exponent's rounding, a sum of `cols`, a quotient and a product.
    let limits = expected.iter().map(|v| (24.0 + cols as f64 / 8.0) * 2f64.powi(-24) * v).collect();
    (expected, limits)
}

/// The layer norm of each row, with an epsilon of 1e-5.
pub const LAYER_NORM: &str = "8 f32 ulp of |gain| scale (4 + 4 |x - m|) + |bias|";
pub fn layer_norm_reference<T: Real>(x: &[T], gain: &[T], bias: &[T]) -> Reference {
    let cols = gain.len();
    let (mut expected, mut limits) = (Vec::new(), Vec::new());
    for row in x.chunks(cols) {
        let row = reals(row);
        let mean = row.iter().sum::<f64>() / cols as f64;
        let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / cols as f64;
        let scale = 1.0 / (variance + 1e-5f32 as f64).sqrt();
        for (j, v) in row.iter().enumerate() {
            let (gain, bias) = (gain[j].real(), bias[j].real());
            expected.push((v - mean) * scale * gain + bias);
            // The mean is accurate to a few f32 ulps of the inputs' size; the scale multiplies this error.
            let slack = (4.0 * scale + (v - mean).abs() * scale * 4.0) * gain.abs() + bias.abs();
            limits.push(8.0 * ulp::<f32>(1.0) * slack);
        }
    }
    (expected, limits)
}

fn sums<T: Real + Float>(bench: &mut Bench) {
    for [rows, cols] in SHAPES {
        let host: Vec<T> = Random::new(1).reals(rows * cols, 1.0);
        let (expected, limits) = sum_reference(&host, cols);
        let shape = [rows, cols];
        let kernels: [(&str, fn() -> Template<(In<T, 2>, Out<f32, 1>)>); 2] =
            [("row_sum_warp", reduction::row_sum_warp::<T>), ("row_sum_block", reduction::row_sum_block::<T>)];
        for (name, kernel) in kernels {
            bench.case_of::<T, f32>(name, &shape, Limit::Bound(&limits, SUM), &expected, |device| {
                let x = device.tensor(&host, shape)?;
                let mut y = device.empty([rows])?;
                kernel().compile(device)?.launch(&x, &mut y)?;
                y.to_vec()
            });
        }
    }
}

fn sum_all(bench: &mut Bench) {
    for n in [0, 1, 255, 257, 10_007] {
        let host: Vec<f32> = Random::new(2).reals(n, 1.0);
        let expected = [reals(&host).iter().sum()];
        let limit = [n as f64 * 2f64.powi(-24) * reals(&host).iter().map(|v| v.abs()).sum::<f64>()];
        bench.case::<f32>("sum_all", &[n], Limit::Bound(&limit, "n 2^-24 sum |x|"), &expected, |device| {
            let x = device.tensor(&host, [n])?;
            let (mut partial, mut done) = (device.zeros::<f32, 1>([16])?, device.zeros::<u32, 1>([1])?);
            let mut y = device.empty::<f32, 1>([1])?;
            reduction::sum_all(16).compile(device)?.launch(&x, &mut partial, &mut done, &mut y)?;
            y.to_vec()
        });
    }
}

fn softmaxes<T: Real + Float>(bench: &mut Bench) {
    for [rows, cols] in SHAPES {
        let host: Vec<T> = Random::new(3).reals(rows * cols, 8.0);
        let (expected, limits) = softmax_reference(&host, cols);
        bench.case::<T>("softmax", &[rows, cols], Limit::Bound(&limits, SOFTMAX), &expected, |device| {
            let x = device.tensor(&host, [rows, cols])?;
            let mut y = device.empty::<T, 2>([rows, cols])?;
            softmax::<T>().compile(device)?.launch(&x, &mut y)?;
            y.to_vec()
        });
    }
}

fn layer_norms<T: Real + Float>(bench: &mut Bench) {
    for [rows, cols] in SHAPES {
        let mut random = Random::new(4);
        let host: Vec<T> = random.reals(rows * cols, 4.0);
        let (gain, bias): (Vec<T>, Vec<T>) = (random.reals(cols, 2.0), random.reals(cols, 2.0));
        let (expected, limits) = layer_norm_reference(&host, &gain, &bias);
        bench.case::<T>("layer_norm", &[rows, cols], Limit::Bound(&limits, LAYER_NORM), &expected, |device| {
            let x = device.tensor(&host, [rows, cols])?;
            let (gain, bias) = (device.tensor(&gain, [cols])?, device.tensor(&bias, [cols])?);
            let mut y = device.empty::<T, 2>([rows, cols])?;
            layer_norm::<T>().compile(device)?.launch(&x, &gain, &bias, &mut y, 1e-5)?;
            y.to_vec()
        });
    }
}
