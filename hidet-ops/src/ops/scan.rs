//! Sums of all elements up to each.

use super::{Input, axes, computed_in, refused};
use crate::error::Result;
use crate::expr::ScalarExpr;
use crate::task::{Compute, ReduceOp};
use crate::tensor::Tensor;

impl Tensor {
    /// Returns for each element the sum of those up to it along an axis; without itself if `exclusive`; of those from it to
    /// the end if `reverse`. Elements of `f16` and `bf16` are added in `f32`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or elements are not `f16`, `bf16`, `f32`, `f64`, `i32`, `i64`, `u32` or `u64`.
    pub fn cumsum(&self, axis: usize, exclusive: bool, reverse: bool) -> Result<Tensor> {
        axes::one("cumsum", self, axis)?;
        let (dtype, extent) = (self.dtype(), self.shape()[axis]);
        let sums = computed_in(dtype);
        if !ReduceOp::TYPES.contains(&sums) {
            let why = format!("sums of {dtype} are not supported; convert the tensor with `cast` before");
            return Err(refused("cumsum", &[self.ty()], why));
        }
        let scan = |inputs: &[Input], at: &[ScalarExpr]| {
            let mut index = at.to_vec();
            if exclusive {
                index[axis] = (&index[axis] - 1i64).max(0.0);
            }
            if reverse {
                index[axis] = index[axis].same(extent as f64 - 1.0) - &index[axis];
            }
            let term = inputs[0].at(index).cast(sums);
            let term = if exclusive { at[axis].gt(0.0).select(&term, &term.same(0.0)) } else { term };
            Compute::Scan { axis, term }
        };
        let result = Tensor::defined("cumsum", &[self], self.ty().clone(), scan, 0)?;
        if reverse { result.flip(&[axis]) } else { Ok(result) }
    }
}
