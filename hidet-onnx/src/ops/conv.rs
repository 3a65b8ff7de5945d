//! Convolutions.

use super::Row;
use super::quantize::requantized;
use super::tools::{number, of_channels, one, product, unsupported};
use super::windows::{Windows, halves, spatial};
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{PadMode, ReduceOp, Tensor, TensorType, Window};

const CONV: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

pub(super) const ROWS: &[Row] = &[
    Row("CausalConvWithState", 27, &["activation"], causal_conv),
    Row("Col2Im", 18, &["dilations", "pads", "strides"], col2im),
    Row("Conv", 1, CONV, |call| {
        let y = conv(call, &call.tensor(0)?, &call.tensor(1)?)?;
        one(with_bias(y, call.optional(2)?.as_ref())?)
    }),
    Row("ConvInteger", 10, CONV, |call| {
        let x = centred(&call.tensor(0)?, call.optional(2)?.as_ref(), 1)?;
        one(conv(call, &x, &centred(&call.tensor(1)?, call.optional(3)?.as_ref(), 0)?)?)
    }),
    Row(
        "ConvTranspose",
        1,
        &["auto_pad", "dilations", "group", "kernel_shape", "output_padding", "output_shape", "pads", "strides"],
        conv_transpose,
    ),
    Row("QLinearConv", 10, CONV, q_linear_conv),
];

pub(super) fn groups(call: &Call) -> NodeResult<usize> {
    Ok(usize::try_from(call.int("group", 1)?).unwrap_or(0))
}

fn conv(call: &Call, x: &Tensor, weight: &Tensor) -> NodeResult<Tensor> {
    let windows = Windows::of(call, spatial(x.shape())?, Some(spatial(weight.shape())?))?;
    Ok(x.conv(weight, &windows.window(), groups(call)?)?)
}

fn with_bias(y: Tensor, bias: Option<&Tensor>) -> NodeResult<Tensor> {
    match bias {
        Some(bias) => Ok(y.add(&of_channels(bias, y.ty().rank())?)?),
        None => Ok(y),
    }
}

/// Returns integers of 8 bits less their zero point, as `i32`; a list of zero points is along an axis.
pub(super) fn centred(x: &Tensor, zero: Option<&Tensor>, axis: usize) -> NodeResult<Tensor> {
    let wide = x.cast(Scalar::I32)?;
    let Some(zero) = zero else { return Ok(wide) };
    let mut shape = vec![1; x.ty().rank()];
    if zero.ty().len() > 1 {
        shape[axis] = zero.ty().len();
    }
    Ok(wide.sub(&zero.reshape(&shape)?.cast(Scalar::I32)?)?)
}

fn q_linear_conv(call: &Call) -> NodeResult<Vec<Value>> {
    let x = centred(&call.tensor(0)?, call.optional(2)?.as_ref(), 1)?;
    let weight = centred(&call.tensor(3)?, call.optional(5)?.as_ref(), 0)?;
    let y = with_bias(conv(call, &x, &weight)?, call.optional(8)?.as_ref())?;
    let rank = y.ty().rank();
    let w_scale = call.tensor(4)?;
    let w_scale = if w_scale.ty().len() > 1 { of_channels(&w_scale, rank)? } else { w_scale.reshape(&[])? };
    one(requantized(&y, &[&call.tensor(1)?.reshape(&[])?, &w_scale], &call.tensor(6)?, &call.tensor(7)?)?)
}

