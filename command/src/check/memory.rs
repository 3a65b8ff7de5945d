//! Kernels about memory: vector sum, transpose, histogram, stencil, prefix sum. All are exact except the stencil.

use super::bench::{Bench, Limit};
use super::numbers::{Random, Real, reals};
use crate::examples::{
    histogram::histogram, prefix_sum::prefix_sum, stencil::stencil, transpose::transpose, vector_add::vector_add,
};
use hidet::prelude::*;

pub(super) fn check(bench: &mut Bench) {
    vector_adds::<f64>(bench);
    vector_adds::<f32>(bench);
    vector_adds::<f16>(bench);
    vector_adds::<bf16>(bench);
    vector_adds::<i32>(bench);
    vector_adds::<i64>(bench);
    vector_adds::<u32>(bench);
    transposes::<f64>(bench);
    transposes::<f32>(bench);
    transposes::<f16>(bench);
    transposes::<u8>(bench);
    histograms(bench);
    stencils(bench);
    prefix_sums(bench);
}

fn vector_adds<T: Real + Num>(bench: &mut Bench) {
    for n in [0, 1, 31, 255, 256, 257, 10_007] {
        let mut random = Random::new(5);
        let (x, y): (Vec<T>, Vec<T>) = if T::round(0.5).real() == 0.5 {
            (random.reals(n, 100.0), random.reals(n, 100.0))
        } else {
            (random.counts(n, 1000), random.counts(n, 1000))
        };
        let expected: Vec<f64> = reals(&x).iter().zip(reals(&y)).map(|(x, y)| x + y).collect();
        bench.case::<T>("vector_add", &[n], Limit::Ulps(0.5), &expected, |device| {
            let (x, y) = (device.tensor(&x, [n])?, device.tensor(&y, [n])?);
            let mut z = device.empty::<T, 1>([n])?;
            vector_add::<T>().compile(device)?.launch(&x, &y, &mut z)?;
            z.to_vec()
        });
        // The same on tensors that begin one, two and three elements into an allocation.
        bench.case::<T>("vector_add, unaligned", &[n], Limit::Ulps(0.5), &expected, |device| {
            let within = |values: &[T], first: usize| {
                let mut padded = vec![values.first().copied().unwrap_or_default(); first];
                padded.extend_from_slice(values);
                device.tensor(&padded, [padded.len()])?.view(first, [n])
            };
            let mut z = device.empty::<T, 1>([n + 3])?.view(3, [n])?;
            vector_add::<T>().compile(device)?.launch(&within(&x, 1)?, &within(&y, 2)?, &mut z)?;
            z.to_vec()
        });
    }
}

fn transposes<T: Real>(bench: &mut Bench) {
    for [rows, cols] in [[0, 5], [1, 1], [1, 33], [31, 32], [64, 64], [67, 129]] {
        let x: Vec<T> = Random::new(6).counts(rows * cols, 200);
        let expected: Vec<f64> = (0..cols * rows).map(|i| x[i % rows.max(1) * cols + i / rows.max(1)].real()).collect();
        bench.case::<T>("transpose", &[rows, cols], Limit::Ulps(0.0), &expected, |device| {
            let x = device.tensor(&x, [rows, cols])?;
            let mut y = device.empty::<T, 2>([cols, rows])?;
            transpose::<T>().compile(device)?.launch(&x, &mut y)?;
            y.to_vec()
        });
    }
}

fn histograms(bench: &mut Bench) {
    for n in [0, 1, 4095, 4097, 20_011] {
        let x: Vec<u8> = Random::new(7).counts(n, 256);
        let expected: Vec<f64> = (0..=255u8).map(|bin| x.iter().filter(|&&v| v == bin).count() as f64).collect();
        bench.case::<u32>("histogram", &[n], Limit::Ulps(0.0), &expected, |device| {
            let x = device.tensor(&x, [n])?;
            let mut counts = device.zeros::<u32, 1>([256])?;
            histogram::<256>().compile(device)?.launch(&x, &mut counts)?;
            counts.to_vec()
        });
    }
}

fn stencils(bench: &mut Bench) {
    let weights = [[0.25, 0.5, 0.25], [0.0, -1.0, 0.125], [0.5, 0.75, 0.0]];
    for [height, width] in [[0, 5], [1, 1], [7, 31], [8, 32], [9, 33], [41, 101]] {
        let x: Vec<f32> = Random::new(8).reals(height * width, 1.0);
        let at = |r: usize, c: usize| if r < height && c < width { x[r * width + c] as f64 } else { 0.0 };
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for r in 0..height {
            for c in 0..width {
                let (mut sum, mut size) = (0.0, 0.0);
                for (dr, row) in weights.iter().enumerate() {
                    for (dc, &weight) in row.iter().enumerate() {
                        let v = at((r + dr).wrapping_sub(1), (c + dc).wrapping_sub(1)) * weight as f64;
                        sum += v;
                        size += v.abs();
                    }
                }
                expected.push(sum);
                limits.push(9.0 * 2f64.powi(-24) * size);
            }
        }
        bench.case::<f32>(
            "stencil",
            &[height, width],
            Limit::Bound(&limits, "9 2^-24 sum |x||w|"),
            &expected,
            |device| {
                let x = device.tensor(&x, [height, width])?;
                let mut y = device.empty::<f32, 2>([height, width])?;
                stencil(weights).compile(device)?.launch(&x, &mut y)?;
                y.to_vec()
            },
        );
    }
}

fn prefix_sums(bench: &mut Bench) {
    for n in [0, 1, 255, 257, 5003] {
        let x: Vec<i32> = Random::new(9).counts(n, 100);
        let mut sum = 0.0;
        let expected: Vec<f64> = x
            .iter()
            .map(|&v| {
                sum += v as f64;
                sum
            })
            .collect();
        bench.case::<i32>("prefix_sum", &[n], Limit::Ulps(0.0), &expected, |device| {
            let tiles = n.div_ceil(256);
            let x = device.tensor(&x, [n])?;
            let mut y = device.empty::<i32, 1>([n])?;
            let (mut ticket, mut state) = (device.zeros::<u32, 1>([1])?, device.zeros::<u32, 1>([tiles])?);
            let (mut aggregate, mut prefix) = (device.zeros::<i32, 1>([tiles])?, device.zeros::<i32, 1>([tiles])?);
            let kernel = prefix_sum().compile(device)?;
            kernel.launch(&x, &mut y, &mut ticket, &mut state, &mut aggregate, &mut prefix)?;
            y.to_vec()
        });
    }
}
