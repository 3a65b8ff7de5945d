//! Windows as columns of a matrix.

use super::{Window, refused};
use crate::error::{Result, TensorType};
use crate::tensor::Tensor;

impl Tensor {
    /// Returns the windows of `[n, c, spatial..]`, with 1 to 3 spatial axes, as columns: `[n, c * kernel.., windows..]` with
    /// the extents that belong together multiplied. Padding is 0. The matrix product of a weight `[o, c * kernel..]` and
    /// the result is the convolution.
    ///
    /// # Errors
    ///
    /// If there are not 3 to 5 axes, or a window is larger than the padded input.
    pub fn im2col(&self, kernel: &[usize], window: &Window) -> Result<Tensor> {
        let (shape, dtype) = (self.shape(), self.dtype());
        let refused = |why: String| refused("im2col", &[self.ty()], why);
        let [batch, channels, spatial @ ..] = shape else {
            return Err(refused("it needs 3 to 5 axes: two and 1 to 3 spatial ones".to_owned()));
        };
        if !(1..=3).contains(&spatial.len()) {
            return Err(refused("it needs 3 to 5 axes: two and 1 to 3 spatial ones".to_owned()));
        }
        let windows = window.extents(spatial, kernel, false).map_err(refused)?;
        let apart = [&[*batch, *channels], kernel, windows.as_slice()].concat();
        let elements = apart.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        if elements.is_none_or(|elements| elements > 1 << 40) {
            return Err(refused(format!("the result {dtype}{apart:?} would have more than 2^40 elements")));
        }
        let columns = Tensor::define("im2col", &[self], TensorType::new(dtype, &apart), |inputs, at| {
            let mut index = at[..2].to_vec();
            for axis in 0..spatial.len() {
                let along = window.along(axis, [spatial[axis], kernel[axis], windows[axis]]);
                index.push(along.position(&at[2 + spatial.len() + axis], Some(&at[2 + axis])));
            }
            inputs[0].at(index)
        })?;
        let product = |extents: &[usize]| extents.iter().product::<usize>();
        columns.reshape(&[*batch, channels * product(kernel), product(&windows)])
    }
}
