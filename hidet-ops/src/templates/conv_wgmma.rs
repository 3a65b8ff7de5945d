//! Convolutions of images with channels last on the tensor cores of sm_90, of 16-bit floats, or of `f32` as three products of
//! tf32 ([`three`]): a product whose left operand is the pixels below each position of the kernel, which TMA copies as columns of
//! images.

mod three;

use super::matmul_wgmma::blocks_at_once;
use super::parts::added;
use super::product::multiprocessors;
use crate::error::TensorType;
use crate::expr::{ExprNode, Precision, ScalarExpr, axes_of};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Parameters, Plan, Source, stored};
use hidet::blocks::{
    Pipeline, PixelOutput, PixelRoute, StagedInput, StagedPixels, TileOrder, TiledOutput, Window, multiply_tiles,
};
use hidet::dispatch;
use hidet::dsl::Signature;
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// The least channels for three products of tf32: of fewer, most of a stage of 32 is empty.
const LEAST_CHANNELS: usize = 12;

/// Convolutions by wgmma.
pub(super) struct ConvWgmma;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// Blocks that run at the same time.
    blocks: i32,
    /// Positions and channels that are in flight at the same time.
    stages: i32,
    /// Warp groups per block that multiply, each 64 results.
    groups: i32,
    /// Output channels per block.
    outputs: i32,
    /// Blocks, a cluster, that share the positions and channels of a tile.
    split: i32,
}

impl Schedule {
    /// Returns how many positions and channels fit the shared memory of a block, at most 8.
    fn stages(groups: i32, cols: i32, split: i32) -> i32 {
        let kept = match split {
            1 => TiledOutput::<f32, f16, 4>::bytes(groups, cols),
            _ => groups * 64 * (cols + 8) * 4,
        };
        ((227 * 1024 - 2048 - kept) / ((groups * 64 + cols) * 128)).min(8)
    }

    /// Returns the schedule with the least expected time, in steps of 64 channels of a position.
    fn of([results, outputs, steps]: [usize; 3], multiprocessors: usize) -> Schedule {
        let tiles = [(2, 128, 1.0), (2, 64, 0.65), (1, 128, 0.65), (1, 64, 0.5)];
        let all = tiles.into_iter().flat_map(|tile| [1, 2, 4, 8].map(|split| (tile, split)));
        let expected = |((groups, cols, share), split): &((i32, i32, f64), i32)| {
            let tiles = results.div_ceil(64 * *groups as usize) * outputs.div_ceil(*cols as usize);
            let waves = (tiles * *split as usize).div_ceil(blocks_at_once(multiprocessors, *split as usize)) as f64;
            let step = (f64::from(groups * 64 * cols * 64) / 3.0e6 / share).max(0.15);
            let join = if *split > 1 { 1.5 } else { 0.0 };
            waves * ((steps as f64 / f64::from(*split)).ceil() * step + join + 0.5)
        };
        // A stage is given back when the products of the next one are under way.
        let fits = |((groups, cols, _), split): &((i32, i32, f64), i32)| {
            (*split == 1 || *split as usize * 3 <= steps) && Schedule::stages(*groups, *cols, *split) >= 3
        };
        let best = all.filter(fits).min_by(|a, b| expected(a).total_cmp(&expected(b)));
        let ((groups, cols, _), split) = best.unwrap_or((tiles[3], 1));
        let tiles = results.div_ceil(64 * groups as usize) * outputs.div_ceil(cols as usize) * split as usize;
        let blocks = tiles.min(blocks_at_once(multiprocessors, split as usize)) as i32;
        let stages = Schedule::stages(groups, cols, split);
        Schedule { blocks, stages, groups, outputs: cols, split }
    }
}

