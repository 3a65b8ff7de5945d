//! Attention of 16-bit floats on the tensor cores of sm_90: a chain of a product, a softmax of its rows and a product of that
//! with the values, as one kernel that keeps scores in registers (Dao, "FlashAttention-2", 2023).
//!
//! Queries that share their keys, such as heads of a group, are rows of one block. Scores may be scaled, masked by a tensor, and
//! hidden behind a diagonal; heads have at most 128 features. Operands may be parts of tensors, and the result may have its
//! axes in another order. Any other chain runs kernel by kernel ([`links`]).

mod chain;

pub(super) use chain::links;

use super::product::multiprocessors;
use crate::expr::ExprNode;
use crate::fuse::FusedTask;
use crate::schedule::{
    Given, Implementation, KernelPlan, Parameters, Plan, Source, Space, stored, unflattened, viewed,
};
use chain::{Chain, Score};
use hidet::blocks::{OnlineSoftmax, Pipeline, StagedInput, TiledOutput, Visible, attend, scale_rows};
use hidet::dispatch;
use hidet::dsl::{AnyView, IntoExpr, Signature};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Attention by wgmma.
pub(super) struct AttentionWgmma;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// The extents of the axes in front of the matrices.
    front: [i32; FRONT],
    /// For queries, keys and values, 1 for each of those axes along which they differ, and 0 for the others.
    along: [[i32; FRONT]; 3],
    /// Warp groups that multiply, each 64 queries.
    groups: i32,
    /// Tiles of keys and of values that are in flight at the same time.
    stages: i32,
    /// Features of keys and of values, as many as tiles have: 64 or 128.
    features: [i32; 2],
    /// Query `i` sees the keys up to `i` plus this number, if there is one.
    ahead: Option<i32>,
    /// What scores are multiplied by.
    scale: f32,
    /// True if something is added to them then.
    masked: bool,
}

/// Axes in front of the matrices: as many as a tensor map can have.
const FRONT: usize = 3;

/// Keys of a tile.
const KEYS: i32 = 128;

kernel! {
    /// o = softmax(scale * q * transposed k) * v, of a matrix of queries per block along y.
    #[launch(
        grid = (rows.div_ceil(s.groups * 64), s.front.iter().product::<i32>() as u32),
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1
    )]
    fn attention_wgmma<T: Float>(
        #[meta] s: Schedule,
        q: In<T, [_q0, _q1, _q2, rows, d]>,
        k: In<T, [_k0, _k1, _k2, keys, d]>,
        v: In<T, [_v0, _v1, _v2, keys, e]>,
        #[when(s.masked)] mask: Option<In<f32, [_0, _1, _2, rows, keys]>>,
        o: Out<f32, [_0, _1, _2, rows, e]>,
    ) {
        let size = s.groups * 64;
        let q = StagedInput::new(q, 1, [size, s.features[0]]);
        let k = StagedInput::new(k, s.stages, [KEYS, s.features[0]]);
        let v = StagedInput::new(v, s.stages, [KEYS, s.features[1]]);
        let o = TiledOutput::<f32, T, 5>::of_boxes(o, s.groups, s.features[1], [1, 1, 1, 64, 64]);
        let matrix = unflattened(block_idx().y, &s.front.map(i32::into_expr));
        let place = |axes: [i32; FRONT], row: Expr<i32>| {
            let [a, b, c] = [0, 1, 2].map(|axis| matrix[axis] * axes[axis]);
            [a, b, c, row, 0.into_expr()]
        };
        let first = block_idx().x * size;
        let causal = s.ahead.map(|ahead| (first + ahead, size));
        let parts = if s.ahead.is_some_and(|ahead| ahead % size != 0) { 2 } else { 1 };
        let visible = Visible::of_rows(keys, causal, KEYS, parts);
        let visible = match mask {
            Some(mask) => {
                let own = mask.slice(matrix[0]).slice(matrix[1]).slice(matrix[2]);
                visible.with_bias(own, first, s.scale.into_expr())
            }
            None => visible,
        };
        let [q_at, k_at, v_at] = [1, s.stages, s.stages].map(|stages| Pipeline::new(stages, s.groups, 1).start());
        #[warp_group(0)]
        {
            if s.groups == 2 {
                set_max_registers(24);
            }
            if thread_id() == 0 {
                q.fill(&q_at, place(s.along[0], first));
                for tile in 0..visible.tiles() {
                    k.fill(&k_at, place(s.along[1], visible.first(tile)));
                    v.fill(&v_at, place(s.along[2], visible.first(tile)));
                }
            }
        }
        #[warp_group(1..s.groups + 1)]
        {
            if s.groups == 2 {
                set_max_registers(240);
            }
            let (group, sums) = (warp_id() / 4 - 1, registers::<f32>([s.features[1] / 2]));
            let softmax = if s.masked { OnlineSoftmax::of_biased() } else { OnlineSoftmax::new(s.scale.into_expr()) };
            sums.fill(0.0);
            attend((sums, &softmax), (&q, &q_at, group * 64), (&k, &k_at), (&v, &v_at), visible);
            scale_rows(sums, s.features[1] / 2, softmax.finish());
            o.store_box(sums, group, place([1; FRONT], first + group * 64));
            o.finish();
        }
    }
}

