//! A linear layer: the product of warp groups, with a bias, gelu and a residual in its epilogue. The kernel of the ladder
//! applies them to its sums in registers; tiles of the residual reach it through its own pipeline. A prologue of a is
//! applied in registers too, between shared memory and the tensor cores.

use super::super::matmul_wgmma::{Schedule, matmul_wgmma};
use hidet::blocks::gelu;
use hidet::prelude::*;

/// Blocks by themselves: those of a cluster share stages, also the ones with tiles of the residual, and so wait for each
/// other's epilogues. On an H200 that costs more than reading b once for two blocks gains.
pub const SCHEDULE: Schedule = Schedule { blocks: 132, stages: 4, cluster: 1, band: 16 };

/// The parameters of [`linear_wgmma`]: a, b, bias, residual, c.
pub type Linear = (In<bf16, 2>, In<bf16, 2>, In<bf16, 1>, In<bf16, 2>, Out<bf16, 2>);

#[device]
fn activate(sum: Expr<f32>, bias: Expr<bf16>, residual: Expr<bf16>) -> Expr<bf16> {
    (gelu(sum + bias as f32) + residual as f32) as bf16
}

/// c = gelu(a * transposed b + bias) + residual, rounded once.
pub fn linear_wgmma(schedule: Schedule) -> Template<Linear> {
    let names = ["a[m, k]", "b[n, k]", "bias[n]", "residual[m, n]", "c[m, n]"];
    matmul_wgmma::<f32>(schedule).fuse("linear_wgmma", names, |(a, b, bias, residual, c): Linear| {
        (a, b, c.map_store_with((bias.along([1]), residual), |sum, (bias, residual), _| activate(sum, bias, residual)))
    })
}

/// The parameters of [`scaled_linear_wgmma`]: a, scale, b, bias, residual, c.
pub type ScaledLinear = (In<bf16, 2>, In<bf16, 1>, In<bf16, 2>, In<bf16, 1>, In<bf16, 2>, Out<bf16, 2>);

/// The same with the columns of a multiplied by `scale`.
pub fn scaled_linear_wgmma(schedule: Schedule) -> Template<ScaledLinear> {
    let names = ["a[m, k]", "scale[k]", "b[n, k]", "bias[n]", "residual[m, n]", "c[m, n]"];
    linear_wgmma(schedule).fuse("scaled_linear_wgmma", names, |(a, scale, b, bias, residual, c): ScaledLinear| {
        (a.map_with((scale.along([1]),), |value, (scale,), _| value * scale), b, bias, residual, c)
    })
}
