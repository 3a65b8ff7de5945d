//! Convolutions of images of 16-bit floats with few channels, such as colours, on the tensor cores of sm_90: threads copy the
//! pixels below a tile of results into shared memory, and gather rows of the left operand from there into registers.
//!
//! What the images are made of is computed on the way. On other architectures that is a kernel of its own.

use super::product::multiprocessors;
use crate::error::TensorType;
use crate::expr::emit::emit;
use crate::expr::{ExprNode, Precision, ScalarExpr, axes_of};
use crate::fuse::{FewChannels, FusedTask};
use crate::schedule::{Given, Implementation, KernelPlan, Parameters, Plan, Source, stored};
use hidet::blocks::{ImagePatch, PatchShape, Pipeline, StagedInput, TiledOutput, issue_left};
use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Signature, Template};
use hidet::ir::Access;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Convolutions of images with few channels by wgmma.
pub(super) struct ConvPatch;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    shape: PatchShape,
    planar: bool,
    /// Images, and rows and columns of results.
    results: [i32; 3],
    /// Output channels, and those of a block.
    channels: i32,
    cols: i32,
    /// Warp groups per block.
    groups: i32,
    /// Blocks for each part of the channels.
    blocks: i32,
}

/// Columns of a part of the weights in shared memory.
const SLAB: i32 = 64;

impl Schedule {
    fn of(shape: PatchShape, planar: bool, results: [i32; 3], channels: i32, multiprocessors: usize) -> Schedule {
        let cols = if channels <= SLAB { SLAB } else { 2 * SLAB };
        let parts = (channels + cols - 1) / cols;
        let own = |groups: i32, blocks: i32| Schedule { shape, planar, results, channels, cols, groups, blocks };
        let groups = if own(2, 0).tiles() * parts >= multiprocessors as i32 { 2 } else { 1 };
        let at_once = multiprocessors as i32 * own(groups, 0).resident() / parts;
        own(groups, own(groups, 0).tiles().min(at_once.max(1)))
    }

    /// Returns the tiles of rows and of columns of an image.
    fn tiles_of_image(self) -> [i32; 2] {
        let ([_, rows, cols], tile) = (self.results, self.shape.tile(self.groups));
        [(rows + tile[0] - 1) / tile[0], (cols + tile[1] - 1) / tile[1]]
    }

    fn tiles(self) -> i32 {
        self.results[0] * self.tiles_of_image().iter().product::<i32>()
    }

    /// Returns how many blocks a multiprocessor has at a time: of 256 threads, three have 80 registers per thread.
    fn resident(self) -> i32 {
        if self.cols == SLAB { 4 / self.groups } else { 2 / self.groups }
    }

    /// Returns the image, and the row and the column of the first result of a tile.
    #[device]
    fn place(self, tile: Expr<i32>) -> [Expr<i32>; 3] {
        let ([rows, cols], extents) = (self.tiles_of_image(), self.shape.tile(self.groups));
        [tile / (rows * cols), tile / cols % rows * extents[0], tile % cols * extents[1]]
    }
}

/// Computes the tiles of a block. `element` returns an element of the images, by its image, the row and the column at which
/// windows cover it, counted from the first row of the first window, and its channel.
#[device]
fn compute<T: Element>(s: Schedule, element: impl Fn([Expr<i32>; 4]) -> Expr<T>, weights: In<T, 2>, y: Out<f32, 4>) {
    let weights = StagedInput::new(weights, 1, [s.cols, (s.shape.depth() + SLAB - 1) / SLAB * SLAB]);
    let patch = ImagePatch::<T>::new(s.shape, s.groups, s.planar);
    let [rows, cols] = s.shape.tile(1);
    let y = TiledOutput::<f32, T, 4>::of_boxes(y, s.groups, s.cols, [1, rows, cols, SLAB]);
    let pipeline = Pipeline::new(1, s.groups, 1);
    let channel = block_idx().y * s.cols;
    if thread_id() == 0 {
        weights.fill(&pipeline.start(), (channel, 0));
    }
    let load = |tile: Expr<i32>| {
        let [image, row, col] = s.place(tile);
        let [down, across] = s.shape.stride;
        patch.load(|[r, c, channel]| element([image, row * down + r, col * across + c, channel]));
    };
    let at = pipeline.start();
    load(block_idx().x);
    let sums = registers::<f32>([s.cols / 2]);
    for tile in (block_idx().x..s.tiles()).step_by(s.blocks) {
        // The pixels of the tile before have been read.
        sync_threads();
        patch.store();
        sync_threads();
        // Those of the next tile are on their way while this one is computed.
        load(tile + s.blocks);
        y.read_rows_ahead(channel);
        at.wait();
        let left = patch.left(weights.as_copied());
        sums.fill(0.0);
        issue_left(sums, left, (weights.as_copied(), &at));
        wgmma_wait(0);
        let ([image, row, col], group) = (s.place(tile), warp_id() / 4);
        y.store_box(sums, group, (image, row + group * rows, col, channel));
    }
    y.finish();
}