impl Schedule {
    /// Returns the schedule for matrices of so many queries, or nothing if a tile of keys does not fit.
    fn of(
        (front, along): ([i32; FRONT], [[i32; FRONT]; 3]),
        rows: usize,
        features: [usize; 2],
        chain: &Chain,
        multiprocessors: usize,
    ) -> Option<Schedule> {
        let features = features.map(|features| if features <= 64 { 64 } else { 128 });
        // Small blocks if all of them run at the same time.
        let small = front.iter().product::<i32>() as usize * rows.div_ceil(64);
        let groups = if rows <= 64 || small <= multiprocessors { 1 } else { 2 };
        let stored = TiledOutput::<f32, f16, 5>::bytes(groups, features[1]);
        let left = 227 * 1024 - 1024 - groups * 64 * features[0] * 2 - stored;
        let stages = (left / (KEYS * (features[0] + features[1]) * 2)).min(4);
        let (Score { ahead, scale, .. }, masked) = (&chain.score, chain.mask.is_some());
        let (ahead, scale) = (*ahead, *scale);
        (stages >= 2).then_some(Schedule { front, along, groups, stages, features, ahead, scale, masked })
    }
}

/// Returns a tensor, whose axes are these coordinates of a kernel, with a fixed number of axes: those in front of the matrices, of
/// which missing ones have one element, and those of the matrices.
fn spread(view: AnyView, own: &[usize], front: usize) -> AnyView {
    let (shape, first) = (view.shape(), FRONT - front);
    let axis_of = |coordinate: usize| own.iter().position(|known| *known == coordinate);
    let extent =
        |at: usize| at.checked_sub(first).and_then(axis_of).map_or(IndexExpr::Const(1), |at| shape[at].clone());
    let matrices = own.iter().zip(&shape).filter(|(axis, _)| **axis >= front).map(|(_, extent)| extent.clone());
    let extents: Vec<IndexExpr> = (0..FRONT).map(extent).chain(matrices).collect();
    // The axes of matrices are the last ones of all.
    let places: Vec<usize> = own
        .iter()
        .enumerate()
        .map(|(at, coordinate)| match *coordinate < front {
            true => first + coordinate,
            false => FRONT + 2 - own[at..].iter().filter(|own| **own >= front).count(),
        })
        .collect();
    view.remap(&extents, 8, move |index| places.iter().map(|place| index[*place]).collect())
}

