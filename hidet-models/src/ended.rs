//! [`ended`]: where a kernel ends.

use crate::error::Result;
use hidet_ops::Tensor;

/// Returns the same elements, as the result of a kernel: a reshape is memory.
///
/// Fusion begins with results. So operators between two products would join the second one, which reads each element
/// several times, and for which there is no template if what it reads is computed. Ended, they are computed once, with the
/// first one.
pub(crate) fn ended(x: &Tensor) -> Result<Tensor> {
    Ok(x.reshape(x.shape())?)
}
