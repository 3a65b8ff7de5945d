//! Kernels with warp groups, TMA and clusters, as they are and in checked mode, in which every wait must give up after
//! a fault and is another instruction.

use super::bench::{Bench, Limit, modes};
use super::convolution;
use super::hard::{LINEAR, LinearLayer};
use super::matmul::{PRODUCT, Problem};
use super::numbers::{Random, Real, ulp};
use crate::examples::hard::flash_attention::flash_attention;
use crate::examples::hard::linear::{linear_wgmma, scaled_linear_wgmma};
use crate::examples::hard::matmul_multicast::matmul_multicast;
use crate::examples::matmul_wgmma::{Schedule, matmul_wgmma};
use crate::examples::{
    wgmma_1_tile, wgmma_2_pipeline, wgmma_3_two_groups, wgmma_4_persistent, wgmma_5_in_flight, wgmma_6_staged,
};
use hidet::dsl::Template;
use hidet::prelude::*;

pub(super) fn check(bench: &mut Bench) {
    if bench.arch().is_none_or(|arch| arch.number >= 90) {
        for shape in [[1, 4, 4], [65, 132, 20], [128, 256, 64]] {
            for (name, options) in modes("matmul_multicast") {
                Problem::<f32>::new(shape).case(bench, &name, |device, a, b, c| {
                    matmul_multicast().compile_with(device, &options)?.launch(a, b, c)
                });
            }
        }
    }
    if bench.arch().is_none_or(|arch| arch.to_string() == "sm_90a") {
        ladder(bench, [&[[128, 256, 64], [256, 512, 192], [384, 256, 1024]], &[[128, 256, 64], [384, 256, 576]]]);
        linear(bench, [&[[128, 256, 64], [200, 264, 136], [1, 8, 8], [384, 256, 576]], &[[200, 264, 136]]]);
        convolution::check(bench);
        for shape in [[1, 1, 1], [2, 130, 300], [1, 384, 384]] {
            flash::<f16, 64>(bench, shape);
            flash::<bf16, 128>(bench, shape);
        }
    }
}

type Product = Template<(In<bf16, 2>, In<bf16, 2>, Out<bf16, 2>)>;

/// The steps to the final wgmma kernel, and that kernel.
const STEPS: [(&str, fn() -> Product); 8] = [
    ("wgmma_tile", wgmma_1_tile::wgmma_tile),
    ("wgmma_pipeline", wgmma_2_pipeline::wgmma_pipeline::<3>),
    ("wgmma_two_groups", wgmma_3_two_groups::wgmma_two_groups::<4>),
    ("wgmma_persistent", || wgmma_4_persistent::wgmma_persistent::<4>(3)),
    ("wgmma_in_flight", || wgmma_5_in_flight::wgmma_in_flight::<4>(3)),
    ("wgmma_staged", || wgmma_6_staged::wgmma_staged::<4>(3)),
    ("matmul_wgmma", || matmul_wgmma::<bf16>(Schedule { blocks: 4, band: 1, ..Schedule::default() })),
    ("matmul_wgmma, alone", || {
        matmul_wgmma::<bf16>(Schedule { blocks: 3, cluster: 1, stages: 3, ..Schedule::default() })
    }),
];

/// Each step as it is on the first shapes, and in checked mode on the second ones; the last also on extents that are
/// not multiples of its tile.
fn ladder(bench: &mut Bench, shapes: [&[[usize; 3]]; 2]) {
    for (name, template) in STEPS {
        let awkward: &[[usize; 3]] = if name.starts_with("matmul") { &[[200, 264, 136], [1, 8, 8]] } else { &[] };
        for ((name, options), shapes) in modes(name).into_iter().zip(shapes) {
            for shape @ [m, n, k] in shapes.iter().chain(awkward).copied() {
                let problem = Problem::<bf16>::new(shape);
                let b = problem.b_transposed();
                let limit = Limit::Bound(&problem.limits, PRODUCT);
                bench.case_of::<bf16, bf16>(&name, &shape, limit, &problem.expected, |device| {
                    let (a, b) = (device.tensor(&problem.a, [m, k])?, device.tensor(&b, [n, k])?);
                    // Not uninitialised: TMA writes the result, and compute-sanitizer's initcheck does not follow that.
                    let mut c = device.tensor(&vec![bf16::NAN; m * n], [m, n])?;
                    template().compile_with(device, &options)?.launch(&a, &b, &mut c)?;
                    c.to_vec()
                });
            }
        }
    }
}

