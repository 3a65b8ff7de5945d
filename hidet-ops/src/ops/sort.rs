//! Elements in order.

use super::{Input, axes, refused};
use crate::composed::composed;
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::Compute;
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the numbers of the elements along an axis in ascending order, or descending, as `i64`: element 0 of the result
    /// is the number of the least. Elements may be of any type. Equal ones stay in order; NaN is larger than any number.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn argsort(&self, axis: usize, descending: bool) -> Result<Tensor> {
        axes::one("argsort", self, axis)?;
        self.first_of("argsort", (self.shape()[axis], axis), descending)
    }

    /// Returns the elements along an axis in ascending order, or descending, and their numbers as `i64`, as
    /// [`Tensor::argsort`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::argsort`].
    pub fn sort(&self, axis: usize, descending: bool) -> Result<(Tensor, Tensor)> {
        axes::one("sort", self, axis)?;
        let numbers = self.first_of("sort", (self.shape()[axis], axis), descending)?;
        Ok((self.gather(&numbers, axis)?, numbers))
    }

    /// Returns the `k` largest elements along an axis in descending order, or the smallest in ascending order, and their
    /// numbers as `i64`. Of equal elements the first come first; NaN is larger than any number.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or it has fewer than `k` elements.
    pub fn topk(&self, k: usize, axis: usize, largest: bool) -> Result<(Tensor, Tensor)> {
        axes::one("topk", self, axis)?;
        if k > self.shape()[axis] {
            let why = format!("axis {axis} has {} elements, of which {k} cannot be taken", self.shape()[axis]);
            return Err(refused("topk", &[self.ty()], why));
        }
        let numbers = self.first_of("topk", (k, axis), largest)?;
        Ok((self.gather(&numbers, axis)?, numbers))
    }

    /// Returns the numbers of the first elements in order.
    fn first_of(&self, name: &'static str, (count, axis): (usize, usize), descending: bool) -> Result<Tensor> {
        composed(name, &[count as u64, axis as u64, u64::from(descending)], &[self], || {
            let mut output = TensorType::new(Scalar::I64, self.shape());
            output.shape[axis] = count;
            let order = |inputs: &[Input], at: &[ScalarExpr]| Compute::Order {
                axis,
                len: self.shape()[axis],
                descending,
                // A bare coordinate goes along the whole axis, which has more elements than the result.
                term: inputs[0].at(at.to_vec()),
            };
            Tensor::defined(name, &[self], output, order, 0)
        })
    }
}
