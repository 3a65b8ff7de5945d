//! [`Resnet`]: residual networks of bottlenecks, as torchvision has them (v1.5: the stride is at the 3 x 3 convolutions).
//!
//! Names of weights are torchvision's: `layer1.0.conv1.weight`.

use crate::conv::{Conv, ConvSize, channels_last, for_inference, max_pool, narrowed};
use crate::ended::ended;
use crate::error::Result;
use crate::given;
use crate::inputs;
use crate::linear::Linear;
use crate::load::Load;
use crate::weights::Weights;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::Tensor;
use std::path::Path;

/// The sizes of a residual network.
#[derive(Clone, Debug, PartialEq)]
pub struct ResnetConfig {
    /// The rows and columns of images that [`ResnetConfig::input`] draws. Networks take others too.
    pub image: usize,
    /// The classes of images.
    pub classes: usize,
    /// By how much the channels between layers are fewer than the paper's: 1, 2, 4 or 8.
    pub divisor: usize,
    /// The bottlenecks of each of the four layers.
    pub blocks: [usize; 4],
    /// The type of weights and activations: `f32`, `f16` or `bf16`.
    pub dtype: Scalar,
}

impl ResnetConfig {
    /// Returns the sizes of ResNet-50 in `f32`.
    pub fn paper() -> ResnetConfig {
        ResnetConfig { image: 224, classes: 1000, divisor: 1, blocks: [3, 4, 6, 3], dtype: Scalar::F32 }
    }

    /// Returns as many layers with an eighth of the channels, for images of 32 x 32 and 10 classes.
    pub fn reduced() -> ResnetConfig {
        ResnetConfig { image: 32, classes: 10, divisor: 8, ..ResnetConfig::paper() }
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

const EPSILON: f64 = 1e-5;

/// A residual network.
pub struct Resnet {
    dtype: Scalar,
    stem: Conv,
    blocks: Vec<Bottleneck>,
    classes: Linear,
}

impl Resnet {
    /// Makes a network on a device.
    ///
    /// # Errors
    ///
    /// If a size cannot be, a weight is missing or has another shape, or memory is missing.
    pub fn new(device: &Device, config: &ResnetConfig, weights: &mut dyn Weights) -> Result<Resnet> {
        let channels = narrowed(config.divisor)?;
        let mut load = Load::new(device, config.dtype, weights);
        let mut last = channels(64);
        let stem = Conv::new(&mut load, ["conv1", "bn1"], ConvSize::square([3, last], 7, 2), EPSILON, 2f32.sqrt())?;
        let mut blocks = Vec::new();
        for (layer, count) in config.blocks.into_iter().enumerate() {
            let inner = channels(64 << layer);
            for number in 0..count {
                let stride = if layer > 0 && number == 0 { 2 } else { 1 };
                let mut load = load.at(format!("layer{}.{number}", layer + 1));
                blocks.push(Bottleneck::new(&mut load, [last, inner], stride)?);
                last = 4 * inner;
            }
        }
        let classes = Linear::new(&mut load, "fc", [last, config.classes], 1.0)?;
        Ok(Resnet { dtype: config.dtype, stem, blocks, classes })
    }

    /// Makes a network on a device of the weights of a `.safetensors` file with the names of torchvision and timm. Floats
    /// of other types than the configuration's are converted.
    ///
    /// # Errors
    ///
    /// As [`Resnet::new`], and if the file cannot be read, or has weights that the network does not take.
    pub fn load(device: &Device, config: &ResnetConfig, path: impl AsRef<Path>) -> Result<Resnet> {
        given::load(path.as_ref(), for_inference, |weights| Resnet::new(device, config, weights))
    }

    /// Returns the scores of the classes of images `[n, 3, rows, columns]`: `[n, classes]`.
    ///
    /// # Errors
    ///
    /// If the input has another type.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let x = self.stem.relu(&channels_last("ResNet", self.dtype, input)?)?;
        let mut x = max_pool(&x, 1)?;
        for block in &self.blocks {
            x = block.of(&x)?;
        }
        self.classes.of(&x.mean(&[1, 2], false)?)
    }
}

/// Three convolutions beside a shortcut.
struct Bottleneck {
    convs: [Conv; 3],
    shortcut: Option<Conv>,
}

impl Bottleneck {
    fn new(load: &mut Load, [from, inner]: [usize; 2], stride: usize) -> Result<Bottleneck> {
        let to = 4 * inner;
        let mut conv =
            |names: [&str; 2], size: ConvSize, deviation: f32| Conv::new(load, names, size, EPSILON, deviation);
        let convs = [
            conv(["conv1", "bn1"], ConvSize::square([from, inner], 1, 1), 2f32.sqrt())?,
            conv(["conv2", "bn2"], ConvSize::square([inner, inner], 3, stride), 2f32.sqrt())?,
            // Less than the shortcut: sums over all blocks stay of order 1.
            conv(["conv3", "bn3"], ConvSize::square([inner, to], 1, 1), 0.3)?,
        ];
        let differs = from != to || stride != 1;
        let shortcut =
            differs.then(|| conv(["downsample.0", "downsample.1"], ConvSize::square([from, to], 1, stride), 1.0));
        Ok(Bottleneck { convs, shortcut: shortcut.transpose()? })
    }

    fn of(&self, x: &Tensor) -> Result<Tensor> {
        let [first, second, third] = &self.convs;
        let y = third.of(&second.relu(&first.relu(x)?)?)?;
        let shortcut = self.shortcut.as_ref().map_or_else(|| Ok(x.clone()), |conv| conv.of(x))?;
        ended(&y.add(&shortcut)?.relu()?)
    }
}