kernel! {
    /// y = the convolution of the images x with the weights f. The rows of y are the results, in the order of images, rows
    /// and columns.
    #[launch(grid = s.blocks as u32, block = (s.groups as u32 + 1) * 128, cluster = s.split as u32)]
    fn conv_wgmma<T: Element>(
        #[meta] window: Window,
        #[meta] s: Schedule,
        x: In<T, [n, h, w, c]>,
        f: In<T, [k, rows, cols, c]>,
        y: Out<f32, [results, k]>,
    ) {
        let pixels = StagedPixels::new(x, window, PixelRoute::Columns, s.stages, s.groups);
        let weights = f.remap([rows, cols, k, c], 8, |[row, col, k, c]| [k, row, col, c]);
        let weights = StagedInput::new(weights, s.stages, [s.outputs, 64]);
        let y = PixelOutput::<f32, T>::new(y, &pixels, [s.groups, s.outputs], s.split);
        let pipeline = Pipeline::new(s.stages, s.groups, 1);
        let tiles = TileOrder::in_bands([pixels.rows(), k], [s.groups * 64, s.outputs], 8, 1, s.blocks).split(s.split);
        let (at, channels) = (pipeline.start(), (c + 63) / 64);
        let [begin, end] = [0, 1].map(|part| (block_idx().x % s.split + part) * (window.positions() * channels) / s.split);
        let sums = registers::<f32>([s.outputs / 2]);
        for (first, output) in tiles.origins() {
            #[warp_group(0)]
            {
                if thread_id() == 0 {
                    let tile = pixels.tile(first);
                    for step in begin..end {
                        let (position, channel) = (step / channels, step % channels * 64);
                        let (row, col) = (position / window.kernel[1], position % window.kernel[1]);
                        tile.load(&at, [row, col, channel], (&weights, output));
                    }
                }
            }
            #[warp_group(1..s.groups + 1)]
            {
                let group = warp_id() / 4 - 1;
                y.read_rows_ahead(output);
                sums.fill(0.0);
                multiply_tiles(sums, (pixels.tiles(), weights.as_copied()), &at, group * 64, end - begin);
                y.store(sums, &pixels, group, (first, output));
            }
            y.join(&pixels, (first, output));
        }
        y.finish();
    }
}

/// A convolution, found by its structure.
struct Convolution {
    window: Window,
    /// The inputs that are the images and the weights.
    inputs: [usize; 2],
    /// Their extents: of the weights, all four, with those of the kernel.
    extents: [Vec<usize>; 2],
    precision: Precision,
}

impl Convolution {
    /// Returns a fused task as a convolution of images with channels last, or an error if it is not one.
    fn of(fused: &FusedTask) -> Result<Convolution, String> {
        let [sum] = fused.reductions.as_slice() else { return Err("it is not one sum".to_owned()) };
        let none = || "it is not a convolution of images with channels last".to_owned();
        let precision = sum.plain_product().ok_or_else(none)?;
        if fused.output.rank() != 4 || sum.term().dtype() != Scalar::F32 {
            return Err(none());
        }
        let [x, f] = sum.operands.as_slice() else { return Err(none()) };
        let (ExprNode::Read { input: images, index: x }, ExprNode::Read { input: weights, index: f }) =
            (x.node(), f.node())
        else {
            return Err("an operand is computed".to_owned());
        };
        let f = axes_of(f).filter(|axes| axes.len() == 4).ok_or_else(none)?;
        let ([image, row, col, channel], [Some(3), _, _, Some(inner)]) = (x.as_slice(), f.as_slice()) else {
            return Err(none());
        };
        let is = |expr: &ScalarExpr, axis: usize| matches!(expr.node(), ExprNode::Axis(own) if *own == axis);
        if !is(image, 0) || !is(channel, *inner) {
            return Err(none());
        }
        let mut window = Window { kernel: [1; 2], padding: [0; 2], stride: [1; 2], dilation: [1; 2] };
        for (at, index) in [row, col].into_iter().enumerate() {
            let (mut factors, offset) = index.affine().ok_or_else(none)?;
            let number = |value: i64| i32::try_from(value).map_err(|_| none());
            window.stride[at] = number(factors.remove(&(at + 1)).unwrap_or(1))?;
            window.padding[at] = number(-offset)?;
            if let Some(axis) = f[at + 1] {
                window.kernel[at] = number(fused.extents[axis] as i64)?;
                window.dilation[at] = number(factors.remove(&axis).ok_or_else(none)?)?;
            }
            let (input, output) = (fused.inputs[*images].shape[at + 1], fused.output.shape[at + 1]);
            let right = factors.is_empty()
                && (0..=127).contains(&window.padding[at])
                && (1..=8).contains(&window.stride[at])
                && window.dilation[at] >= 1;
            if !right || window.results(at, input) != output {
                return Err("its windows are not those of TMA: padding on both sides, at most 127, strides at most 8"
                    .to_owned());
            }
        }
        let extents = [*images, *weights].map(|input| fused.inputs[input].shape.clone());
        Ok(Convolution { window, inputs: [*images, *weights], extents, precision })
    }
}

