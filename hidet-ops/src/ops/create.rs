//! Tensors made of numbers alone.

use super::refused;
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;
use hidet::device::Device;
use hidet::types::Scalar;

impl Tensor {
    fn made(name: &'static str, device: &Device, output: TensorType, value: ScalarExpr) -> Result<Tensor> {
        Tensor::apply_on(device, Task { name, inputs: Vec::new(), output, compute: Compute::Each(value) }, &[])
    }

    /// Returns a tensor whose elements are all the number of their type that is nearest to `value`.
    ///
    /// # Errors
    ///
    /// If the tensor would be too large.
    pub fn full(device: &Device, dtype: Scalar, shape: &[usize], value: f64) -> Result<Tensor> {
        Tensor::made("full", device, TensorType::new(dtype, shape), ScalarExpr::constant(dtype, value))
    }

    /// Returns `start`, `start + step` and so on, as many as are before `end`.
    ///
    /// # Errors
    ///
    /// If the step is 0, a number is not finite, or the type has no arithmetic.
    pub fn arange(device: &Device, dtype: Scalar, [start, end, step]: [f64; 3]) -> Result<Tensor> {
        let wide = if dtype.is_float() { Scalar::F64 } else { Scalar::I64 };
        let count = ((end - start) / step).ceil().max(0.0);
        if !count.is_finite() || step == 0.0 || !dtype.has_arithmetic() {
            let why = format!("{start} to {end} in steps of {step} of {dtype} are not a finite number of numbers");
            return Err(refused("arange", &[], why));
        }
        let number = ScalarExpr::axis(0).cast(wide);
        let value = (&number * step + start).cast(dtype);
        Tensor::made("arange", device, TensorType::new(dtype, &[count as usize]), value)
    }

    /// Returns `count` numbers from `start` to `end`, both included, in equal steps.
    ///
    /// # Errors
    ///
    /// If the type is not one of floats.
    pub fn linspace(device: &Device, dtype: Scalar, [start, end]: [f64; 2], count: usize) -> Result<Tensor> {
        if !dtype.is_float() {
            return Err(refused("linspace", &[], format!("it is defined for floats, not {dtype}")));
        }
        let step = (end - start) / count.saturating_sub(1).max(1) as f64;
        let value = (ScalarExpr::axis(0).cast(Scalar::F64) * step + start).cast(dtype);
        Tensor::made("linspace", device, TensorType::new(dtype, &[count]), value)
    }

    /// Returns a matrix of ones on and below a diagonal, `offset` above the main one, and zeros above it.
    ///
    /// # Errors
    ///
    /// If the tensor would be too large.
    pub fn tri(device: &Device, dtype: Scalar, [rows, cols]: [usize; 2], offset: i32) -> Result<Tensor> {
        let [row, col] = [0, 1].map(ScalarExpr::axis);
        let below = col.le(&(row + i64::from(offset)));
        let value = below.select(&ScalarExpr::constant(dtype, 1.0), &ScalarExpr::constant(dtype, 0.0));
        Tensor::made("tri", device, TensorType::new(dtype, &[rows, cols]), value)
    }
}
