//! Kernels that run at the speed of memory, on lengths that are not multiples of the tile and memory of any alignment.

use super::bench::{Bench, Limit};
use super::numbers::{Random, Real, reals};
use super::rows::{LAYER_NORM, SOFTMAX, SUM, layer_norm_reference, softmax_reference, sum_reference};
use crate::examples::row_kernels::{Rows, layer_norm_fast, row_sum_fast, softmax_fast};
use crate::examples::streams::{Copies, copy16, vector_add_fast};
use crate::examples::transpose_fast::{Squares, transpose_fast};
use hidet::prelude::*;

pub(super) fn check(bench: &mut Bench) {
    streams::<f32>(bench);
    streams::<f16>(bench);
    streams::<bf16>(bench);
    streams::<u8>(bench);
    transposes::<f32>(bench);
    transposes::<f16>(bench);
    transposes::<u8>(bench);
    rows::<f32>(bench);
    rows::<f16>(bench);
    rows::<bf16>(bench);
}

/// Returns a tensor that begins `first` elements into its allocation.
fn within<T: Element, const R: usize>(
    device: &Device,
    values: &[T],
    first: usize,
    shape: [usize; R],
) -> hidet::Result<Tensor<T, R>> {
    let mut padded = vec![values.first().copied().unwrap_or_default(); first];
    padded.extend_from_slice(values);
    device.tensor(&padded, [padded.len()])?.view(first, shape)
}

fn streams<T: Real + Num>(bench: &mut Bench) {
    for n in [0, 1, 255, 1024, 8192, 16_391, 40_007] {
        let mut random = Random::new(30);
        let (x, y): (Vec<T>, Vec<T>) = (random.counts(n, 100), random.counts(n, 100));
        let sum: Vec<f64> = reals(&x).iter().zip(reals(&y)).map(|(x, y)| x + y).collect();
        // Aligned to 16 bytes, and only to elements.
        for first in [0, 1] {
            let align = if first == 0 { 16 } else { std::mem::size_of::<T>() as u64 };
            for pieces in [1, 4] {
                let stream = Copies::of::<T>(align, pieces);
                bench.case::<T>("copy16", &[n, first], Limit::Ulps(0.0), &reals(&x), |device| {
                    let mut z = device.empty::<T, 1>([n + first])?.view(first, [n])?;
                    copy16::<T>(stream).compile(device)?.launch(&within(device, &x, first, [n])?, &mut z)?;
                    z.to_vec()
                });
                bench.case::<T>("vector_add_fast", &[n, first], Limit::Ulps(0.0), &sum, |device| {
                    let (x, y) = (within(device, &x, first, [n])?, within(device, &y, first, [n])?);
                    let mut z = device.empty::<T, 1>([n + first])?.view(first, [n])?;
                    vector_add_fast::<T>(stream).compile(device)?.launch(&x, &y, &mut z)?;
                    z.to_vec()
                });
            }
        }
    }
}

fn transposes<T: Real>(bench: &mut Bench) {
    for [rows, cols] in [[0, 8], [1, 1], [33, 65], [64, 64], [128, 256], [136, 72], [260, 132], [134, 66], [8, 1000]] {
        let x: Vec<T> = Random::new(32).counts(rows * cols, 200);
        let expected: Vec<f64> = (0..cols * rows).map(|i| x[i % rows.max(1) * cols + i / rows.max(1)].real()).collect();
        for first in [0, 1] {
            let align = if first == 0 { 16 } else { std::mem::size_of::<T>() as u64 };
            let plan = Squares::of::<T>(rows, cols, align);
            for direct in [None, Some(4), Some(8)] {
                let plan = plan.map(|plan| Squares { direct, ..plan });
                bench.case::<T>("transpose_fast", &[rows, cols, first], Limit::Ulps(0.0), &expected, |device| {
                    let mut y = device.empty::<T, 1>([rows * cols + first])?.view(first, [cols, rows])?;
                    transpose_fast::<T>(plan)
                        .compile(device)?
                        .launch(&within(device, &x, first, [rows, cols])?, &mut y)?;
                    y.to_vec()
                });
            }
        }
    }
}

fn rows<T: Real + Float>(bench: &mut Bench) {
    for [rows, cols] in [[0, 8], [3, 1], [5, 31], [6, 767], [5, 768], [7, 1000], [3, 1001], [2, 8192], [2, 8193]] {
        let mut random = Random::new(31);
        let x: Vec<T> = random.reals(rows * cols, 8.0);
        let (gain, bias): (Vec<T>, Vec<T>) = (random.reals(cols, 2.0), random.reals(cols, 2.0));
        for first in [0, 1] {
            let align = if first == 0 { 16 } else { std::mem::size_of::<T>() as u64 };
            let plan = Rows::of::<T>(cols, align);
            // With more rows than the blocks of a persistent grid process at the same time.
            let few = |plan: Rows| Rows { rows: 1, persistent: (plan.warps == 1).then_some([1, 2]), ..plan };
            let plan = if rows >= 5 { plan.map(few) } else { plan };
            let shape = [rows, cols];
            let label = [rows, cols, first];
            let (expected, limits) = sum_reference(&x, cols);
            bench.case_of::<T, f32>("row_sum_fast", &label, Limit::Bound(&limits, SUM), &expected, |device| {
                let mut y = device.empty([rows])?;
                row_sum_fast::<T>(plan).compile(device)?.launch(&within(device, &x, first, shape)?, &mut y)?;
                y.to_vec()
            });
            let (expected, limits) = softmax_reference(&x, cols);
            bench.case::<T>("softmax_fast", &label, Limit::Bound(&limits, SOFTMAX), &expected, |device| {
                let mut y = device.empty::<T, 1>([rows * cols + first])?.view(first, shape)?;
                softmax_fast::<T>(plan).compile(device)?.launch(&within(device, &x, first, shape)?, &mut y)?;
                y.to_vec()
            });
            let (expected, limits) = layer_norm_reference(&x, &gain, &bias);
            bench.case::<T>("layer_norm_fast", &label, Limit::Bound(&limits, LAYER_NORM), &expected, |device| {
                let x = within(device, &x, first, shape)?;
                let (gain, bias) = (within(device, &gain, first, [cols])?, within(device, &bias, first, [cols])?);
                let mut y = device.empty::<T, 1>([rows * cols + first])?.view(first, shape)?;
                layer_norm_fast::<T>(plan).compile(device)?.launch(&x, &gain, &bias, &mut y, 1e-5)?;
                y.to_vec()
            });
        }
    }
}
