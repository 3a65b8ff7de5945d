//! Softmax along an axis: several reductions, which become one kernel.

use super::axes;
use crate::composed::composed;
use crate::error::Result;
use crate::tensor::Tensor;

impl Tensor {
    /// Returns `exp(x)` divided by the sum of all along an axis, without overflow, computed in `f32` for smaller floats.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the elements are not floats.
    pub fn softmax(&self, axis: usize) -> Result<Tensor> {
        self.softmax_axis("softmax", axis)?;
        composed("softmax", &[axis as u64], &[self], || {
            let wide = self.wide()?;
            let exps = wide.sub(&wide.max(&[axis], true)?)?.exp()?;
            exps.div(&exps.sum(&[axis], true)?)?.cast(self.dtype())
        })
    }

    /// Returns the logarithm of [`Tensor::softmax`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::softmax`].
    pub fn log_softmax(&self, axis: usize) -> Result<Tensor> {
        self.softmax_axis("log_softmax", axis)?;
        composed("log_softmax", &[axis as u64], &[self], || {
            let wide = self.wide()?;
            let less = wide.sub(&wide.max(&[axis], true)?)?;
            less.sub(&less.exp()?.sum(&[axis], true)?.log()?)?.cast(self.dtype())
        })
    }

    fn softmax_axis(&self, name: &'static str, axis: usize) -> Result<()> {
        self.only_floats(name)?;
        axes::one(name, self, axis)
    }
}
