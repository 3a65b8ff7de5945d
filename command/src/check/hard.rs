//! The kernels that stress the language, those that wait for others in checked mode too, and fused kernels.

use super::bench::{Bench, Limit, modes};
use super::matmul::{PRODUCT, Problem};
use super::numbers::{Random, Real, reals, ulp};
use super::rows::softmax_reference;
use crate::examples::hard::control::{Mode, collatz};
use crate::examples::hard::matmul_template::{Tile, batch_matmul};
use crate::examples::hard::{
    attention::attention, cluster_softmax::cluster_softmax, grid_diffusion::grid_diffusion, matmul_async::matmul_async,
    matmul_mma::matmul_mma, matmul_split_k::matmul_split_k, persistent::persistent_square, pipeline::pipelined_scale,
    scatter, sort::sort_rows,
};
use crate::examples::{digits, fusion};
use hidet::prelude::*;

pub(super) fn check(bench: &mut Bench) {
    sorts(bench);
    batch_matmuls::<f32>(bench, Tile { warps: [2, 2], outer: [1, 1], inner: [4, 4], depth: 8 });
    batch_matmuls::<f16>(bench, Tile { warps: [4, 2], outer: [2, 2], inner: [2, 2], depth: 16 });
    split_ks(bench);
    asyncs(bench);
    tensor_cores(bench);
    clusters(bench);
    cooperative(bench);
    elementwise(bench);
    attentions(bench);
    controls(bench);
    fused(bench);
    whole_network(bench);
}

fn sorts(bench: &mut Bench) {
    for [rows, cols] in [[1, 1], [3, 2], [2, 256], [5, 1024]] {
        let x: Vec<i32> = Random::new(20).counts(rows * cols, 1000);
        let mut expected = Vec::new();
        for row in x.chunks(cols) {
            let mut row = reals(row);
            row.sort_unstable_by(f64::total_cmp);
            expected.extend(row);
        }
        bench.case::<i32>("sort_rows", &[rows, cols], Limit::Ulps(0.0), &expected, |device| {
            let mut x = device.tensor(&x, [rows, cols])?;
            sort_rows().compile(device)?.launch(&mut x)?;
            x.to_vec()
        });
    }
}

fn batch_matmuls<T: Real + Float>(bench: &mut Bench, tile: Tile) {
    for (batch, shape) in [(1, [1, 1, 1]), (2, [33, 65, 9]), (3, [64, 70, 31])] {
        let [m, n, k] = shape;
        let problems: Vec<Problem<T>> = (0..batch).map(|seed| Problem::seeded(shape, seed as u64)).collect();
        let join = |part: fn(&Problem<T>) -> &Vec<T>| problems.iter().flat_map(part).copied().collect::<Vec<T>>();
        let (a, b) = (join(|p| &p.a), join(|p| &p.b));
        let expected: Vec<f64> = problems.iter().flat_map(|p| p.expected.clone()).collect();
        let limits: Vec<f64> = problems.iter().flat_map(|p| p.limits.clone()).collect();
        bench.case::<T>("batch_matmul", &[batch, m, n, k], Limit::Bound(&limits, PRODUCT), &expected, |device| {
            let (a, b) = (device.tensor(&a, [batch, m, k])?, device.tensor(&b, [batch, k, n])?);
            let mut c = device.empty::<T, 3>([batch, m, n])?;
            batch_matmul::<T>(tile).compile(device)?.launch(&a, &b, &mut c)?;
            c.to_vec()
        });
    }
}

fn split_ks(bench: &mut Bench) {
    for shape in [[1, 1, 1], [17, 33, 64], [40, 20, 101]] {
        let [m, n, _] = shape;
        for (name, options) in modes("matmul_split_k") {
            Problem::<f32>::new(shape).case(bench, &name, |device, a, b, c| {
                let mut turn = device.zeros::<i32, 1>([m.div_ceil(16) * n.div_ceil(16)])?;
                matmul_split_k(4).compile_with(device, &options)?.launch(a, b, c, &mut turn)
            });
        }
    }
}

