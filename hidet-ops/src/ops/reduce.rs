//! Reductions along axes.

use super::{axes, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, ReduceOp, Task};
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the sums along these axes, which the result lacks, or has 1 of if `keep`. Elements of `f16` and `bf16` are
    /// added in `f32`; no elements have the sum 0. Integers of 8 and 16 bits are added modulo the number of their values.
    ///
    /// # Errors
    ///
    /// If an axis is named twice or does not exist, or the elements have no arithmetic. The same holds for all reductions.
    pub fn sum(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("sum")?;
        self.reduced("sum", ReduceOp::Sum, (axes, keep), self.dtype())
    }

    /// Returns the products along these axes, 1 of no elements; as [`Tensor::sum`] does the sums.
    pub fn prod(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("prod")?;
        self.reduced("prod", ReduceOp::Product, (axes, keep), self.dtype())
    }

    /// Returns the largest elements along these axes, NaN only where all are; of no elements, the least value of the type.
    pub fn max(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("max")?;
        self.reduced("max", ReduceOp::Max, (axes, keep), self.dtype())
    }

    /// Returns the smallest elements along these axes, NaN only where all are; of no elements, the largest value of the
    /// type.
    pub fn min(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("min")?;
        self.reduced("min", ReduceOp::Min, (axes, keep), self.dtype())
    }

    /// Returns the numbers of the first largest elements along these axes, in row-major order, as `i64`. NaN is less than
    /// any number.
    pub fn argmax(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("argmax")?;
        self.reduced("argmax", ReduceOp::ArgMax, (axes, keep), Scalar::I64)
    }

    /// Returns the numbers of the first smallest elements along these axes, in row-major order, as `i64`. NaN is greater
    /// than any number.
    pub fn argmin(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_numbers("argmin")?;
        self.reduced("argmin", ReduceOp::ArgMin, (axes, keep), Scalar::I64)
    }

    /// Returns whether all elements along these axes are true, or not 0.
    pub fn all(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.reduced("all", ReduceOp::Min, (axes, keep), Scalar::Bool)
    }

    /// Returns whether any element along these axes is true, or not 0.
    pub fn any(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.reduced("any", ReduceOp::Max, (axes, keep), Scalar::Bool)
    }

    /// Returns the means along these axes; of no elements, NaN.
    ///
    /// # Errors
    ///
    /// As [`Tensor::sum`], and if the elements are not floats. The same holds for the reductions below.
    pub fn mean(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_floats("mean")?;
        let sum = self.wide()?.sum(axes, keep)?;
        sum.div(self.count(axes) as f64)?.cast(self.dtype())
    }

    /// Returns the variances along these axes: the squares of the distances from the mean, of which the sum is divided by
    /// their number less `correction`.
    pub fn var(&self, axes: &[usize], keep: bool, correction: usize) -> Result<Tensor> {
        self.only_floats("var")?;
        let wide = self.wide()?;
        let squares = wide.sub(&wide.mean(axes, true)?)?.square()?;
        let count = self.count(axes).saturating_sub(correction);
        squares.sum(axes, keep)?.div(count as f64)?.cast(self.dtype())
    }

    /// Returns the standard deviations along these axes, the square roots of [`Tensor::var`].
    pub fn std(&self, axes: &[usize], keep: bool, correction: usize) -> Result<Tensor> {
        self.only_floats("std")?;
        self.wide()?.var(axes, keep, correction)?.sqrt()?.cast(self.dtype())
    }

    /// Returns the logarithms of the sums of exponentials along these axes, without overflow.
    pub fn log_sum_exp(&self, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_floats("log_sum_exp")?;
        let wide = self.wide()?;
        let largest = wide.max(axes, true)?;
        let sum = wide.sub(&largest)?.exp()?.sum(axes, true)?;
        let result = sum.log()?.add(&largest)?.cast(self.dtype())?;
        if keep {
            return Ok(result);
        }
        let kept = (0..self.ty().rank()).filter(|axis| !axes.contains(axis));
        result.reshape(&kept.map(|axis| self.shape()[axis]).collect::<Vec<_>>())
    }

    /// Returns the p-norms along these axes: `sum(|x|^p)^(1/p)`, for p = 1 and 2 without powers.
    pub fn norm(&self, p: f64, axes: &[usize], keep: bool) -> Result<Tensor> {
        self.only_floats("norm")?;
        let wide = self.wide()?;
        let norm = match p {
            1.0 => wide.abs()?.sum(axes, keep)?,
            2.0 => wide.square()?.sum(axes, keep)?.sqrt()?,
            _ if p > 0.0 && p.is_finite() => wide.abs()?.pow(p)?.sum(axes, keep)?.pow(1.0 / p)?,
            _ => return Err(refused("norm", &[self.ty()], format!("p is {p}: it must be a number greater than 0"))),
        };
        norm.cast(self.dtype())
    }

    /// Returns the tensor in the type in which it is computed: `f32` instead of smaller floats.
    pub(super) fn wide(&self) -> Result<Tensor> {
        self.cast(computed_in(self.dtype()))
    }

    /// Returns the number of elements along these axes.
    fn count(&self, axes: &[usize]) -> usize {
        axes.iter().filter_map(|axis| self.shape().get(*axis)).product()
    }

    pub(super) fn reduced(
        &self,
        name: &'static str,
        op: ReduceOp,
        (axes, keep): (&[usize], bool),
        result: Scalar,
    ) -> Result<Tensor> {
        let (dtype, shape) = (self.dtype(), self.shape());
        axes::different(name, self, axes)?;
        // Coordinates are those of the result, and behind them those of the axes that are reduced.
        let rank = if keep { shape.len() } else { shape.len() - axes.len() };
        let (mut index, mut output) = (Vec::new(), Vec::new());
        for (axis, extent) in shape.iter().enumerate() {
            match axes.iter().position(|reduced| *reduced == axis) {
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
        let extents: Vec<usize> = axes.iter().map(|axis| shape[*axis]).collect();
        if matches!(op, ReduceOp::Max | ReduceOp::Min) && result != Scalar::Bool && extents.contains(&0) {
            // The least number of the type, not of the wider one in which elements are combined.
            let number = if op == ReduceOp::Max { f64::NEG_INFINITY } else { f64::INFINITY };
            return Tensor::full(self.device(), dtype, &output, number);
        }
        let read = ScalarExpr::read(0, dtype, index);
        let term = match result {
            // Conditions are 0 and 1. Of none the largest is the least number of the type, which must be false.
            Scalar::Bool => read.cast(Scalar::Bool).cast(Scalar::U32),
            _ => read.cast(combined_in(dtype)),
        };
        let (inputs, output) = (vec![self.ty().clone()], TensorType::new(result, &output));
        Tensor::apply(Task { name, inputs, output, compute: Compute::Reduce { op, extents, term } }, &[self])
    }
}

/// Returns the type in which elements of a type are combined.
fn combined_in(dtype: Scalar) -> Scalar {
    match computed_in(dtype) {
        Scalar::I8 | Scalar::I16 => Scalar::I32,
        Scalar::U8 | Scalar::U16 | Scalar::Bool => Scalar::U32,
        dtype => dtype,
    }
}
