//! The product of warp groups as a linear layer, to measure what fusion costs: the same kernel with a bias, gelu and a
//! residual in its epilogue, and with a prologue that scales the columns of a.
//!
//! With a bias of 256 and a residual of -256 gelu changes nothing, and neither does a scale of one, which no compiler can
//! know: the result is that of the product itself.

use super::contestant::Contestant;
use super::problem::{Make, say, share};
use crate::examples::hard::linear::{SCHEDULE, ScaledLinear, linear_wgmma, scaled_linear_wgmma};
use hidet::prelude::*;

/// Names of the kernels.
pub const NAMES: [&str; 2] = ["linear_wgmma", "scaled_linear_wgmma"];

/// The kernels for this product.
pub fn makes(
    device: &Device,
    (a, b, c): (&Tensor<bf16, 2>, &Tensor<bf16, 2>, &Tensor<bf16, 2>),
) -> Result<Vec<(String, Make)>, String> {
    let ([m, n], [_, k]) = (c.shape(), a.shape());
    let constant = |value: f32, count: usize| vec![bf16::from_f32(value); count];
    let scale = device.tensor(&constant(1.0, k), [k]).map_err(say)?;
    let bias = device.tensor(&constant(256.0, n), [n]).map_err(say)?;
    let residual = device.tensor(&constant(-256.0, m * n), [m, n]).map_err(say)?;
    let make = |name: &'static str| -> Result<(String, Make), String> {
        let (device, a, b, c) = (device.clone(), share(a)?, share(b)?, share(c)?);
        let (scale, bias, residual) = (share(&scale)?, share(&bias)?, share(&residual)?);
        let make = move || {
            let (a, b, mut c) = (share(&a)?, share(&b)?, share(&c)?);
            let (scale, bias, residual) = (share(&scale)?, share(&bias)?, share(&residual)?);
            if name == NAMES[0] {
                let template = linear_wgmma(SCHEDULE);
                Contestant::kernel(name, &device, template, move |kernel| {
                    kernel.launch(&a, &b, &bias, &residual, &mut c)
                })
            } else {
                let template = scaled_linear_wgmma(SCHEDULE);
                let launch =
                    move |kernel: &Kernel<ScaledLinear>| kernel.launch(&a, &scale, &b, &bias, &residual, &mut c);
                Contestant::kernel(name, &device, template, launch)
            }
        };
        Ok((name.to_owned(), Box::new(make)))
    };
    NAMES.into_iter().map(make).collect()
}