fn asyncs(bench: &mut Bench) {
    for shape in [[64, 64, 16], [64, 128, 48], [128, 64, 160]] {
        for (name, options) in modes("matmul_async") {
            Problem::<f32>::new(shape).case(bench, &name, |device, a, b, c| {
                matmul_async::<3>().compile_with(device, &options)?.launch(a, b, c)
            });
        }
    }
}

fn tensor_cores(bench: &mut Bench) {
    for shape @ [m, n, k] in [[64, 64, 16], [128, 64, 48], [64, 192, 256]] {
        let problem = Problem::<f16>::new(shape);
        for (name, options) in modes("matmul_mma") {
            let limit = Limit::Bound(&problem.limits, PRODUCT);
            bench.case_of::<f16, f32>(&name, &shape, limit, &problem.expected, |device| {
                let (a, b) = (device.tensor(&problem.a, [m, k])?, device.tensor(&problem.b, [k, n])?);
                let mut c = device.empty::<f32, 2>([m, n])?;
                matmul_mma().compile_with(device, &options)?.launch(&a, &b, &mut c)?;
                c.to_vec()
            });
        }
    }
}

/// Clusters exist since sm_90.
fn clusters(bench: &mut Bench) {
    if bench.arch().is_some_and(|arch| arch.number < 90) {
        return;
    }
    for [rows, cols] in [[1, 1], [2, 37], [3, 1000], [2, 4099]] {
        let x: Vec<f32> = Random::new(27).reals(rows * cols, 8.0);
        // Threads of a whole cluster share a row, so each adds fewer numbers than in `softmax`.
        let (expected, _) = softmax_reference(&x, cols);
        let limits: Vec<f64> = expected.iter().map(|v| (24.0 + cols as f64 / 64.0) * 2f64.powi(-24) * v).collect();
        let limit = || Limit::Bound(&limits, "(24 + n / 64) 2^-24 |y|");
        let shape = [rows, cols];
        for (name, options) in modes("cluster_softmax<4>") {
            bench.case::<f32>(&name, &shape, limit(), &expected, |device| {
                let mut y = device.empty::<f32, 2>(shape)?;
                let kernel = cluster_softmax::<4>().compile_with(device, &options)?;
                kernel.launch(&device.tensor(&x, shape)?, &mut y)?;
                y.to_vec()
            });
        }
        // More than eight blocks are not guaranteed on every device of the architecture.
        bench.case::<f32>("cluster_softmax<16>", &shape, limit(), &expected, |device| {
            let mut y = device.empty::<f32, 2>(shape)?;
            cluster_softmax::<16>().compile(device)?.launch(&device.tensor(&x, shape)?, &mut y)?;
            y.to_vec()
        });
    }
}

fn cooperative(bench: &mut Bench) {
    const PASSES: i32 = 5;
    for n in [1, 257, 5000] {
        let x: Vec<f32> = Random::new(28).reals::<f32>(n, 1.0).into_iter().map(f32::abs).collect();
        let mut expected = reals(&x);
        for _ in 0..PASSES {
            let at = |i: Option<usize>| i.and_then(|i| expected.get(i)).copied().unwrap_or(0.0);
            let next = (0..n).map(|i| 0.25 * (at(i.checked_sub(1)) + at(Some(i + 1))) + 0.5 * expected[i]);
            expected = next.collect();
        }
        let limits: Vec<f64> = expected.iter().map(|v| 4.0 * f64::from(PASSES) * 2f64.powi(-24) * v).collect();
        for (name, options) in modes("grid_diffusion") {
            bench.case::<f32>(&name, &[n], Limit::Bound(&limits, "20 2^-24 |y|"), &expected, |device| {
                let (mut x, mut y) = (device.tensor(&x, [n])?, device.zeros::<f32, 1>([n])?);
                grid_diffusion::<8>(PASSES).compile_with(device, &options)?.launch(&mut x, &mut y)?;
                y.to_vec()
            });
        }
    }
}