/// A convolution with what it reads.
struct Work {
    of: FewChannels,
    /// The elements of the images, of coordinates image, row, column, counted from the first row of the first window, and
    /// channel; and the inputs that they are made of, each once.
    images: ScalarExpr,
    inputs: Vec<usize>,
    /// The input that is the weights.
    weights: usize,
}

impl Work {
    fn of(fused: &FusedTask) -> Result<Work, String> {
        let [sum] = fused.reductions.as_slice() else { return Err("it is not one sum".to_owned()) };
        let none = || "it is not a convolution of images of 16-bit floats with few channels last".to_owned();
        if sum.plain_product() != Some(Precision::F32) || sum.term().dtype() != Scalar::F32 {
            return Err(none());
        }
        let of = FewChannels::of(&fused.output, &fused.extents, &sum.operands).ok_or_else(none)?;
        let [row, col, channel] = of.along;
        let zero = ScalarExpr::constant(Scalar::I32, 0.0);
        let mut all = vec![zero; fused.extents.len()];
        all[0] = ScalarExpr::axis(0);
        // A row of the image is named by that of the kernel, for the first result; without one, by the result's.
        let scaled = |axis: usize, stride: i32| match stride {
            1 => Ok(ScalarExpr::axis(axis)),
            _ => Err("the kernel has one row, and its windows are apart".to_owned()),
        };
        match row {
            Some(row) => all[row] = ScalarExpr::axis(1),
            None => all[1] = scaled(1, of.shape.stride[0])?,
        }
        match col {
            Some(col) => all[col] = ScalarExpr::axis(2),
            None => all[2] = scaled(2, of.shape.stride[1])?,
        }
        if let Some(channel) = channel {
            all[channel] = ScalarExpr::axis(3);
        }
        let images = sum.operands[of.images].at(&all);
        let number = |read: &ScalarExpr| match read.node() {
            ExprNode::Read { input, .. } => Some(*input),
            _ => None,
        };
        let mut inputs: Vec<usize> = images.reads().into_iter().filter_map(number).collect();
        inputs.sort_unstable();
        inputs.dedup();
        let weights = number(&sum.operands[1 - of.images]).ok_or_else(none)?;
        let elsewhere = fused.value.reads().into_iter().filter_map(number);
        if inputs.is_empty() || elsewhere.chain(inputs.iter().copied()).any(|input| input == weights) {
            return Err("its weights are read elsewhere too".to_owned());
        }
        Ok(Work { of, images, inputs, weights })
    }

    /// Returns the extents of the images with what windows cover around them.
    fn covered(&self, fused: &FusedTask) -> [usize; 4] {
        let (PatchShape { kernel, stride, channels }, shape) = (self.of.shape, &fused.output.shape);
        let along = |axis: usize| (shape[axis + 1] - 1) * stride[axis] as usize + kernel[axis] as usize;
        [shape[0], along(0), along(1), channels as usize]
    }

    /// Returns the task that puts weights in the order in which a [`PatchShape`] numbers elements along k.
    fn ordered_weights(&self, fused: &FusedTask) -> FusedTask {
        let (ty, shape) = (&fused.inputs[self.weights], self.of.shape);
        let (k, zero) = (ScalarExpr::axis(1), ScalarExpr::constant(Scalar::I32, 0.0));
        let [row, within] = [&k / shape.row() as usize, &k % shape.row() as usize];
        let [col, channel] = [&within / shape.pixel() as usize, &within % shape.pixel() as usize];
        let inside = col.lt(shape.kernel[1] as usize) & channel.lt(shape.channels as usize);
        let along = [row, col, channel];
        let at = |axis: &Option<usize>| match axis {
            Some(3) => ScalarExpr::axis(0),
            Some(axis) => {
                let own = self.of.along.iter().position(|own| own == &Some(*axis));
                own.map_or_else(|| zero.clone(), |own| along[own].clone())
            }
            None => zero.clone(),
        };
        let value = ScalarExpr::read(0, ty.dtype, self.of.weights.iter().map(at).collect());
        let value = inside.select(&value, &value.same(0.0));
        let output = TensorType::new(ty.dtype, &[fused.output.shape[3], shape.depth() as usize]);
        FusedTask::each(format!("weights_for_{}", fused.name), vec![ty.clone()], output, value)
    }

    /// Returns an element of the images in a kernel; `views` are those of the inputs.
    fn element<T: Element>(&self, views: &[AnyView]) -> impl Fn([Expr<i32>; 4]) -> Expr<T> {
        move |at| {
            let value = emit(&self.images, &mut |leaf, index| match leaf.node() {
                ExprNode::Axis(axis) => at[*axis].into(),
                ExprNode::Read { input, index: own } => {
                    let zero = || 0i32.into_expr();
                    let index: Vec<Expr<i32>> = match axes_of(own) {
                        Some(axes) => axes.into_iter().map(|axis| axis.map_or_else(zero, |axis| at[axis])).collect(),
                        None => index.iter().map(|index| index.typed::<i32>()).collect(),
                    };
                    let view = self.inputs.iter().position(|known| known == input).map(|known| views[known]);
                    view.map_or_else(|| AnyExpr::lit(leaf.dtype(), 0), |view| view.get(&index))
                }
                _ => AnyExpr::lit(leaf.dtype(), 0),
            });
            value.typed::<T>()
        }
    }

