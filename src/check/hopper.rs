//! Kernels with warp groups, TMA and clusters, as they are and in checked mode, in which every wait must give up after
//! a fault and is another instruction.

use super::bench::{Bench, Limit, modes};
use super::hard::{LINEAR, LinearLayer};
use super::matmul::{PRODUCT, Problem};
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
        super::super::tests::passes(|bench| linear(bench, [&[[200, 264, 136]], &[[1, 8, 8]]]));
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