fn elementwise(bench: &mut Bench) {
    for n in [0, 1, 127, 4096, 4097, 10_007] {
        let x: Vec<f32> = Random::new(21).reals(n, 2.0);
        let scaled: Vec<f64> = reals(&x).iter().map(|v| v * 1.5).collect();
        for (name, options) in modes("pipelined_scale") {
            bench.case::<f32>(&name, &[n], Limit::Ulps(0.5), &scaled, |device| {
                let mut y = device.empty::<f32, 1>([n])?;
                pipelined_scale().compile_with(device, &options)?.launch(&device.tensor(&x, [n])?, &mut y, 1.5)?;
                y.to_vec()
            });
        }
        let squared: Vec<f64> = reals(&x).iter().map(|v| v * v).collect();
        for (name, options) in modes("persistent_square") {
            bench.case::<f32>(&name, &[n], Limit::Ulps(0.5), &squared, |device| {
                let (mut y, mut counter) = (device.empty::<f32, 1>([n])?, device.zeros::<i32, 1>([1])?);
                let kernel = persistent_square().compile_with(device, &options)?;
                kernel.launch(&device.tensor(&x, [n])?, &mut y, &mut counter)?;
                y.to_vec()
            });
        }
    }
    let x: Vec<f32> = Random::new(22).reals(128, 2.0);
    let expected: Vec<f64> = reals(&x).iter().map(|v| v + 1.0).collect();
    bench.case::<f32>("scatter", &[16, 8], Limit::Ulps(0.5), &expected, |device| {
        let mut y = device.empty::<f32, 2>([16, 8])?;
        scatter::scatter().compile(device)?.launch(&device.tensor(&x, [16, 8])?, &mut y)?;
        y.to_vec()
    });
    let x: Vec<i32> = Random::new(23).counts(1000, 1000);
    bench.case::<i32>("checked_copy", &[1000], Limit::Ulps(0.0), &reals(&x), |device| {
        let mut y = device.empty::<i32, 1>([1000])?;
        scatter::checked_copy().compile(device)?.launch(&device.tensor(&x, [1000])?, &mut y)?;
        y.to_vec()
    });
}

fn attentions(bench: &mut Bench) {
    const D: usize = 32;
    for (causal, heads, seq) in [(false, 1, 1), (false, 2, 37), (true, 2, 65), (true, 1, 130)] {
        let mut random = Random::new(24);
        let mut tensor = || random.reals::<f32>(heads * seq * D, 1.0);
        let (q, k, v) = (tensor(), tensor(), tensor());
        let at = |x: &[f32], head: usize, row: usize, d: usize| x[(head * seq + row) * D + d] as f64;
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for head in 0..heads {
            for row in 0..seq {
                let keys = if causal { row + 1 } else { seq };
                let dot = |key| (0..D).map(|d| at(&q, head, row, d) * at(&k, head, key, d)).sum::<f64>();
                let scores: Vec<f64> = (0..keys).map(|key| dot(key) / (D as f64).sqrt()).collect();
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                for d in 0..D {
                    let o = (0..keys).map(|key| (scores[key] - top).exp() / sum * at(&v, head, key, d)).sum();
                    expected.push(o);
                    // Scores are good to a few ulps of 1, sums of `seq` terms of at most 1.
                    limits.push((32.0 + seq as f64) * ulp::<f32>(1.0));
                }
            }
        }
        let shape = [heads, seq, D];
        for (name, options) in modes("attention") {
            bench.case::<f32>(&name, &shape, Limit::Bound(&limits, "(32 + n) 2^-23"), &expected, |device| {
                let (q, k, v) = (device.tensor(&q, shape)?, device.tensor(&k, shape)?, device.tensor(&v, shape)?);
                let mut o = device.empty::<f32, 3>(shape)?;
                attention::<32>(causal).compile_with(device, &options)?.launch(&q, &k, &v, &mut o)?;
                o.to_vec()
            });
        }
    }
}

fn controls(bench: &mut Bench) {
    const ROUNDS: &[i32] = &[7, 11, 13, 2, 3, 100];
    for n in [1, 127, 300] {
        let x: Vec<i32> = (1..=n as i32).collect();
        let steps = |mut v: i64| {
            let mut steps = 0;
            for round in &ROUNDS[..5] {
                for _ in 0..*round {
                    if v == 1 || steps >= 50 {
                        break;
                    }
                    v = if v % 2 == 1 { v * 3 + 1 } else { v / 2 };
                    steps += 1;
                }
            }
            if v > 1 { steps + 1000 } else { steps }
        };
        for (mode, top) in [(Mode::Plain, f64::MAX), (Mode::Relu, f64::MAX), (Mode::Clamp(20.0), 20.0)] {
            let expected: Vec<f64> = x.iter().map(|&v| (steps(v as i64) as f64).min(top)).collect();
            bench.case::<f32>("collatz", &[n], Limit::Ulps(0.0), &expected, |device| {
                let mut y = device.empty::<f32, 1>([n])?;
                collatz::<50>(mode, ROUNDS).compile(device)?.launch(&device.tensor(&x, [n])?, &mut y)?;
                y.to_vec()
            });
        }
    }
}