fn conv_transpose(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, weight) = (call.tensor(0)?, call.tensor(1)?);
    let extents = spatial(x.shape())?.to_vec();
    let axes = extents.len();
    let automatic = call.text("auto_pad", "NOTSET")?;
    let mut windows = Windows::of(call, &extents, Some(spatial(weight.shape())?))?;
    let further = call.extents("output_padding")?.unwrap_or_else(|| vec![0; axes]);
    let wanted = match call.extents("output_shape")? {
        // The batch and the channels may be given too.
        Some(shape) if shape.len() == axes + 2 => Some(shape[2..].to_vec()),
        Some(shape) => Some(shape),
        None if automatic.starts_with("SAME") => {
            Some(extents.iter().zip(&windows.strides).map(|(extent, stride)| extent * stride).collect())
        }
        None => None,
    };
    if further.len() != axes || wanted.as_ref().is_some_and(|wanted| wanted.len() != axes) {
        return Err(format!("`output_padding` and `output_shape` must have {axes} numbers").into());
    }
    // What is to be added behind is first what is not cut off there, then zeros.
    let mut zeros = vec![0; axes];
    for axis in 0..axes {
        let whole = (extents[axis].max(1) - 1) * windows.strides[axis] + windows.reach(axis);
        if let Some(wanted) = &wanted {
            let total = (whole + further[axis]).saturating_sub(wanted[axis]);
            (windows.before[axis], windows.after[axis]) = halves(total, automatic == "SAME_UPPER");
            zeros[axis] = wanted[axis].saturating_sub(whole + further[axis]);
        }
        zeros[axis] += further[axis].saturating_sub(windows.after[axis]);
        windows.after[axis] = windows.after[axis].saturating_sub(further[axis]);
    }
    let mut y = x.conv_transpose(&weight, &windows.window(), groups(call)?, &vec![0; axes])?;
    if zeros.iter().any(|count| *count > 0) {
        let after = [&[0, 0], zeros.as_slice()].concat();
        y = y.pad(&vec![0; after.len()], &after, PadMode::Constant(0.0))?;
    }
    one(with_bias(y, call.optional(2)?.as_ref())?)
}

fn causal_conv(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, weight) = (call.tensor(0)?, call.tensor(1)?);
    let ([batch, channels, _], [_, _, kernel]) = (x.shape(), weight.shape()) else {
        return Err(format!("{} and {} must have 3 axes", x.ty(), weight.ty()).into());
    };
    let before = kernel.saturating_sub(1);
    let padded = match call.optional(3)? {
        Some(state) if state.shape() != [*batch, *channels, before] => {
            return Err(format!("the state {} must be [{batch}, {channels}, {before}]", state.ty()).into());
        }
        Some(state) => Tensor::concat(&[&state, &x], 2)?,
        None => x.pad(&[0, 0, before], &[0, 0, 0], PadMode::Constant(0.0))?,
    };
    let y = with_bias(padded.conv(&weight, &Window::new(1), *channels)?, call.optional(2)?.as_ref())?;
    let y = match call.text("activation", "none")?.as_str() {
        "none" => y,
        "silu" | "swish" => y.silu()?,
        other => return unsupported("activation", other),
    };
    let length = padded.shape()[2] as i64;
    Ok(vec![y.into(), padded.slice(&[(2, length - before as i64, length, 1)])?.into()])
}

/// Each element is the sum of those of all windows that contain it: terms are places in the kernel.
fn col2im(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let image = crate::call::sizes(&call.integers(1)?)?;
    let kernel = crate::call::sizes(&call.integers(2)?)?;
    let windows = Windows::of(call, &image, Some(&kernel))?;
    let counts = windows.window().extents(&image, &kernel, false)?;
    let axes = image.len();
    let [batch, columns, places] = x.shape() else {
        return Err(format!("the input {} must have the axes n, columns, places", x.ty()).into());
    };
    let whole = columns.checked_div(product(&kernel)).filter(|channels| channels * product(&kernel) == *columns);
    let Some(channels) = whole.filter(|_| *places == product(&counts)) else {
        return Err(format!("the input {} does not fit the windows {counts:?} of {kernel:?}", x.ty()).into());
    };
    let split = x.reshape(&[&[*batch, channels], kernel.as_slice(), &counts].concat())?;
    let output = TensorType::new(x.dtype(), &[&[*batch, channels], image.as_slice()].concat());
    let rank = output.rank();
    let sum = (ReduceOp::Sum, kernel.as_slice());
    one(Tensor::define_reduction("col2im", &[&split], output, sum, |inputs, at| {
        let mut index: Vec<ScalarExpr> = at[..2].to_vec();
        index.extend_from_slice(&at[rank..]);
        for axis in 0..axes {
            let [stride, dilation, before] =
                [&windows.strides, &windows.dilations, &windows.before].map(|list| list[axis]);
            let first = &at[2 + axis] + before - &at[rank + axis] * dilation;
            let is_window = (&first % stride).equals(0usize) & first.ge(0usize);
            // A read outside is 0.
            index.push(is_window.select(&(first / stride), &number(-1)));
        }
        let dtype = super::tools::wide(x.dtype());
        inputs[0].at(index).cast(dtype)
    })?)
}