impl Implementation for ConvWgmma {
    fn name(&self) -> &'static str {
        "conv_wgmma"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let Convolution { window, inputs, extents: [images, weights], precision } = Convolution::of(fused)?;
        if given.arch != 90 {
            return Err("wgmma is an instruction of sm_90a".to_owned());
        }
        let dtype = fused.inputs[inputs[0]].dtype;
        let types = [fused.inputs[inputs[1]].dtype, fused.output.dtype];
        let is_split = precision == Precision::Tf32x3;
        if !is_split && (![Scalar::F16, Scalar::BF16].contains(&dtype) || types != [dtype; 2]) {
            return Err("images, weights and result are not all f16 or all bf16".to_owned());
        }
        if is_split && images[3] < LEAST_CHANNELS {
            return Err("with few channels, threads are quicker than three products".to_owned());
        }
        // The elements of 16 bytes.
        let unit = 16 / dtype.bytes();
        let outputs = weights[0];
        if !outputs.is_multiple_of(unit) || given.align < 16 || !given.contiguous {
            return Err("channels of the result are not multiples of 16 bytes in memory".to_owned());
        }
        let mut plan = Plan::default();
        let mut read = inputs.map(|input| fused.inputs[input].clone());
        // Images with few channels, such as colours, are copied into ones with multiples of 16 bytes.
        if !images[3].is_multiple_of(unit) {
            for (copy, input) in with_channels(fused, inputs, unit).into_iter().zip(inputs) {
                plan.copy(copy, input, fused.inputs[input].shape.clone());
            }
            read = [0, 1].map(|step| plan.steps[step].output.clone());
        }
        let channels = read[0].shape[3];
        // What follows reads tensors at the results as rows: images, rows and columns are one axis.
        let mut after = fused.clone();
        after.reductions[0].operands.clear();
        after.extents.truncate(4);
        // Channels stay an axis of their own, whatever follows.
        after.over = vec![3];
        // Tensor cores read the bits of `f32` as tf32.
        let multiplied = if is_split { Scalar::TF32 } else { dtype };
        let [x, f] = read.map(|ty| TensorType { dtype: multiplied, ..ty });
        let after = Parameters::of(&after, true).behind(&[(inputs[0], x), (inputs[1], f)]);
        let results: usize = fused.output.shape[..3].iter().product();
        if after.extents() != [results, outputs] || i32::try_from(results).is_err() {
            return Err("what follows does not read tensors by rows of results".to_owned());
        }
        let (positions, multiprocessors) = (window.positions() as usize, multiprocessors(&given.device));
        let (own, parameters) = (fused.clone(), after.clone());
        let steps = positions * channels.div_ceil(32);
        let three = is_split.then(|| three::Schedule::of([results, outputs, steps], multiprocessors));
        let parts = three.map_or(1, |s| s.parts);
        let bound = move |signature: &mut Signature| {
            let dims = ["results", "k"].map(|name| signature.dim(name));
            let views = parameters.declare(signature, &dims);
            let stored = match parts {
                1 => {
                    let y = signature.param("y", own.output.dtype, &dims, Access::Out);
                    stored(&own, Scalar::F32, (y, &[0, 1]), (&parameters, &views))
                }
                _ => {
                    let [results, k] = dims;
                    Ok(signature.param("y", Scalar::F32, &[IndexExpr::Const(parts.into()), results, k], Access::Out))
                }
            };
            match stored {
                Ok(y) => vec![views[0].into(), views[1].into(), y.into()],
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = match three {
            Some(s) if s.parts > 1 => Ok(three::conv_three_parts(window, s).bind(&fused.name, bound)),
            Some(s) => Ok(three::conv_three(window, s).bind(&fused.name, bound)),
            None => {
                let s = Schedule::of([results, outputs, positions * channels.div_ceil(64)], multiprocessors);
                dispatch!(dtype; T in [f16, bf16] => conv_wgmma::<T>(window, s).bind(&fused.name, bound))
            }
        };
        let kernel = KernelPlan::new(template.map_err(|error| error.to_string())?, after);
        let sources = plan.sources(fused.inputs.len());
        if parts == 1 {
            plan.kernel(kernel.with_result(&[results, outputs]), sources, fused.output.clone());
            return Ok(plan);
        }
        let parts = parts as usize;
        let partial = TensorType::new(Scalar::F32, &[&[parts], fused.output.shape.as_slice()].concat());
        plan.kernel(kernel.with_result(&[parts, results, outputs]), sources, partial.clone());
        let sums = std::iter::once(plan.last()).chain((0..fused.inputs.len()).map(Source::Input)).collect();
        plan.fused(added(fused, partial), sums);
        Ok(plan)
    }
}

/// Returns the tasks that copy images and weights into ones whose channels are multiples of `unit`.
fn with_channels(fused: &FusedTask, inputs: [usize; 2], unit: usize) -> [FusedTask; 2] {
    inputs.map(|input| {
        let ty = &fused.inputs[input];
        let [n, h, w, channels] = [0, 1, 2, 3].map(|axis| ty.shape[axis]);
        // Behind the last channel, the index is outside: 0 is read.
        let index = [0, 1, 2].map(ScalarExpr::axis).into_iter().chain([ScalarExpr::axis(3) + 0i64]).collect();
        let (name, shape) = (format!("copy_for_{}", fused.name), [n, h, w, channels.next_multiple_of(unit)]);
        let value = ScalarExpr::read(0, ty.dtype, index);
        FusedTask::each(name, vec![ty.clone()], TensorType::new(ty.dtype, &shape), value)
    })
}
