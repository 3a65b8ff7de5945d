//! Tensors that are made of numbers.

use super::Row;
use super::cast::converted;
use super::tools::{each, host, number, one};
use crate::array::Array;
use crate::call::{Call, axis_of, sizes};
use crate::element;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::{Tensor, TensorType};
use std::f64::consts::PI;

const WINDOW: &[&str] = &["output_datatype", "periodic"];

pub(super) const ROWS: &[Row] = &[
    Row("BlackmanWindow", 17, WINDOW, |call| window(call, [0.42, 0.5, 0.08])),
    Row("ConstantOfShape", 9, &["value"], constant_of_shape),
    Row("EyeLike", 9, &["dtype", "k"], eye_like),
    Row("HammingWindow", 17, WINDOW, |call| window(call, [25.0 / 46.0, 21.0 / 46.0, 0.0])),
    Row("HannWindow", 17, WINDOW, |call| window(call, [0.5, 0.5, 0.0])),
    Row("MelWeightMatrix", 17, &["output_datatype"], mel_weight_matrix),
    Row("OneHot", 9, &["axis"], one_hot),
    Row("Range", 11, &["stash_type"], range),
];

fn constant_of_shape(call: &Call) -> NodeResult<Vec<Value>> {
    let shape = sizes(&call.integers(0)?)?;
    let value = match call.node.attributes.tensor("value")? {
        Some(value) => value,
        None => Array::of_floats(Scalar::F32, &[1], &[0.0]),
    };
    if value.ty().len() != 1 {
        return Err(format!("the value {} must be one number", value.ty()).into());
    }
    one(call.upload(&value)?.reshape(&vec![1; shape.len()])?.expand(&shape)?)
}

fn eye_like(call: &Call) -> NodeResult<Vec<Value>> {
    let ty = call.value(0)?.ty();
    let dtype = match call.node.attributes.int("dtype")? {
        Some(dtype) => element::scalar(dtype)?,
        None => ty.dtype,
    };
    let [rows, cols] = ty.shape[..] else { return Err(format!("{ty} is not a matrix").into()) };
    let k = i32::try_from(call.int("k", 0)?).unwrap_or(i32::MAX).max(1 - i32::MAX);
    let below = |k: i32| Tensor::tri(call.device, Scalar::F32, [rows, cols], k);
    one(converted(&below(k)?.sub(&below(k - 1)?)?, dtype)?)
}

/// Returns `a - b cos(2 pi i / n) + c cos(4 pi i / n)` for each i.
fn window(call: &Call, [a, b, c]: [f64; 3]) -> NodeResult<Vec<Value>> {
    let size = call.number(0)?.and_then(|size| usize::try_from(size).ok()).ok_or("the size is missing")?;
    let dtype = element::scalar(call.int("output_datatype", 1)?)?;
    let steps = if call.flag("periodic", true)? { size } else { size.saturating_sub(1) };
    let index = Tensor::arange(call.device, Scalar::F64, [0.0, size as f64, 1.0])?;
    let step = 2.0 * PI / steps.max(1) as f64;
    let result = each("window", &[&index], Scalar::F64, |xs| {
        let cosine = |factor: f64| (&xs[0] * (factor * step)).unary(UnaryOp::Cos);
        cosine(1.0) * -b + cosine(2.0) * c + a
    })?;
    one(converted(&result, dtype)?)
}

/// Numbers of 64 bits are exact: those of integers are integers.
fn range(call: &Call) -> NodeResult<Vec<Value>> {
    let dtype = call.value(0)?.ty().dtype;
    if call.value(1)?.ty().dtype != dtype || call.value(2)?.ty().dtype != dtype {
        return Err("start, limit and delta must be of one type".into());
    }
    if dtype.is_float() {
        let number = |input: usize| call.real(input).map(|number| number.unwrap_or(0.0));
        let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
        return one(Tensor::arange(call.device, dtype, [start, limit, step])?);
    }
    let number = |input: usize| call.number(input).map(|number| i128::from(number.unwrap_or(0)));
    let (start, limit, step) = (number(0)?, number(1)?, number(2)?);
    if step == 0 {
        return Err("the step is 0".into());
    }
    let count = ((limit - start + step - step.signum()) / step).max(0);
    if [start, limit, step].iter().all(|number| number.abs() < 1 << 50) {
        let [start, end, step] = [start, start + count * step, step].map(|number| number as f64);
        return one(Tensor::arange(call.device, dtype, [start, end, step])?);
    }
    Err("numbers beyond 2^50 are not supported".into())
}

fn one_hot(call: &Call) -> NodeResult<Vec<Value>> {
    let (indices, values) = (call.tensor(0)?, call.tensor(2)?);
    // The depth may be a float.
    let depth = call.real(1)?.filter(|depth| *depth >= 1.0).ok_or("the depth must be positive")? as usize;
    let rank = indices.ty().rank();
    let axis = axis_of(call.int("axis", -1)?, rank + 1)?;
    if values.shape() != [2] {
        return Err(format!("the values {} must be two: off and on", values.ty()).into());
    }
    let mut shape = indices.shape().to_vec();
    shape.insert(axis, depth);
    let output = TensorType::new(values.dtype(), &shape);
    one(Tensor::define("one_hot", &[&indices, &values], output, |inputs, at| {
        let index = inputs[0].at([&at[..axis], &at[axis + 1..]].concat()).cast(Scalar::I64);
        let place = at[axis].cast(Scalar::I64);
        let from_end = index.lt(0.0).select(&(&index + depth), &index);
        place.equals(from_end).select(&inputs[1].at([number(1) + 0usize]), &inputs[1].at([number(0)]))
    })?)
}

/// Triangles of frequencies, as the standard defines them in numbers of the host.
fn mel_weight_matrix(call: &Call) -> NodeResult<Vec<Value>> {
    let number = |input: usize| call.real(input)?.ok_or_else(|| format!("input {input} is missing").into());
    let real: NodeResult<Vec<f64>> = (0..5).map(number).collect();
    let [bands, length, rate, low, high] = real?[..] else { return Err("an input is missing".into()) };
    if !(0.0..=1e4).contains(&bands) || !(0.0..=1e5).contains(&length) || rate <= 0.0 {
        return Err("the sizes are not valid".into());
    }
    let mel = |hertz: f64| 2595.0 * (hertz / 700.0).ln_1p() / 10f64.ln();
    let step = (mel(high) - mel(low)) / (bands + 2.0);
    let bin = |band: usize| {
        let hertz = 700.0 * ((band as f64 * step + mel(low)) / 2595.0 * 10f64.ln()).exp_m1();
        ((length + 1.0) * hertz / rate).floor() as i64
    };
    let (rows, bands) = ((length / 2.0).floor() as usize + 1, bands as usize);
    let mut weights = vec![0.0; rows * bands];
    for band in 0..bands {
        let [left, middle, right] = [bin(band), bin(band + 1), bin(band + 2)];
        let mut set = |row: i64, weight: f64| {
            if let Some(place) = usize::try_from(row).ok().filter(|row| *row < rows) {
                weights[place * bands + band] = weight;
            }
        };
        if left == middle {
            set(middle, 1.0);
        }
        (left..=middle)
            .filter(|_| left < middle)
            .for_each(|row| set(row, (row - left) as f64 / (middle - left) as f64));
        (middle..right).for_each(|row| set(row, (right - row) as f64 / (right - middle) as f64));
    }
    let dtype = element::scalar(call.int("output_datatype", 1)?)?;
    host(Array::of_floats(dtype, &[rows, bands], &weights))
}
