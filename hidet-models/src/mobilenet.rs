//! [`Mobilenet`]: MobileNetV2, inverted residuals with depthwise convolutions, as torchvision has it.
//!
//! Names of weights are torchvision's: `features.2.conv.1.0.weight`.

use crate::conv::{Conv, ConvSize, channels_last, for_inference, narrowed};
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

    /// Makes a network on a device of the weights of a `.safetensors` file with the names of torchvision or timm. Floats
    /// of other types than the configuration's are converted.
    ///
    /// # Errors
    ///
    /// As [`Mobilenet::new`], and if the file cannot be read, or has weights that the network does not take.
    pub fn load(device: &Device, config: &MobilenetConfig, path: impl AsRef<Path>) -> Result<Mobilenet> {
        given::load(path.as_ref(), name, |weights| Mobilenet::new(device, config, weights))
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

/// Returns the name that torchvision has for a weight of a file, which may have timm's.
fn name(own: &str) -> Option<String> {
    let own = for_inference(own)?;
    let Some((layer, weight)) = own.rsplit_once('.') else { return Some(own) };
    let layer = match layer {
        "conv_stem" => "features.0.0".to_owned(),
        "bn1" => "features.0.1".to_owned(),
        "conv_head" => "features.18.0".to_owned(),
        "bn2" => "features.18.1".to_owned(),
        "classifier" => "classifier.1".to_owned(),
        _ => in_block(layer).unwrap_or_else(|| layer.to_owned()),
    };
    Some(format!("{layer}.{weight}"))
}

/// Returns the name that torchvision has for a layer in a block, `blocks.1.0.conv_pw` of timm, if it is one.
fn in_block(layer: &str) -> Option<String> {
    let (stage, rest) = layer.strip_prefix("blocks.")?.split_once('.')?;
    let (number, part) = rest.split_once('.')?;
    let (stage, number) = (stage.parse::<usize>().ok()?, number.parse::<usize>().ok()?);
    let (factor, ..) = *STAGES.get(stage).filter(|(_, _, count, _)| number < *count)?;
    let block = 1 + STAGES[..stage].iter().map(|(_, _, count, _)| count).sum::<usize>() + number;
    let parts: &[[&str; 2]] = match factor {
        1 => &[["conv_dw", "0.0"], ["bn1", "0.1"], ["conv_pw", "1"], ["bn2", "2"]],
        _ => &[["conv_pw", "0.0"], ["bn1", "0.1"], ["conv_dw", "1.0"], ["bn2", "1.1"], ["conv_pwl", "2"], ["bn3", "3"]],
    };
    let [_, part] = parts.iter().find(|[own, _]| *own == part)?;
    Some(format!("features.{block}.conv.{part}"))
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