/// The error of a linear layer with gelu, of which no more than the sum is rounded to fewer bits than `f32`.
pub(super) const LINEAR: &str = "1.2 k 2^-23 sum |a||b| + 8 f32 ulp (1 + |v|)";

/// A product with an epilogue: gelu(a * b + bias) + residual.
pub(super) struct LinearLayer<T> {
    pub bias: Vec<T>,
    pub residual: Vec<T>,
    pub expected: Vec<f64>,
    pub limits: Vec<f64>,
}

impl<T: Real> LinearLayer<T> {
    pub fn new(problem: &Problem<T>) -> Self {
        let (mut random, [m, n, _]) = (Random::new(25), problem.shape);
        let (bias, residual): (Vec<T>, Vec<T>) = (random.reals(n, 1.0), random.reals(m * n, 1.0));
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for i in 0..m * n {
            let v = problem.expected[i] + bias[i % n].real();
            expected.push(0.5 * v * (1.0 + erf(v / 2f64.sqrt())) + residual[i].real());
            // The slope of gelu is at most 1.13; its own error is at most 7e-7, 6 ulp of 1.
            limits.push(1.2 * problem.limits[i] + 8.0 * ulp::<f32>(1.0) * (1.0 + v.abs()));
        }
        LinearLayer { bias, residual, expected, limits }
    }
}

fn fused(bench: &mut Bench) {
    for shape in [[1, 1, 1], [16, 16, 16], [31, 37, 41]] {
        let problem = Problem::<f32>::new(shape);
        let layer = LinearLayer::new(&problem);
        let LinearLayer { bias, residual, .. } = &layer;
        bench.case::<f32>("linear (fused)", &shape, Limit::Bound(&layer.limits, LINEAR), &layer.expected, |device| {
            let [m, n, k] = shape;
            let (a, b) = (device.tensor(&problem.a, [m, k])?, device.tensor(&problem.b, [k, n])?);
            let (bias, residual) = (device.tensor(bias, [n])?, device.tensor(residual, [m, n])?);
            let mut c = device.empty::<f32, 2>([m, n])?;
            fusion::linear().compile(device)?.launch(&a, &b, &bias, &residual, &mut c)?;
            c.to_vec()
        });
    }
    for [rows, cols] in [[1, 1], [7, 257]] {
        let x: Vec<f32> = Random::new(26).reals(rows * cols, 8.0);
        let mut expected = Vec::new();
        for row in x.chunks(cols) {
            let row: Vec<f64> = reals(row).iter().map(|v| v * 0.5).collect();
            let top = row.iter().copied().fold(f64::MIN, f64::max);
            let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
            expected.extend(row.iter().map(|v| (v - top).exp() / sum));
        }
        let limits: Vec<f64> = expected.iter().map(|v| (24.0 + cols as f64 / 8.0) * 2f64.powi(-24) * v).collect();
        bench.case::<f32>(
            "softmax (fused)",
            &[rows, cols],
            Limit::Bound(&limits, "(24 + n / 8) 2^-24 |y|"),
            &expected,
            |device| {
                let mut y = device.empty::<f32, 2>([rows, cols])?;
                fusion::scaled_softmax().compile(device)?.launch(&device.tensor(&x, [rows, cols])?, 0.5, &mut y)?;
                y.to_vec()
            },
        );
    }
}

fn whole_network(bench: &mut Bench) {
    bench.case::<i32>("digits held out", &[597, 64], Limit::Bound(&[17.0], "17 of 597: 97%"), &[597.0], |device| {
        Ok(vec![digits::classify(device, true)?.0 as i32])
    });
}

/// The error function by its series.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..300 {
        term *= -x * x / n as f64;
        sum += term / (2 * n + 1) as f64;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