/// The last step with an epilogue, alone and with a prologue, as it is on the first shapes, and in checked mode on the
/// second ones.
fn linear(bench: &mut Bench, shapes: [&[[usize; 3]]; 2]) {
    for (name, cluster, scaled) in
        [("linear_wgmma", 2, false), ("linear_wgmma, alone", 1, false), ("scaled_linear_wgmma", 2, true)]
    {
        let schedule = Schedule { blocks: 4, band: 1, cluster, ..Schedule::default() };
        for ((name, options), shapes) in modes(name).into_iter().zip(shapes) {
            for shape @ [m, n, k] in shapes.iter().copied() {
                let problem = Problem::<bf16>::new(shape);
                let (layer, b) = (LinearLayer::new(&problem), problem.b_transposed());
                // Powers of two, so that the scaled matrix is exact.
                let scale: Vec<bf16> = (0..k).map(|p| bf16::from_f32([0.5, 1.0, 4.0][p % 3])).collect();
                let unscaled = |i: usize| bf16::from_f32(problem.a[i].to_f32() / scale[i % k].to_f32());
                let limit = Limit::Bound(&layer.limits, LINEAR);
                bench.case_of::<bf16, bf16>(&name, &shape, limit, &layer.expected, |device| {
                    let (a, b) = (device.tensor(&problem.a, [m, k])?, device.tensor(&b, [n, k])?);
                    let (bias, residual) = (device.tensor(&layer.bias, [n])?, device.tensor(&layer.residual, [m, n])?);
                    let mut c = device.tensor(&vec![bf16::NAN; m * n], [m, n])?;
                    if scaled {
                        let a: Vec<bf16> = (0..m * k).map(unscaled).collect();
                        let (a, scale) = (device.tensor(&a, [m, k])?, device.tensor(&scale, [k])?);
                        let kernel = scaled_linear_wgmma(schedule).compile_with(device, &options)?;
                        kernel.launch(&a, &scale, &b, &bias, &residual, &mut c)?;
                    } else {
                        let kernel = linear_wgmma(schedule).compile_with(device, &options)?;
                        kernel.launch(&a, &b, &bias, &residual, &mut c)?;
                    }
                    c.to_vec()
                });
            }
        }
    }
}

/// Flash attention of as many heads, rows and keys, causal and not.
fn flash<T: Real + Float, const D: i32>(bench: &mut Bench, shape @ [heads, len, keys]: [usize; 3]) {
    let (d, scale) = (D as usize, 1.0 / (D as f32).sqrt());
    let mut random = Random::new(27);
    let mut tensor = |rows: usize| random.reals::<T>(heads * rows * d, 1.0);
    let (q, k, v) = (tensor(len), tensor(keys), tensor(keys));
    for causal in [false, true] {
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for head in 0..heads {
            for row in 0..len {
                let seen = if causal { keys.min(row + 1) } else { keys };
                let at = |x: &[T], rows: usize, row: usize, i: usize| x[(head * rows + row) * d + i].real();
                let dot = |key| (0..d).map(|i| at(&q, len, row, i) * at(&k, keys, key, i)).sum::<f64>();
                let scores: Vec<f64> = (0..seen).map(|key| dot(key) * f64::from(scale)).collect();
                let top = scores.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
                for i in 0..d {
                    let terms = (0..seen).map(|key| (scores[key] - top).exp() / sum * at(&v, keys, key, i));
                    expected.push(terms.clone().sum());
                    // Powers are rounded to `T`; scores are good to some ulps of 1.
                    let size: f64 = terms.map(f64::abs).sum();
                    limits.push(0.55 * ulp::<T>(1.0) * size + (64.0 + keys as f64) * ulp::<f32>(1.0));
                }
            }
        }
        let name = if causal { format!("flash_attention<{D}>, causal") } else { format!("flash_attention<{D}>") };
        let limit = Limit::Bound(&limits, "ulp / 2 sum |p v| + (64 + n) 2^-23");
        bench.case::<T>(&name, &shape, limit, &expected, |device| {
            let (q, k) = (device.tensor(&q, [heads, len, d])?, device.tensor(&k, [heads, keys, d])?);
            let v = device.tensor(&v, [heads, keys, d])?;
            // Not uninitialised, as above.
            let mut o = device.tensor(&vec![T::round(f64::NAN); heads * len * d], [heads, len, d])?;
            flash_attention::<T, D>(causal).compile(device)?.launch(&q, &k, &v, scale, &mut o)?;
            o.to_vec()
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn checked_kernels_give_what_the_others_give() {
        super::super::tests::passes(|bench| ladder(bench, [&[], &[[128, 256, 64]]]));
    }

    #[test]
    fn a_prologue_and_an_epilogue_are_applied_in_registers() {
        super::super::tests::passes(|bench| linear(bench, [&[[200, 264, 136], [128, 256, 576]], &[[1, 8, 8]]]));
    }

    #[test]
    fn attention_is_right() {
        super::super::tests::passes(|bench| flash::<f16, 64>(bench, [2, 130, 300]));
        super::super::tests::passes(|bench| flash::<bf16, 128>(bench, [1, 129, 257]));
    }

    #[test]
    fn they_compile_in_checked_mode() {
        let checked = hidet::passes::LoweringOptions { checks: true, ..Default::default() };
        for (_, template) in STEPS {
            super::super::tests::compiles(&template().build().unwrap(), &checked);
        }
        super::super::tests::compiles(&matmul_multicast().build().unwrap(), &checked);
    }
}
