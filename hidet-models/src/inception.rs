//! [`Inception`]: Inception v3 as torchvision has it, without the auxiliary classifier, which is for training.
//!
//! Names of weights are torchvision's: `Mixed_5b.branch5x5_1.conv.weight`.

use crate::conv::{Conv, ConvSize, avg_pool, channels_last, for_inference, max_pool, narrowed};
use crate::ended::ended;
use crate::error::{Error, Result};
use crate::given;
use crate::inputs;
use crate::linear::Linear;
use crate::load::Load;
use crate::weights::Weights;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::Tensor;
use std::path::Path;

/// The sizes of an Inception v3.
#[derive(Clone, Debug, PartialEq)]
pub struct InceptionConfig {
    /// The rows and columns of images that [`InceptionConfig::input`] draws. Networks take others too, from 75 on.
    pub image: usize,
    /// The classes of images.
    pub classes: usize,
    /// By how much the channels between layers are fewer than the paper's: 1, 2, 4 or 8.
    pub divisor: usize,
    /// The type of weights and activations: `f32`, `f16` or `bf16`.
    pub dtype: Scalar,
}

impl InceptionConfig {
    /// Returns the paper's sizes in `f32`.
    pub fn paper() -> InceptionConfig {
        InceptionConfig { image: 299, classes: 1000, divisor: 1, dtype: Scalar::F32 }
    }

    /// Returns as many layers with an eighth of the channels, for images of 75 x 75, the smallest, and 10 classes.
    pub fn reduced() -> InceptionConfig {
        InceptionConfig { image: 75, classes: 10, divisor: 8, ..InceptionConfig::paper() }
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

const MODEL: &str = "Inception";

/// The least extent of images, of which the last block has one row.
const LEAST: usize = 75;

const EPSILON: f64 = 1e-3;

/// An Inception v3.
pub struct Inception {
    dtype: Scalar,
    /// The convolutions in front of the blocks, behind each of which there is a pool.
    stem: [Vec<Conv>; 2],
    blocks: Vec<Vec<Branch>>,
    classes: Linear,
}

impl Inception {
    /// Makes a network on a device.
    ///
    /// # Errors
    ///
    /// If a size cannot be, a weight is missing or has another shape, or memory is missing.
    pub fn new(device: &Device, config: &InceptionConfig, weights: &mut dyn Weights) -> Result<Inception> {
        let narrowed = narrowed(config.divisor)?;
        let mut load = Load::new(device, config.dtype, weights);
        let mut channels = 3;
        let mut stem = |steps: &[Step]| -> Result<Vec<Conv>> {
            let (convs, last) = sequence(&mut load, steps, channels, &narrowed)?;
            channels = last;
            Ok(convs)
        };
        let stem = [
            stem(&[
                step("Conv2d_1a_3x3", 32, [3, 3]).apart(),
                step("Conv2d_2a_3x3", 32, [3, 3]).inside(),
                step("Conv2d_2b_3x3", 64, [3, 3]),
            ])?,
            stem(&[step("Conv2d_3b_1x1", 80, [1, 1]), step("Conv2d_4a_3x3", 192, [3, 3]).inside()])?,
        ];
        let mut blocks = Vec::new();
        for (name, plans) in plans() {
            let mut load = load.at(name);
            let mut branches = Vec::new();
            let mut joined = 0;
            for plan in &plans {
                let (branch, own) = Branch::new(&mut load, plan, channels, &narrowed)?;
                branches.push(branch);
                joined += own;
            }
            blocks.push(branches);
            channels = joined;
        }
        let classes = Linear::new(&mut load, "fc", [channels, config.classes], 1.0)?;
        Ok(Inception { dtype: config.dtype, stem, blocks, classes })
    }

    /// Makes a network on a device of the weights of a `.safetensors` file with the names of torchvision and timm. Floats
    /// of other types than the configuration's are converted.
    ///
    /// The weights of torchvision for ImageNet, which are also timm's `tv_in1k`, are for images with the mean 0.5 and the deviation 0.5 of
    /// each colour; torchvision itself makes such of images with those of ImageNet first.
    ///
    /// # Errors
    ///
    /// As [`Inception::new`], and if the file cannot be read, or has weights that the network does not take.
    pub fn load(device: &Device, config: &InceptionConfig, path: impl AsRef<Path>) -> Result<Inception> {
        given::load(path.as_ref(), name, |weights| Inception::new(device, config, weights))
    }

    /// Returns the scores of the classes of images `[n, 3, rows, columns]`: `[n, classes]`.
    ///
    /// # Errors
    ///
    /// If the input has another type or images of fewer than 75 rows or columns.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let mut x = channels_last(MODEL, self.dtype, input)?;
        if x.shape()[1..3].iter().any(|extent| *extent < LEAST) {
            let wanted = format!("it takes images of at least {LEAST} rows and columns");
            return Err(Error::Input { model: MODEL, found: input.ty().clone(), wanted });
        }
        for convs in &self.stem {
            for conv in convs {
                x = conv.relu(&x)?;
            }
            x = max_pool(&x, 0)?;
        }
        for branches in &self.blocks {
            let mut parts = Vec::new();
            for branch in branches {
                branch.add(&x, &mut parts)?;
            }
            x = ended(&Tensor::concat(&parts.iter().collect::<Vec<_>>(), 3)?)?;
        }
        self.classes.of(&x.mean(&[1, 2], false)?)
    }
}

/// Returns the name of a weight in a file, if it is not that of the auxiliary classifier.
fn name(own: &str) -> Option<String> {
    for_inference(own).filter(|own| !own.starts_with("AuxLogits."))
}

/// A convolution to be made: its name, the channels of its result in the paper, and its kernel.
#[derive(Clone, Copy)]
struct Step {
    name: &'static str,
    channels: usize,
    kernel: [usize; 2],
    stride: usize,
    is_padded: bool,
}

/// Returns a convolution that keeps the extents of images.
fn step(name: &'static str, channels: usize, kernel: [usize; 2]) -> Step {
    Step { name, channels, kernel, stride: 1, is_padded: true }
}

impl Step {
    /// Without padding.
    fn inside(self) -> Step {
        Step { is_padded: false, ..self }
    }

