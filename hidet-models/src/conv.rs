//! [`Conv`]: a convolution with the normalisation behind it, for images with channels last; and what else images need.
//!
//! A normalisation in inference is a factor and a summand of each channel. Both are folded into the weights on the host, in
//! `f64`, so that a convolution, its normalisation, a residual and an activation are one kernel with one operand for the
//! channels, and elements of half precision are rounded once.

use crate::ended::ended;
use crate::error::{Error, Result};
use crate::load::Load;
use crate::weights::Draw;
use hidet::types::Scalar;
use hidet_ops::{Tensor, Window};

/// The sizes of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct ConvSize {
    /// Channels of the input and of the result.
    pub channels: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: usize,
    pub padding: [usize; 2],
    pub groups: usize,
}

impl ConvSize {
    /// Returns a convolution with stride 1 and as much padding as keeps the extents of an image.
    pub(crate) fn same(channels: [usize; 2], kernel: [usize; 2]) -> ConvSize {
        ConvSize { channels, kernel, stride: 1, padding: kernel.map(|extent| extent / 2), groups: 1 }
    }

    /// Returns one with a square kernel, a stride, and half of the kernel as padding.
    pub(crate) fn square(channels: [usize; 2], kernel: usize, stride: usize) -> ConvSize {
        ConvSize { stride, ..ConvSize::same(channels, [kernel; 2]) }
    }
}

/// A convolution without bias, and the normalisation of its channels.
pub(crate) struct Conv {
    /// `[o, rows, cols, c / groups]`.
    weight: Tensor,
    /// `[o]`.
    bias: Tensor,
    window: Window,
    groups: usize,
}

impl Conv {
    /// Takes the weights of a convolution and of a normalisation with these names. Drawn ones make results with this
    /// deviation of inputs of order 1.
    pub(crate) fn new(
        load: &mut Load,
        [conv, norm]: [&str; 2],
        size: ConvSize,
        epsilon: f64,
        deviation: f32,
    ) -> Result<Conv> {
        let ConvSize { channels: [c, o], kernel: [rows, cols], stride, padding, groups } = size;
        let (own, places) = (c / groups, rows * cols);
        let draw = Draw::of_sums(own * places, deviation);
        let weight = load.numbers(&format!("{conv}.weight"), &[o, own, rows, cols], draw)?;
        let mut channel = |name: &str, draw: Draw| load.numbers(&format!("{norm}.{name}"), &[o], draw);
        let scale = channel("weight", Draw::near(1.0, 0.1))?;
        let shift = channel("bias", Draw::near(0.0, 0.1))?;
        let mean = channel("running_mean", Draw::near(0.0, 0.1))?;
        let variance = channel("running_var", Draw::near(1.0, 0.1))?;
        let factor = |at: usize| f64::from(scale[at]) / (f64::from(variance[at]) + epsilon).sqrt();
        let bias = |at: usize| (f64::from(shift[at]) - f64::from(mean[at]) * factor(at)) as f32;
        let bias: Vec<f32> = (0..o).map(bias).collect();
        // Channels last.
        let mut folded = Vec::with_capacity(weight.len());
        for at in 0..o {
            let factor = factor(at);
            for place in 0..places {
                let element = |channel: usize| weight[(at * own + channel) * places + place];
                folded.extend((0..own).map(|channel| (f64::from(element(channel)) * factor) as f32));
            }
        }
        let weight = load.store(&folded, &[o, rows, cols, own])?;
        let window = Window::new(2).stride(&[stride; 2]).padding(&padding);
        Ok(Conv { weight, bias: load.store(&bias, &[o])?, window, groups })
    }

    /// Returns the normalised convolution of `[n, rows, cols, c]`: `[n, rows, cols, o]`, to which more can be added in its
    /// kernel before it is [`ended`].
    pub(crate) fn of(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.conv_channels_last(&self.weight, &self.window, self.groups)?.add(&self.bias)?)
    }

    /// Returns the same, and 0 in place of less.
    pub(crate) fn relu(&self, x: &Tensor) -> Result<Tensor> {
        ended(&self.of(x)?.relu()?)
    }

    /// Returns the same, limited to 0 ..= 6.
    pub(crate) fn relu6(&self, x: &Tensor) -> Result<Tensor> {
        ended(&self.of(x)?.relu6()?)
    }
}

/// Returns the name of a weight in a file, if it is not that of a number for training: how often a normalisation has seen a batch.
pub(crate) fn for_inference(own: &str) -> Option<String> {
    (!own.ends_with(".num_batches_tracked")).then(|| own.to_owned())
}

/// Returns images `[n, 3, rows, cols]` with channels last, `[n, rows, cols, 3]`.
pub(crate) fn channels_last(model: &'static str, dtype: Scalar, x: &Tensor) -> Result<Tensor> {
    match x.shape() {
        [_, 3, _, _] if x.dtype() == dtype => ended(&x.permute(&[0, 2, 3, 1])?),
        _ => {
            let wanted = format!("it takes images {dtype}[n, 3, rows, columns]");
            Err(Error::Input { model, found: x.ty().clone(), wanted })
        }
    }
}

/// Returns the window of a pool of `[n, rows, cols, c]` with 3 x 3 elements, and its kernel.
fn pool(stride: usize, padding: usize) -> ([usize; 3], Window) {
    ([3, 3, 1], Window::new(3).stride(&[stride, stride, 1]).padding(&[padding, padding, 0]))
}

/// Returns the largest elements of windows of 3 x 3 elements that are 2 apart.
pub(crate) fn max_pool(x: &Tensor, padding: usize) -> Result<Tensor> {
    let (kernel, window) = pool(2, padding);
    Ok(x.max_pool(&kernel, &window, false)?)
}

/// Returns the means of windows of 3 x 3 elements around each element; padding counts as 0.
pub(crate) fn avg_pool(x: &Tensor) -> Result<Tensor> {
    let (kernel, window) = pool(1, 1);
    ended(&x.avg_pool(&kernel, &window, false, true)?)
}

/// Returns what the channels of the paper become in a network that has fewer by a divisor.
pub(crate) fn narrowed(divisor: usize) -> Result<impl Fn(usize) -> usize> {
    if divisor == 0 || 8 % divisor != 0 {
        let why = format!("{divisor} does not divide all numbers of channels; 1, 2, 4 and 8 do");
        return Err(Error::Config { field: "divisor", why });
    }
    Ok(move |channels: usize| channels / divisor)
}
