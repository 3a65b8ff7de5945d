//! The fast row kernels with a prologue and an epilogue, to measure what fusion costs: the same kernel, whose input is
//! scaled by a row operand, and to whose output a row operand is added.
//!
//! The operands are ones and zeros, which no compiler can know, so the results are those of the kernel itself.

use super::contestant::Contestant;
use super::problem::{Make, say, share};
use super::schedules;
use crate::check::numbers::Real;
use crate::examples::row_kernels::{layer_norm_fast, row_sum_fast, softmax_fast};
use hidet::dsl::Template;
use hidet::prelude::*;

/// The operands of the prologue and the epilogue, one element per column.
struct RowOperands<T: Element> {
    ones: Tensor<T, 1>,
    zeros: Tensor<T, 1>,
}

impl<T: Real + Float> RowOperands<T> {
    fn new(device: &Device, cols: usize) -> Result<RowOperands<T>, String> {
        let ones = vec![T::round(1.0); cols];
        let ones = device.tensor(&ones, [cols]).map_err(say)?;
        Ok(RowOperands { ones, zeros: device.zeros([cols]).map_err(say)? })
    }

    fn share(&self) -> Result<RowOperands<T>, String> {
        Ok(RowOperands { ones: share(&self.ones)?, zeros: share(&self.zeros)? })
    }
}

fn prologue<T: Float>(x: In<T, 2>, scale: In<T, 1>) -> In<T, 2> {
    x.map_with((scale.along([1]),), |value, (scale,), _| value * scale)
}

fn epilogue<T: Float>(y: Out<T, 2>, shift: In<T, 1>) -> Out<T, 2> {
    y.map_store_with((shift.along([1]),), |value, (shift,), _| value + shift)
}

type Sum<T> = (In<T, 2>, In<T, 1>, Expr<f32>, Out<f32, 1>);

fn fused_sum<T: Float>(cols: usize) -> Template<Sum<T>> {
    let names = ["x[rows, cols]", "scale[cols]", "shift", "y[rows]"];
    let template = row_sum_fast::<T>(schedules::rows::<T>(cols, 0, 64, 0));
    template.fuse("row_sum_fused", names, |(x, scale, shift, y): Sum<T>| {
        (prologue(x, scale), y.map_store(move |value, _| value + shift))
    })
}

type Softmax<T> = (In<T, 2>, In<T, 1>, In<T, 1>, Out<T, 2>);

fn fused_softmax<T: Float>(cols: usize) -> Template<Softmax<T>> {
    let names = ["x[rows, cols]", "scale[cols]", "shift[cols]", "y[rows, cols]"];
    let template = softmax_fast::<T>(schedules::rows::<T>(cols, 0, 64, 0));
    template.fuse("softmax_fused", names, |(x, scale, shift, y): Softmax<T>| (prologue(x, scale), epilogue(y, shift)))
}

type LayerNorm<T> = (In<T, 2>, In<T, 1>, In<T, 1>, In<T, 1>, In<T, 1>, Out<T, 2>, Expr<f32>);

fn fused_layer_norm<T: Float>(cols: usize) -> Template<LayerNorm<T>> {
    let names = ["x[rows, cols]", "scale[cols]", "gain[cols]", "bias[cols]", "shift[cols]", "y[rows, cols]", "epsilon"];
    let template = layer_norm_fast::<T>(schedules::rows::<T>(cols, 0, 64, 0));
    template.fuse("layer_norm_fused", names, |(x, scale, gain, bias, shift, y, epsilon): LayerNorm<T>| {
        (prologue(x, scale), gain, bias, epilogue(y, shift), epsilon)
    })
}

/// The fused sum of rows.
pub fn row_sum<T: Real + Float>(
    device: &Device,
    x: &Tensor<T, 2>,
    y: &Tensor<f32, 1>,
) -> Result<(String, Make), String> {
    let (device, x, y, operands) = (device.clone(), share(x)?, share(y)?, RowOperands::new(device, x.shape()[1])?);
    let name = format!("row_sum_fused<{}>", T::NAME);
    Ok((
        name.clone(),
        Box::new(move || {
            let (x, mut y, RowOperands { ones, .. }) = (share(&x)?, share(&y)?, operands.share()?);
            let template = fused_sum::<T>(x.shape()[1]);
            Contestant::kernel(
                &name,
                &device,
                template,
                Box::new(move |kernel: &Kernel<Sum<T>>| kernel.launch(&x, &ones, 0.0, &mut y)),
            )
        }),
    ))
}

/// The fused softmax of rows.
pub fn softmax<T: Real + Float>(device: &Device, x: &Tensor<T, 2>, y: &Tensor<T, 2>) -> Result<(String, Make), String> {
    let (device, x, y, operands) = (device.clone(), share(x)?, share(y)?, RowOperands::new(device, x.shape()[1])?);
    let name = format!("softmax_fused<{}>", T::NAME);
    Ok((
        name.clone(),
        Box::new(move || {
            let (x, mut y, RowOperands { ones, zeros }) = (share(&x)?, share(&y)?, operands.share()?);
            let template = fused_softmax::<T>(x.shape()[1]);
            Contestant::kernel(
                &name,
                &device,
                template,
                Box::new(move |kernel: &Kernel<Softmax<T>>| kernel.launch(&x, &ones, &zeros, &mut y)),
            )
        }),
    ))
}

/// The fused layer norm of rows.
pub fn layer_norm<T: Real + Float>(
    device: &Device,
    x: &Tensor<T, 2>,
    (gain, bias): (&Tensor<T, 1>, &Tensor<T, 1>),
    y: &Tensor<T, 2>,
) -> Result<(String, Make), String> {
    let (device, operands) = (device.clone(), RowOperands::new(device, x.shape()[1])?);
    let (x, gain, bias, y) = (share(x)?, share(gain)?, share(bias)?, share(y)?);
    let name = format!("layer_norm_fused<{}>", T::NAME);
    Ok((
        name.clone(),
        Box::new(move || {
            let (x, mut y, RowOperands { ones, zeros }) = (share(&x)?, share(&y)?, operands.share()?);
            let (gain, bias) = (share(&gain)?, share(&bias)?);
            let template = fused_layer_norm::<T>(x.shape()[1]);
            let launch =
                move |kernel: &Kernel<LayerNorm<T>>| kernel.launch(&x, &ones, &gain, &bias, &zeros, &mut y, 1e-5);
            Contestant::kernel(&name, &device, template, Box::new(launch))
        }),
    ))
}
