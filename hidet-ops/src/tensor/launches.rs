//! [`TensorLaunch`]: a launch that computes a tensor, with the work that it is for, to be measured.

use super::Tensor;
use crate::error::Result;
use crate::run::Purpose;
use hidet::device::RawTensor;
use hidet::kernel::PreparedLaunch;
use hidet::types::Scalar;

/// A launch that was made to compute a tensor, or on the way to one, and the least work that it is for.
pub struct TensorLaunch {
    /// The launch, which can be repeated.
    pub launch: PreparedLaunch,
    /// The template or rule that made its kernel.
    pub template: &'static str,
    /// The bytes of its parameters: what it reads and writes if it uses each element of each once. One of which only parts are
    /// read, as a table of which rows are gathered, counts in whole.
    pub bytes: usize,
    /// The type of the elements of its first parameter.
    pub dtype: Scalar,
    /// The multiplications and additions of its products; 0 of other kernels, and of users' own.
    pub flops: f64,
}

impl Tensor {
    /// Computes tensors on one device, as [`Tensor::prepare_all`] does, and returns the launches that did it, to be measured.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`].
    pub fn launches(tensors: &[&Tensor]) -> Result<Vec<TensorLaunch>> {
        let all = Tensor::recorded(tensors)?.1.into_iter().map(|(launched, purpose)| {
            let bytes = launched.arguments.iter().map(RawTensor::bytes).sum();
            // Each launch has a result.
            let dtype = launched.arguments.first().map_or(Scalar::F32, RawTensor::scalar);
            let Purpose { template, flops } = purpose;
            Ok(TensorLaunch { launch: launched.prepare()?, template, bytes, dtype, flops })
        });
        all.collect()
    }
}
