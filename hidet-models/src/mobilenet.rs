//! [`Mobilenet`]: MobileNetV2, inverted residuals with depthwise convolutions, as torchvision has it.
//!
//! Names of weights are torchvision's: `features.2.conv.1.0.weight`.

use crate::conv::{Conv, ConvSize, channels_last, narrowed};
use crate::ended::ended;
use crate::error::Result;
use crate::inputs;
use crate::linear::Linear;
use crate::load::Load;
use crate::weights::Weights;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::Tensor;

/// The sizes of a MobileNetV2.
#[derive(Clone, Debug, PartialEq)]
pub struct MobilenetConfig {
    /// The rows and columns of images that [`MobilenetConfig::input`] draws. Networks take others too.
    pub image: usize,
    /// The classes of images.
    pub classes: usize,
    /// By how much the channels between layers are fewer than the paper's: 1, 2, 4 or 8.
    pub divisor: usize,
    /// The type of weights and activations: `f32`, `f16` or `bf16`.
    pub dtype: Scalar,
}

impl MobilenetConfig {
    /// Returns the paper's sizes in `f32`.
    pub fn paper() -> MobilenetConfig {
        MobilenetConfig { image: 224, classes: 1000, divisor: 1, dtype: Scalar::F32 }
    }

    /// Returns as many layers with an eighth of the channels, for images of 32 x 32 and 10 classes.
    pub fn reduced() -> MobilenetConfig {
        MobilenetConfig { image: 32, classes: 10, divisor: 8, ..MobilenetConfig::paper() }
    }

    /// Returns random images, `[batch, 3, image, image]`.
    ///
    /// # Errors
    ///
    /// As [`inputs::images`].
    pub fn input(&self, device: &Device, batch: usize, seed: u64) -> Result<Tensor> {
        inputs::images(device, self.dtype, batch, self.image, seed)
    }
}

/// The stages: the factor of channels inside of a block, channels of its result, blocks, stride of the first one.
const STAGES: [(usize, usize, usize, usize); 7] =
    [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)];

const EPSILON: f64 = 1e-5;

/// A MobileNetV2.
pub struct Mobilenet {
    dtype: Scalar,
    stem: Conv,
    blocks: Vec<Inverted>,
    last: Conv,
    classes: Linear,
}

impl Mobilenet {
    /// Makes a network on a device.
    ///
    /// # Errors
    ///
    /// If a size cannot be, a weight is missing or has another shape, or memory is missing.
    pub fn new(device: &Device, config: &MobilenetConfig, weights: &mut dyn Weights) -> Result<Mobilenet> {
        let channels = narrowed(config.divisor)?;
        let mut load = Load::new(device, config.dtype, weights);
        let mut features = load.at("features");
        let mut from = channels(32);
        let stem = conv(&mut features, ["0.0", "0.1"], ConvSize::square([3, from], 3, 2), true)?;
        let mut blocks = Vec::new();
        for (factor, to, count, first) in STAGES {
            for number in 0..count {
                let stride = if number == 0 { first } else { 1 };
                let to = channels(to);
                let mut load = features.at(format!("{}.conv", blocks.len() + 1));
                blocks.push(Inverted::new(&mut load, [from, to], factor, stride)?);
                from = to;
            }
        }
        let to = channels(1280);
        let last = conv(&mut features, ["18.0", "18.1"], ConvSize::square([from, to], 1, 1), true)?;
        let classes = Linear::new(&mut load, "classifier.1", [to, config.classes], 1.0)?;
        Ok(Mobilenet { dtype: config.dtype, stem, blocks, last, classes })
    }

    /// Returns the scores of the classes of images `[n, 3, rows, columns]`: `[n, classes]`.
    ///
    /// # Errors
    ///
    /// If the input has another type.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let mut x = self.stem.relu6(&channels_last("MobileNet", self.dtype, input)?)?;
        for block in &self.blocks {
            x = block.of(&x)?;
        }
        self.classes.of(&self.last.relu6(&x)?.mean(&[1, 2], false)?)
    }
}

/// Takes a convolution, before an activation or not.
fn conv(load: &mut Load, names: [&str; 2], size: ConvSize, activated: bool) -> Result<Conv> {
    Conv::new(load, names, size, EPSILON, if activated { 2f32.sqrt() } else { 1.0 })
}

/// Many channels between few: a convolution that makes them, one of each by itself, and one that makes few of them.
struct Inverted {
    /// Not where there are not more channels inside.
    expand: Option<Conv>,
    depthwise: Conv,
    project: Conv,
    /// If the block adds its input to its result.
    is_residual: bool,
}

impl Inverted {
    fn new(load: &mut Load, [from, to]: [usize; 2], factor: usize, stride: usize) -> Result<Inverted> {
        let inner = from * factor;
        let is_expanded = factor != 1;
        let expand =
            is_expanded.then(|| conv(load, ["0.0", "0.1"], ConvSize::square([from, inner], 1, 1), true)).transpose()?;
        let (depthwise, project) =
            if is_expanded { (["1.0", "1.1"], ["2", "3"]) } else { (["0.0", "0.1"], ["1", "2"]) };
        let size = ConvSize { groups: inner, ..ConvSize::square([inner, inner], 3, stride) };
        let depthwise = conv(load, depthwise, size, true)?;
        let project = conv(load, project, ConvSize::square([inner, to], 1, 1), false)?;
        Ok(Inverted { expand, depthwise, project, is_residual: stride == 1 && from == to })
    }

    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let inner = self.expand.as_ref().map_or_else(|| Ok(x.clone()), |conv| conv.relu6(x))?;
        let y = self.project.of(&self.depthwise.relu6(&inner)?)?;
        ended(&if self.is_residual { y.add(x)? } else { y })
    }
}
