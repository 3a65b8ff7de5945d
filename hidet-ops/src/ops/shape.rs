//! Operators that change the shape and keep the elements.

use super::{axes, broadcast, broadcast_index, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the tensor without these axes, which have one element each, for elements of any type: `[2, 1, 3]` without
    /// axis 1 is `[2, 3]`.
    ///
    /// # Errors
    ///
    /// If an axis is named twice, does not exist, or has not one element.
    pub fn squeeze(&self, axes: &[usize]) -> Result<Tensor> {
        axes::different("squeeze", self, axes)?;
        if let Some(axis) = axes.iter().find(|axis| self.shape()[**axis] != 1) {
            let why = format!("axis {axis} has {} elements: only axes with one can be removed", self.shape()[*axis]);
            return Err(refused("squeeze", &[self.ty()], why));
        }
        let kept: Vec<usize> = (0..self.ty().rank()).filter(|axis| !axes.contains(axis)).collect();
        let shape: Vec<usize> = kept.iter().map(|axis| self.shape()[*axis]).collect();
        Tensor::define("squeeze", &[self], TensorType::new(self.dtype(), &shape), |inputs, at| {
            let place = |axis| kept.iter().position(|own| *own == axis);
            let index =
                |axis| place(axis).map_or_else(|| ScalarExpr::constant(Scalar::I32, 0.0), |own| at[own].clone());
            inputs[0].at((0..self.ty().rank()).map(index))
        })
    }

    /// Returns the tensor with one more axis, which has this number and one element, for elements of any type: `[2, 3]`
    /// with an axis 1 is `[2, 1, 3]`.
    ///
    /// # Errors
    ///
    /// If the result would not have such an axis.
    pub fn unsqueeze(&self, axis: usize) -> Result<Tensor> {
        let rank = self.ty().rank();
        if axis > rank {
            let why = format!("the result has no axis {axis}: the new axis is one of 0 to {rank}");
            return Err(refused("unsqueeze", &[self.ty()], why));
        }
        let mut shape = self.shape().to_vec();
        shape.insert(axis, 1);
        Tensor::define("unsqueeze", &[self], TensorType::new(self.dtype(), &shape), |inputs, at| {
            inputs[0].at([&at[..axis], &at[axis + 1..]].concat())
        })
    }

    /// Returns the tensor whose axes from this one on are one axis, for elements of any type: `[2, 3, 4]` from axis 1 on is
    /// `[2, 12]`. A scalar becomes `[1]`.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn flatten(&self, from: usize) -> Result<Tensor> {
        if (self.ty().rank(), from) != (0, 0) {
            axes::one("flatten", self, from)?;
        }
        let (front, rest) = self.shape().split_at(from);
        self.reshape(&[front, &[rest.iter().product()]].concat())
    }

    /// Returns the tensor broadcast to a shape, for elements of any type: aligned at the last axis, and the same along axes
    /// that it lacks or has one element of.
    ///
    /// # Errors
    ///
    /// If an extent is neither 1 nor that of the shape, or the shape has fewer axes.
    pub fn expand(&self, shape: &[usize]) -> Result<Tensor> {
        if broadcast(self.shape(), shape).is_none_or(|both| both != shape) {
            let why = format!(
                "it cannot be broadcast to {shape:?}: from the last axis on, its extents must be equal to those, or 1"
            );
            return Err(refused("expand", &[self.ty()], why));
        }
        Tensor::define("expand", &[self], TensorType::new(self.dtype(), shape), |inputs, _| {
            inputs[0].at(broadcast_index(self.shape(), shape))
        })
    }
}
