//! Numbers of 8 and 16 bits for floats: `scale * (number - zero_point)`.

use super::Row;
use super::tools::{each, one, several, unsupported, wide};
use crate::call::{Call, axis_of};
use crate::element;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::Tensor;
use hidet_ops::expr::ScalarExpr;

pub(super) const ROWS: &[Row] = &[
    Row("DequantizeLinear", 10, &["axis", "block_size", "output_dtype"], dequantize),
    Row("DynamicQuantizeLinear", 11, &[], dynamic_quantize),
    Row("QuantizeLinear", 10, &["axis", "block_size", "output_dtype", "precision", "saturate"], quantize),
];

/// Returns the least and the largest number of a type that is quantized to.
fn bounds(dtype: Scalar) -> NodeResult<[f64; 2]> {
    Ok(match dtype {
        Scalar::I8 => [-128.0, 127.0],
        Scalar::U8 => [0.0, 255.0],
        Scalar::I16 => [-32768.0, 32767.0],
        Scalar::U16 => [0.0, 65535.0],
        other => return Err(format!("quantization to {other} is not supported").into()),
    })
}

/// Returns a float as the nearest whole number, plus a zero point, moved into a type.
fn rounded(x: &ScalarExpr, zero: &ScalarExpr, [least, most]: [f64; 2]) -> ScalarExpr {
    (x.unary(UnaryOp::Round) + zero.cast(x.dtype())).max(least).min(most)
}

/// Returns integers times scales, divided by another scale, as quantized numbers. Numbers of 32 bits are exact in `f64`.
pub(super) fn requantized(y: &Tensor, scales: &[&Tensor], scale: &Tensor, zero: &Tensor) -> NodeResult<Tensor> {
    let (dtype, zero, scale) = (zero.dtype(), zero.reshape(&[])?, scale.reshape(&[])?);
    let range = bounds(dtype)?;
    let inputs = [&[y, &zero, &scale], scales].concat();
    each("requantized", &inputs, dtype, |xs| {
        let real = |x: &ScalarExpr| x.cast(Scalar::F64);
        let product = xs[3..].iter().fold(real(&xs[0]), |product, scale| product * real(scale));
        rounded(&(product / real(&xs[2])), &xs[1], range)
    })
}

/// Returns a scale or zero point with as many axes as the input: one number, or one for each place of an axis, or of its blocks.
fn spread(call: &Call, parameter: &Tensor, x: &Tensor) -> NodeResult<Tensor> {
    let rank = x.ty().rank();
    if parameter.ty().len() == 1 {
        return Ok(parameter.reshape(&[])?);
    }
    let axis = axis_of(call.int("axis", 1)?, rank)?;
    if parameter.ty().rank() == 1 {
        let mut shape = vec![1; rank];
        shape[axis] = parameter.shape()[0];
        return Ok(parameter.reshape(&shape)?);
    }
    let block = usize::try_from(call.int("block_size", 0)?).unwrap_or(0);
    let extent = x.shape()[axis];
    if block == 0 || parameter.ty().rank() != rank || parameter.shape()[axis] != extent.div_ceil(block) {
        return Err(format!("{} does not fit {} in blocks of {block}", parameter.ty(), x.ty()).into());
    }
    let whole = parameter.repeat_interleave(block, axis)?;
    Ok(whole.slice(&[(axis, 0, extent as i64, 1)])?)
}

fn quantize(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, scale, zero) = (call.tensor(0)?, call.tensor(1)?, call.optional(2)?);
    let dtype = match (&zero, call.int("output_dtype", 0)?) {
        (Some(zero), _) => zero.dtype(),
        (None, 0) => Scalar::U8,
        (None, number) => element::scalar(number)?,
    };
    let range = bounds(dtype)?;
    let precision = match call.int("precision", 0)? {
        0 => wide(scale.dtype()),
        1 => Scalar::F32,
        other => return unsupported("precision", other),
    };
    let scale = spread(call, &scale, &x)?;
    let zero = zero.map(|zero| spread(call, &zero, &x)).transpose()?;
    let inputs: Vec<&Tensor> = [&x, &scale].into_iter().chain(&zero).collect();
    one(each("quantize", &inputs, dtype, |xs| {
        let quotient = xs[0].cast(precision) / xs[1].cast(precision);
        let zero = xs.get(2).cloned().unwrap_or_else(|| quotient.same(0.0));
        rounded(&quotient, &zero, range)
    })?)
}

fn dequantize(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, scale, zero) = (call.tensor(0)?, call.tensor(1)?, call.optional(2)?);
    let dtype = match call.int("output_dtype", 0)? {
        0 => scale.dtype(),
        number => element::scalar(number)?,
    };
    let scale = spread(call, &scale, &x)?;
    let zero = zero.map(|zero| spread(call, &zero, &x)).transpose()?;
    let inputs: Vec<&Tensor> = [&x, &scale].into_iter().chain(&zero).collect();
    // Differences of integers of 32 bits are exact in `f64` only.
    let exact = if x.dtype().bytes() >= 4 { Scalar::F64 } else { Scalar::F32 };
    one(each("dequantize", &inputs, dtype, |xs| {
        let number = xs[0].cast(exact);
        let centred = xs.get(2).map_or(number.clone(), |zero| &number - zero.cast(exact));
        centred * xs[1].cast(exact)
    })?)
}

/// Scale and zero point are those of the range of the elements, which always has 0.
fn dynamic_quantize(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axes: Vec<usize> = (0..x.ty().rank()).collect();
    let (least, most) = (x.min(&axes, false)?, x.max(&axes, false)?);
    let scale = each("scale", &[&least, &most], x.dtype(), |xs| (xs[1].max(0.0) - xs[0].min(0.0)) / 255.0)?;
    let zero = each("zero_point", &[&least, &scale], Scalar::U8, |xs| {
        // Of zeros alone every scale is right; the zero point is 0.
        let place = xs[0].min(0.0) / &xs[1] * -1.0;
        let place = xs[1].equals(0.0).select(&place.same(0.0), &place);
        place.max(0.0).min(255.0).unary(UnaryOp::Round)
    })?;
    let y = each("quantize", &[&x, &scale, &zero], Scalar::U8, |xs| {
        let quotient = &xs[0] / &xs[1];
        let quotient = xs[1].equals(0.0).select(&quotient.same(0.0), &quotient);
        rounded(&quotient, &xs[2], [0.0, 255.0])
    })?;
    several([y, scale, zero])
}
