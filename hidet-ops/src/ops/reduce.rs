//! Sums along axes.

use super::{computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, ReduceOp, Task};
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the sums along these axes, which the result lacks, or has 1 of if `keep`. Elements of `f16` and `bf16` are
    /// added in `f32`; no elements have the sum 0.
    ///
    /// # Errors
    ///
    /// If an axis is named twice or does not exist, or elements are not `f16`, `bf16`, `f32`, `f64`, `i32`, `i64`, `u32` or
    /// `u64`.
    pub fn sum(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        let (dtype, shape) = (self.dtype(), self.shape());
        let named_twice = (1..axes.len()).any(|at| axes[..at].contains(&axes[at]));
        if named_twice || axes.iter().any(|axis| *axis >= shape.len()) {
            let why = format!("{axes:?} are not different axes of {} axes, counted from 0", shape.len());
            return Err(refused("sum", &[self.ty()], why));
        }
        let sums = computed_in(dtype);
        if !matches!(sums, Scalar::F32 | Scalar::F64 | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64) {
            let why = format!("sums of {dtype} are not supported; convert the tensor with `cast` before");
            return Err(refused("sum", &[self.ty()], why));
        }
        // Coordinates are those of the result, and behind them those of the axes that are added.
        let rank = if keep { shape.len() } else { shape.len() - axes.len() };
        let (mut index, mut output) = (Vec::new(), Vec::new());
        for (axis, extent) in shape.iter().enumerate() {
            match axes.iter().position(|summed| *summed == axis) {
                Some(at) => {
                    index.push(ScalarExpr::axis(rank + at));
                    output.extend(keep.then_some(1));
                }
                None => {
                    index.push(ScalarExpr::axis(output.len()));
                    output.push(*extent);
                }
            }
        }
        let extents = axes.iter().map(|axis| shape[*axis]).collect();
        let compute =
            Compute::Reduce { op: ReduceOp::Sum, extents, term: ScalarExpr::read(0, dtype, index).cast(sums) };
        let (inputs, output) = (vec![self.ty().clone()], TensorType::new(dtype, &output));
        Tensor::apply(Task { name: "sum", inputs, output, compute }, &[self])
    }

    /// Returns the means along these axes, as [`Tensor::sum`] does the sums; of no elements, NaN.
    ///
    /// # Errors
    ///
    /// As [`Tensor::sum`], and if the elements are not floats.
    pub fn mean(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_floats("mean")?;
        let sum = self.sum(axes, keep)?;
        let count: usize = axes.iter().map(|axis| self.shape()[*axis]).product();
        sum.div(count as f64)
    }
}