impl Implementation for AttentionWgmma {
    fn name(&self) -> &'static str {
        "attention_wgmma"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let chain = Chain::of(fused)?;
        let whole = &chain.whole;
        if given.arch != 90 {
            return Err("wgmma is an instruction of sm_90a".to_owned());
        }
        let [q, k, v, ..] = whole.reductions[0].operands.as_slice() else {
            return Err("it has no operands".to_owned());
        };
        let dtype = q.dtype();
        if ![Scalar::F16, Scalar::BF16].contains(&dtype) || [k.dtype(), v.dtype(), whole.output.dtype] != [dtype; 3] {
            return Err("queries, keys, values and result are not all f16 or all bf16".to_owned());
        }
        // Axes in another order, and those of parts, are not put together.
        let parameters = match Parameters::of(whole, given.contiguous) {
            all if chain.order.is_sorted() && all.all_at_coordinates().is_ok() => all,
            _ => Parameters::of_parts(whole),
        };
        parameters.all_at_coordinates()?;
        let (extents, rank) = (parameters.extents().to_vec(), parameters.rank());
        let (true, [front @ .., rows, e, keys, d]) = (extents.len() == rank + 2, extents.as_slice()) else {
            return Err("queries or keys are one axis with another".to_owned());
        };
        let (front, [rows, e, keys, d]) = (front.to_vec(), [*rows, *e, *keys, *d]);
        if front.len() > FRONT || front.iter().product::<usize>() > 65535 {
            return Err("there are too many matrices, or they are numbered by more than 3 axes".to_owned());
        }
        if d.max(e) > 128 || d % 8 != 0 || e % 8 != 0 || keys == 0 || !given.contiguous || given.align < 16 {
            return Err("features are more than 128, or not multiples of 16 bytes in memory".to_owned());
        }
        let (row, col, key, feature) = (rank - 2, rank - 1, rank, rank + 1);
        let mut matrices = Vec::new();
        for (operand, last) in [(q, [row, feature]), (k, [key, feature]), (v, [key, col])] {
            let ExprNode::Read { input, index } = operand.node() else {
                return Err("an operand is computed".to_owned());
            };
            let position = parameters.position(*input, index).ok_or("an operand is not a parameter")?;
            let own = parameters.axes(position).ok_or("an operand is read at computed coordinates")?;
            if !parameters.begins_aligned(position, &whole.inputs[*input], 16) {
                return Err("a part does not begin at a multiple of 16 bytes".to_owned());
            }
            let kept: Vec<usize> = own.iter().copied().filter(|axis| *axis >= front.len()).collect();
            if kept != last || own.last() != last.last() {
                return Err("an operand is not a matrix with its features next to each other".to_owned());
            }
            matrices.push((position, own));
        }
        let first = FRONT - front.len();
        let extent = |axis: usize| axis.checked_sub(first).map_or(1, |axis| front[axis] as i32);
        let differs = |axes: &[usize], axis: usize| axis.checked_sub(first).is_some_and(|axis| axes.contains(&axis));
        let along = [0, 1, 2].map(|number| {
            let axes: &[usize] = &matrices[number].1;
            std::array::from_fn(|axis| i32::from(differs(axes, axis)))
        });
        let s =
            Schedule::of((std::array::from_fn(extent), along), rows, [d, e], &chain, multiprocessors(&given.device))
                .ok_or("its tiles do not fit")?;
        // The axes of the result in memory: coordinates that are one are next to each other there.
        let order: Vec<usize> = if chain.order.is_sorted() { (0..rank).collect() } else { chain.order.clone() };
        let result: Vec<usize> = order.iter().map(|axis| extents[*axis]).collect();
        let (own, all, front) = (whole.clone(), parameters.clone(), front.len());
        let mask = chain.mask.map(|number| whole.reductions[0].operands[number].clone());
        let bound = move |signature: &mut Signature| {
            let dim = |(axis, extent): (usize, &usize)| match axis < front {
                true => IndexExpr::Const(*extent as i64),
                false => signature.dim(["rows", "e", "keys", "d"][axis - front]),
            };
            let dims: Vec<IndexExpr> = all.extents().iter().enumerate().map(dim).collect();
            let views = all.declare(signature, &dims);
            let of_memory: Vec<IndexExpr> = order.iter().map(|axis| dims[*axis].clone()).collect();
            let o = spread(signature.param("y", own.output.dtype, &of_memory, Access::Out), &order, front);
            // Missing axes are those of no coordinate.
            let of_output: Vec<usize> = (0..FRONT - front).map(|_| usize::MAX).chain(0..rank).collect();
            let mask = mask.as_ref().map(|mask| -> Result<AnyView, String> {
                let axes: Vec<usize> = (0..front).chain([row, key]).collect();
                let mask = viewed(mask, &all, &views, &Space { axes: &axes, dims: &dims })?;
                Ok(spread(mask, &axes, front))
            });
            let o = stored(&own, Scalar::F32, (o, &of_output), (&all, &views));
            match mask.transpose().and_then(|mask| Ok((mask, o?))) {
                Ok((mask, o)) => {
                    let inputs = matrices.iter().map(|(position, axes)| spread(views[*position], axes, front));
                    inputs.chain(mask).chain([o]).map(Into::into).collect()
                }
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = dispatch!(dtype; T in [f16, bf16] => attention_wgmma::<T>(s).bind(&fused.name, bound));
        let kernel = KernelPlan::new(template.map_err(|error| error.to_string())?, parameters);
        let mut plan = Plan::default();
        let inputs = (0..whole.inputs.len()).map(Source::Input).collect();
        plan.kernel(kernel.with_result(&result), inputs, fused.output.clone());
        Ok(plan)
    }
}
