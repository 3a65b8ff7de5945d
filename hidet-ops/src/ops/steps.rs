//! [`Steps`] of a loop over an axis, and the tensors that go into it and come out: for operators that are loops.

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

/// Returns tensors of a type as one with an axis more, in front; of none, an empty one.
pub(super) fn stacked(device: &Device, ty: &TensorType, tensors: &[Tensor]) -> Result<Tensor> {
    match tensors {
        [] => zeros(device, &TensorType::new(ty.dtype, &[&[0], ty.shape.as_slice()].concat())),
        _ => Tensor::stack(&tensors.iter().collect::<Vec<_>>(), 0),
    }
}