    /// Returns the convolution of images that another kernel computes, if they are computed at all.
    fn apart(self, fused: &FusedTask, why: &str) -> Result<Plan, String> {
        let own = &fused.reductions[0].operands[self.of.images];
        if matches!(own.node(), ExprNode::Read { .. }) {
            return Err(why.to_owned());
        }
        let first = self.inputs[0];
        let reads_first = |expr: &ScalarExpr| {
            expr.reads().into_iter().any(|read| matches!(read.node(), ExprNode::Read { input, .. } if *input == first))
        };
        if reads_first(&fused.value) {
            return Err("what its images are made of is read elsewhere too".to_owned());
        }
        let covered = TensorType::new(own.dtype(), &self.covered(fused));
        let renumbered = self.images.substitute(&mut |expr| match expr.node() {
            ExprNode::Read { input, index } => {
                let at = self.inputs.iter().position(|known| known == input)?;
                Some(ScalarExpr::read(at, expr.dtype(), index.clone()))
            }
            _ => None,
        });
        let types = self.inputs.iter().map(|input| fused.inputs[*input].clone()).collect();
        let images = FusedTask::each(format!("images_for_{}", fused.name), types, covered.clone(), renumbered);
        let mut plan = Plan::default();
        plan.fused(images, self.inputs.iter().copied().map(Source::Input).collect());
        let ([row, col, channel], stride) = (self.of.along, self.of.shape.stride);
        let zero = || ScalarExpr::constant(Scalar::I32, 0.0);
        let along = |result: usize, kernel: Option<usize>| {
            let at = ScalarExpr::axis(result) * stride[result - 1] as usize;
            kernel.map_or_else(|| at.clone(), |kernel| &at + ScalarExpr::axis(kernel))
        };
        let index =
            vec![ScalarExpr::axis(0), along(1, row), along(2, col), channel.map_or_else(zero, ScalarExpr::axis)];
        let mut rest = fused.clone();
        rest.inputs[first] = covered.clone();
        rest.reductions[0].operands[self.of.images] = ScalarExpr::read(first, covered.dtype, index);
        let source = |input: usize| if input == first { plan.last() } else { Source::Input(input) };
        let sources = (0..fused.inputs.len()).map(source).collect();
        plan.fused(rest, sources);
        Ok(plan)
    }
}

impl Implementation for ConvPatch {
    fn name(&self) -> &'static str {
        "conv_patch"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let work = Work::of(fused)?;
        if given.arch != 90 {
            return work.apart(fused, "wgmma is an instruction of sm_90a");
        }
        if !fused.output.shape[3].is_multiple_of(8) || given.align < 16 || !given.contiguous {
            return work.apart(fused, "channels of the result are not multiples of 16 bytes in memory");
        }
        let dtype = fused.output.dtype;
        let mut after = fused.clone();
        after.reductions[0].operands.clear();
        after.extents.truncate(4);
        after.over.clear();
        let after = Parameters::of(&after, false);
        after.all_at_coordinates()?;
        let weights = work.ordered_weights(fused);
        let whole = work.inputs.iter().map(|input| (*input, fused.inputs[*input].clone()));
        let whole: Vec<_> = whole.chain([(work.weights, weights.output.clone())]).collect();
        let after = after.behind(&whole);
        let number = |extent: usize| i32::try_from(extent).map_err(|_| "an extent has more than 31 bits".to_owned());
        let [n, p, q, channels] = [0, 1, 2, 3].map(|axis| number(fused.output.shape[axis]));
        let (results, multiprocessors) = ([n?, p?, q?], multiprocessors(&given.device));
        number(fused.output.len())?;
        let s = Schedule::of(work.of.shape, work.of.planar, results, channels?, multiprocessors);
        let mut plan = Plan::default();
        let extents = fused.inputs[work.weights].shape.clone();
        plan.copy(weights, work.weights, extents);
        let (own, parameters) = (fused.clone(), after.clone());
        let template = Template::new(&fused.name, move |signature: &mut Signature| {
            let dims = parameters.dims(signature);
            let views = parameters.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let parts = i64::from((s.channels + s.cols - 1) / s.cols);
            let grid = [i64::from(s.blocks), parts, 1].map(Into::into);
            signature.launch(grid, [i64::from(s.groups) * 128, 1, 1], [1, 1, 1], i64::from(s.resident()));
            let made = stored(&own, Scalar::F32, (y, &[0, 1, 2, 3]), (&parameters, &views)).and_then(|y| {
                let weights = views[work.inputs.len()];
                dispatch!(dtype; T in [f16, bf16] => compute::<T>(s, work.element(&views), weights.typed(), y.typed()))
                    .map_err(|error| error.to_string())
            });
            if let Err(why) = made {
                refuse(&why);
            }
        });
        let sources = plan.sources(fused.inputs.len());
        plan.kernel(KernelPlan::new(template, after), sources, fused.output.clone());
        Ok(plan)
    }
}