    /// With stride 2, and without padding.
    fn apart(self) -> Step {
        Step { stride: 2, ..self.inside() }
    }

    fn load(&self, load: &mut Load, from: usize, to: usize) -> Result<Conv> {
        let same = ConvSize::same([from, to], self.kernel);
        let padding = if self.is_padded { same.padding } else { [0, 0] };
        let size = ConvSize { stride: self.stride, padding, ..same };
        Conv::new(&mut load.at(self.name), ["conv", "bn"], size, EPSILON, 2f32.sqrt())
    }
}

/// Makes convolutions of each other's results, and returns the channels of the last one.
fn sequence(
    load: &mut Load,
    steps: &[Step],
    mut from: usize,
    narrowed: &impl Fn(usize) -> usize,
) -> Result<(Vec<Conv>, usize)> {
    let mut convs = Vec::new();
    for step in steps {
        let to = narrowed(step.channels);
        convs.push(step.load(load, from, to)?);
        from = to;
    }
    Ok((convs, from))
}

/// What a branch does before its convolutions.
#[derive(Clone, Copy, PartialEq)]
enum Pool {
    None,
    Mean,
    Largest,
}

/// A branch to be made: a pool, convolutions of each other's results, and some that are all of the last one's.
struct BranchPlan {
    pool: Pool,
    steps: Vec<Step>,
    fork: Vec<Step>,
}

fn branch(steps: &[Step]) -> BranchPlan {
    BranchPlan { pool: Pool::None, steps: steps.to_vec(), fork: Vec::new() }
}

fn forked(steps: &[Step], fork: &[Step]) -> BranchPlan {
    BranchPlan { fork: fork.to_vec(), ..branch(steps) }
}

fn mean(channels: usize) -> BranchPlan {
    BranchPlan { pool: Pool::Mean, ..branch(&[step("branch_pool", channels, [1, 1])]) }
}

fn largest() -> BranchPlan {
    BranchPlan { pool: Pool::Largest, ..branch(&[]) }
}

/// Returns the blocks by name.
fn plans() -> Vec<(&'static str, Vec<BranchPlan>)> {
    let small = |pool: usize| {
        vec![
            branch(&[step("branch1x1", 64, [1, 1])]),
            branch(&[step("branch5x5_1", 48, [1, 1]), step("branch5x5_2", 64, [5, 5])]),
            branch(&[
                step("branch3x3dbl_1", 64, [1, 1]),
                step("branch3x3dbl_2", 96, [3, 3]),
                step("branch3x3dbl_3", 96, [3, 3]),
            ]),
            mean(pool),
        ]
    };
    let long = |inner: usize| {
        vec![
            branch(&[step("branch1x1", 192, [1, 1])]),
            branch(&[
                step("branch7x7_1", inner, [1, 1]),
                step("branch7x7_2", inner, [1, 7]),
                step("branch7x7_3", 192, [7, 1]),
            ]),
            branch(&[
                step("branch7x7dbl_1", inner, [1, 1]),
                step("branch7x7dbl_2", inner, [7, 1]),
                step("branch7x7dbl_3", inner, [1, 7]),
                step("branch7x7dbl_4", inner, [7, 1]),
                step("branch7x7dbl_5", 192, [1, 7]),
            ]),
            mean(192),
        ]
    };
    let wide = || {
        vec![
            branch(&[step("branch1x1", 320, [1, 1])]),
            forked(
                &[step("branch3x3_1", 384, [1, 1])],
                &[step("branch3x3_2a", 384, [1, 3]), step("branch3x3_2b", 384, [3, 1])],
            ),
            forked(
                &[step("branch3x3dbl_1", 448, [1, 1]), step("branch3x3dbl_2", 384, [3, 3])],
                &[step("branch3x3dbl_3a", 384, [1, 3]), step("branch3x3dbl_3b", 384, [3, 1])],
            ),
            mean(192),
        ]
    };
    let first = vec![
        branch(&[step("branch3x3", 384, [3, 3]).apart()]),
        branch(&[
            step("branch3x3dbl_1", 64, [1, 1]),
            step("branch3x3dbl_2", 96, [3, 3]),
            step("branch3x3dbl_3", 96, [3, 3]).apart(),
        ]),
        largest(),
    ];
    let second = vec![
        branch(&[step("branch3x3_1", 192, [1, 1]), step("branch3x3_2", 320, [3, 3]).apart()]),
        branch(&[
            step("branch7x7x3_1", 192, [1, 1]),
            step("branch7x7x3_2", 192, [1, 7]),
            step("branch7x7x3_3", 192, [7, 1]),
            step("branch7x7x3_4", 192, [3, 3]).apart(),
        ]),
        largest(),
    ];
    vec![
        ("Mixed_5b", small(32)),
        ("Mixed_5c", small(64)),
        ("Mixed_5d", small(64)),
        ("Mixed_6a", first),
        ("Mixed_6b", long(128)),
        ("Mixed_6c", long(160)),
        ("Mixed_6d", long(160)),
        ("Mixed_6e", long(192)),
        ("Mixed_7a", second),
        ("Mixed_7b", wide()),
        ("Mixed_7c", wide()),
    ]
}

/// A branch of a block.
struct Branch {
    pool: Pool,
    convs: Vec<Conv>,
    fork: Vec<Conv>,
}

impl Branch {
    /// Makes a branch, and returns the channels of all its results.
    fn new(
        load: &mut Load,
        plan: &BranchPlan,
        from: usize,
        narrowed: &impl Fn(usize) -> usize,
    ) -> Result<(Branch, usize)> {
        let (convs, last) = sequence(load, &plan.steps, from, narrowed)?;
        let (mut fork, mut all) = (Vec::new(), 0);
        for step in &plan.fork {
            let to = narrowed(step.channels);
            fork.push(step.load(load, last, to)?);
            all += to;
        }
        let channels = if fork.is_empty() { last } else { all };
        Ok((Branch { pool: plan.pool, convs, fork }, channels))
    }

    /// Adds the results.
    fn add(&self, x: &Tensor, results: &mut Vec<Tensor>) -> Result<()> {
        let mut x = match self.pool {
            Pool::None => x.clone(),
            Pool::Mean => avg_pool(x)?,
            Pool::Largest => max_pool(x, 0)?,
        };
        for conv in &self.convs {
            x = conv.relu(&x)?;
        }
        if self.fork.is_empty() {
            results.push(x);
            return Ok(());
        }
        for conv in &self.fork {
            results.push(conv.relu(&x)?);
        }
        Ok(())
    }
}
