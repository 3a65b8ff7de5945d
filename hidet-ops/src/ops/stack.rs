//! [`Steps`] of a loop over an axis, parts of tensors, and tensors put together: for operators that are loops.

use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::device::{Device, RawTensor, Storage};
use hidet::types::Scalar;

/// The numbers of the steps of a loop, in memory: kernels of all steps are the same one if they read the number.
pub(super) struct Steps(RawTensor);

/// Numbers in memory are 16 bytes apart, so that all have the same alignment.
const APART: usize = 4;

impl Steps {
    /// Returns the numbers of this many steps.
    pub(super) fn of(device: &Device, count: usize) -> Result<Steps> {
        let mut bytes = Vec::with_capacity(count * APART * 4);
        for step in 0..count as i32 {
            for number in [step; APART] {
                bytes.extend(number.to_le_bytes());
            }
        }
        Ok(Steps(memory(device, &TensorType::new(Scalar::I32, &[count * APART]), &bytes)?))
    }

    /// Returns the number of a step, as a tensor with one element.
    pub(super) fn step(&self, number: usize) -> Result<Tensor> {
        Ok(Tensor::from(self.0.view(number * APART, &[1])?))
    }
}

fn memory(device: &Device, ty: &TensorType, bytes: &[u8]) -> Result<RawTensor> {
    Ok(RawTensor::new(device, Storage::from_bytes(device, bytes)?, 0, ty.dtype, &ty.shape)?)
}

/// Returns a tensor of zeros.
pub(super) fn zeros(device: &Device, ty: &TensorType) -> Result<Tensor> {
    Ok(Tensor::from(memory(device, ty, &vec![0; ty.len() * ty.dtype.bytes()])?))
}

/// Returns some rows of a matrix of a tensor with three axes.
pub(super) fn part(tensor: &Tensor, matrix: usize, [first, rows]: [usize; 2]) -> Result<Tensor> {
    let (dtype, shape) = (tensor.dtype(), tensor.shape());
    let cols = shape[2];
    if shape == [1, rows, cols] {
        return tensor.reshape(&[rows, cols]);
    }
    Tensor::define("part", &[tensor], TensorType::new(dtype, &[rows, cols]), |inputs, at| {
        inputs[0].at([ScalarExpr::constant(Scalar::I32, matrix as f64), &at[0] + first, at[1].clone()])
    })
}

/// The most tensors that one kernel puts together.
const MOST: usize = 8;

/// Returns tensors of a type as one with an axis more, in front. Some are put together at a time, and then the results.
pub(super) fn stacked(device: &Device, ty: &TensorType, tensors: &[Tensor]) -> Result<Tensor> {
    let whole = |count: usize| [&[count], ty.shape.as_slice()].concat();
    if tensors.is_empty() {
        return zeros(device, &TensorType::new(ty.dtype, &whole(0)));
    }
    let mut parts: Vec<Tensor> = tensors.iter().map(|tensor| tensor.reshape(&whole(1))).collect::<Result<_>>()?;
    while parts.len() > 1 {
        parts = parts.chunks(MOST).map(behind).collect::<Result<_>>()?;
    }
    Ok(parts.swap_remove(0))
}

/// Returns a few tensors behind each other along the first axis.
fn behind(parts: &[Tensor]) -> Result<Tensor> {
    if let [part] = parts {
        return Ok(part.clone());
    }
    let mut output = parts[0].ty().clone();
    output.shape[0] = parts.iter().map(|part| part.shape()[0]).sum();
    Tensor::define("stack", &parts.iter().collect::<Vec<_>>(), output, |inputs, at| {
        let mut end: usize = inputs.iter().map(|input| input.shape()[0]).sum();
        let mut value: Option<ScalarExpr> = None;
        for input in inputs.iter().rev() {
            let begin = end - input.shape()[0];
            let index = [&at[0] - begin].into_iter().chain(at[1..].iter().cloned());
            let own = input.at(index);
            value = Some(value.map_or_else(|| own.clone(), |behind| at[0].lt(end).select(&own, &behind)));
            end = begin;
        }
        value.unwrap_or_else(|| ScalarExpr::constant(Scalar::F32, 0.0))
    })
}

/// Returns one or two tensors with three axes as one with an axis of them behind the first.
pub(super) fn beside(tensors: &[Tensor]) -> Result<Tensor> {
    let shape = tensors[0].shape();
    let shape = [&shape[..1], &[tensors.len()], &shape[1..]].concat();
    let [first, second] = tensors else { return tensors[0].reshape(&shape) };
    Tensor::define("stack", &[first, second], TensorType::new(first.dtype(), &shape), |inputs, at| {
        let index = [at[0].clone(), at[2].clone(), at[3].clone()];
        let (first, second) = (inputs[0].at(index.clone()), inputs[1].at(index));
        at[1].equals(0usize).select(&first, &second)
    })
}
