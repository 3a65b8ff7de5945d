//! Operators on images that are kept with channels last, `[n, h, w, c]`, as convolutions on tensor cores take them. Between the
//! nodes of a model they stand for images `[n, c, h, w]`; any other operator reads those.

use super::conv::groups;
use super::windows::Windows;
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::value::{Images, Value};
use hidet::types::Scalar;
use hidet_ops::{Precision, Tensor};

/// Operators that compute each element of the elements at the same place.
const POINTWISE: &[&str] = &[
    "Abs",
    "Add",
    "Cast",
    "Celu",
    "Clip",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "Identity",
    "LeakyRelu",
    "Log",
    "Max",
    "Min",
    "Mish",
    "Mul",
    "Neg",
    "Pow",
    "Reciprocal",
    "Relu",
    "Selu",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Sub",
    "Sum",
    "Swish",
    "Tanh",
];

/// Returns the results of a node with channels last, if its operator has such a form for these inputs.
pub(crate) fn results(call: &Call) -> NodeResult<Option<Vec<Value>>> {
    let name = &call.node.name;
    let has_images = call.inputs.iter().flatten().any(|value| matches!(value, Value::Images(_)));
    if call.on_host || !name.domain.is_empty() || call.node.function.is_some() {
        return Ok(None);
    }
    let axes = |input: usize| call.given(input).map_or(0, |value| value.ty().rank());
    match name.op_type.as_str() {
        "Conv" if axes(0) == 4 && axes(1) == 4 => conv(call).map(Some),
        "MaxPool" if has_images && !call.wants(1) => {
            pooled(call, |x, windows, ceil| Ok(x.max_pool_channels_last(&windows.kernel, &windows.window(), ceil)?))
        }
        "AveragePool" if has_images => pooled(call, |x, windows, ceil| {
            let padding = call.flag("count_include_pad", false)?;
            Ok(x.avg_pool_channels_last(&windows.kernel, &windows.window(), ceil, padding)?)
        }),
        "Concat" if has_images => concat(call),
        name if has_images && POINTWISE.contains(&name) => pointwise(call),
        _ => Ok(None),
    }
}

fn images(last: Tensor) -> NodeResult<Vec<Value>> {
    Ok(vec![Value::Images(Images::of(last)?)])
}

fn conv(call: &Call) -> NodeResult<Vec<Value>> {
    let (value, weight) = (call.value(0)?, call.value(1)?);
    let mut x = value.channels_last(call.device)?;
    if !matches!(value, Value::Images(_)) && x.dtype().bytes() == 2 && x.shape()[3] % 8 == 0 {
        // Tensor cores read images that are in memory: a reshape ends the kernel that puts channels last.
        x = x.reshape(&[x.ty().len()])?.reshape(x.shape())?;
    }
    let windows = Windows::of(call, &value.ty().shape[2..], Some(&weight.ty().shape[2..]))?;
    // Of one product of tf32 there is no kernel for convolutions.
    let precision = match call.products {
        Precision::Tf32x3 if x.dtype() == Scalar::F32 => Precision::Tf32x3,
        _ => Precision::F32,
    };
    let weight = weight.channels_last(call.device)?;
    let y = x.conv_channels_last_by(&weight, &windows.window(), groups(call)?, precision)?;
    match call.optional(2)? {
        Some(bias) => images(y.add(&bias)?),
        None => images(y),
    }
}

fn pooled(
    call: &Call,
    pool: impl FnOnce(&Tensor, &Windows, bool) -> NodeResult<Tensor>,
) -> NodeResult<Option<Vec<Value>>> {
    let value = call.value(0)?;
    let windows = Windows::of(call, &value.ty().shape[2..], None)?;
    let x = value.channels_last(call.device)?;
    images(pool(&x, &windows, call.flag("ceil_mode", false)?)?).map(Some)
}

fn concat(call: &Call) -> NodeResult<Option<Vec<Value>>> {
    let is_images = |value: &Value| matches!(value, Value::Images(_));
    if !call.inputs.iter().all(|value| value.as_ref().is_some_and(is_images)) {
        return Ok(None);
    }
    let axis = [0, 3, 1, 2][axis_of(call.int("axis", 1)?, 4)?];
    let all = call.inputs.iter().flatten().map(|value| value.channels_last(call.device));
    let all = all.collect::<NodeResult<Vec<Tensor>>>()?;
    images(Tensor::concat(&all.iter().collect::<Vec<&Tensor>>(), axis)?).map(Some)
}

/// Runs an operator on elements with the axes of all inputs in another order.
fn pointwise(call: &Call) -> NodeResult<Option<Vec<Value>>> {
    let mut inputs = Vec::new();
    for value in call.inputs {
        inputs.push(match value {
            Some(value) if value.ty().rank() > 4 => return Ok(None),
            Some(value) if value.ty().len() == 1 && !matches!(value, Value::Images(_)) => Some(value.clone()),
            Some(value) => Some(turned(value, call)?.into()),
            None => None,
        });
    }
    let Some(operator) = super::find(&call.node.name) else { return Ok(None) };
    let results = operator(&Call { inputs: &inputs, ..*call })?;
    let back = |value: Value| match value {
        Value::Device(last) if last.ty().rank() == 4 => Ok(Value::Images(Images::of(last)?)),
        _ => Err("a result is not images".into()),
    };
    results.into_iter().map(back).collect::<NodeResult<Vec<Value>>>().map(Some)
}

/// Returns a value that is broadcast to images as one that is broadcast to images with channels last.
fn turned(value: &Value, call: &Call) -> NodeResult<Tensor> {
    if let Value::Images(images) = value {
        return Ok(images.last().clone());
    }
    let tensor = value.on(call.device, false)?;
    let shape = [&vec![1; 4 - tensor.ty().rank()], tensor.shape()].concat();
    let [n, c, h, w] = shape[..] else { return Err(format!("{} is not images", tensor.ty()).into()) };
    let tensor = tensor.reshape(&shape)?;
    // With one channel or one pixel the order in memory is the same.
    Ok(if c == 1 || h * w == 1 { tensor.reshape(&[n, h, w, c])? } else { tensor.permute(&[0, 2, 3, 1])? })
}
