//! Attention of 16-bit floats on the tensor cores of sm_90: a chain of a product, a softmax of its rows and a product of that
//! with the values, as one kernel that keeps scores in registers (Dao, "FlashAttention-2", 2023).
//!
//! Queries that share their keys, such as heads of a group, are rows of one block. Scores may be scaled, and hidden behind a
//! diagonal; heads have at most 128 features. Any other chain runs kernel by kernel.

use crate::expr::{Element64, ExprNode, ScalarExpr, axes_of};
use crate::fuse::{FusedTask, Reduction};
use crate::schedule::{Given, Implementation, KernelPlan, Parameters, Plan, stored, unflattened};
use crate::task::ReduceOp;
use hidet::blocks::{OnlineSoftmax, Pipeline, StagedInput, TiledOutput, Visible, attend, scale_rows};
use hidet::dispatch;
use hidet::dsl::{AnyView, IntoExpr, Signature};
use hidet::ir::{Access, BinaryOp, CompareOp, UnaryOp};
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
            let softmax = OnlineSoftmax::new(s.scale.into_expr());
            sums.fill(0.0);
            attend((sums, &softmax), (&q, &q_at, group * 64), (&k, &k_at), (&v, &v_at), visible);
            scale_rows(sums, s.features[1] / 2, softmax.finish());
            o.store_box(sums, group, place([1; FRONT], first + group * 64));
            o.finish();
        }
    }
}

/// Attention, found by its structure. Coordinates are those of the result, keys, and features of keys.
struct Chain {
    /// The result, of queries, keys and values as the operands of its reduction.
    whole: FusedTask,
    scale: f32,
    ahead: Option<i32>,
}

impl Chain {
    /// Returns a chain as attention, or an error if it is not.
    fn of(fused: &FusedTask) -> Result<Chain, String> {
        let [scores, shares] = fused.producers.as_slice() else { return Err("it is not a chain".to_owned()) };
        let rank = fused.output.rank();
        let (product, values) = match (scores.fused.reductions.as_slice(), fused.reductions.as_slice()) {
            ([product], [values]) if rank >= 2 && product.task.output.rank() == rank => (product, values),
            _ => return Err("scores and result are not products of matrices".to_owned()),
        };
        let is_plain =
            |expr: &ScalarExpr, input: usize| matches!(expr.node(), ExprNode::Read { input: own, .. } if *own == input);
        if !is_plain(&scores.fused.value, scores.fused.result_of(0)) {
            return Err("scores are computed with further operators before they are compared".to_owned());
        }
        // Operands of scores have coordinates [.., row, key], and features; those of values [.., row, col], and keys.
        let (row, col, key, feature) = (rank - 2, rank - 1, rank, rank + 1);
        let of_scores: Vec<usize> = (0..col).chain([key, feature]).collect();
        let [q, k] = operands(product, &scores.inputs, &of_scores)?;
        let all: Vec<usize> = (0..fused.inputs.len()).collect();
        let [weights, v] = operands(values, &all, &(0..=key).collect::<Vec<usize>>())?;
        // Powers are rounded to the type of the values, whatever the type of the softmax.
        let weights = weights.unconverted();
        let of_weights = match weights.node() {
            ExprNode::Read { input, index } if *input == fused.given() + 1 => axes_of(index),
            _ => None,
        };
        // The matrices of the softmax are those of the result, in the same order.
        let is_own = |(axis, own): (usize, &Option<usize>)| match axis {
            axis if axis == col => *own == Some(key),
            _ => *own == Some(axis) || own.is_none() && axis < row && fused.output.shape[axis] == 1,
        };
        if !of_weights.is_some_and(|axes| axes.len() == rank && axes.iter().enumerate().all(is_own)) {
            return Err("the softmax is not the left operand, or its matrices are in another order".to_owned());
        }
        let score = score_of(&shares.fused)?;
        let position = shares.inputs.iter().position(|input| *input == fused.given());
        let position = position.ok_or("the softmax is not that of the scores")?;
        let (scale, ahead) = scaled(&score, position, &shares.fused.output.shape)?;
        let mut whole = FusedTask { producers: Vec::new(), ..fused.clone() };
        whole.inputs.truncate(fused.given());
        whole.value = fused.value.substitute(&mut |expr| match expr.node() {
            ExprNode::Read { input, index } if *input >= fused.inputs.len() => {
                Some(ScalarExpr::read(input - fused.producers.len(), expr.dtype(), index.clone()))
            }
            _ => None,
        });
        let [keys, features] =
            [&shares.fused.output.shape, &scores.fused.extents].map(|extents| extents[extents.len() - 1]);
        whole.extents = fused.output.shape.iter().copied().chain([keys, features]).collect();
        whole.over = vec![key, feature];
        let operands = vec![q, k, v];
        // Rows of queries are those of one matrix if they are numbered.
        let numbered = ahead.map(|_| ScalarExpr::axis(row).le(ScalarExpr::axis(key)));
        whole.reductions[0].operands = operands.into_iter().chain(numbered).collect();
        Ok(Chain { whole, scale, ahead })
    }
}

/// Returns both operands of a product with its inputs and coordinates replaced by those of a chain.
fn operands(product: &Reduction, inputs: &[usize], axes: &[usize]) -> Result<[ScalarExpr; 2], String> {
    let axes: Vec<ScalarExpr> = axes.iter().map(|axis| ScalarExpr::axis(*axis)).collect();
    let own = |operand: &ScalarExpr| {
        operand.at(&axes).substitute(&mut |expr| match expr.node() {
            ExprNode::Read { input, index } => {
                Some(ScalarExpr::read(*inputs.get(*input)?, expr.dtype(), index.clone()))
            }
            _ => None,
        })
    };
    <[ScalarExpr; 2]>::try_from(product.operands.iter().map(own).collect::<Vec<_>>())
        .map_err(|_| "a product has two operands".to_owned())
}

/// Returns the score of which a task is the softmax, with or without an exception for rows without a number.
fn score_of(softmax: &FusedTask) -> Result<ScalarExpr, String> {
    let refused = || "it is not a softmax of rows".to_owned();
    let [top, total] = softmax.reductions.as_slice() else { return Err(refused()) };
    if top.op() != ReduceOp::Max || total.op() != ReduceOp::Sum || softmax.over != [softmax.output.rank() - 1] {
        return Err(refused());
    }
    let score = top.term();
    let result = |number: usize| ScalarExpr::read(softmax.result_of(number), score.dtype(), Vec::new());
    let power = (&score - result(0)).unary(UnaryOp::Exp);
    let masked = score.equals(f64::NEG_INFINITY).select(&power.same(0.0), &power);
    let divided = |power: &ScalarExpr| power / result(1);
    let forms =
        [(&power, divided(&power)), (&masked, result(1).equals(0.0).select(&power.same(0.0), &divided(&masked)))];
    let is_known = |(power, value): &(&ScalarExpr, ScalarExpr)| {
        total.term().is_same(power) && softmax.value.is_same(&value.cast(softmax.output.dtype))
    };
    if forms.iter().any(is_known) { Ok(score) } else { Err(refused()) }
}

/// Returns what scores, an input with this shape, are multiplied by, and if some are hidden, how many keys query 0 sees behind
/// the first one.
fn scaled(score: &ScalarExpr, input: usize, shape: &[usize]) -> Result<(f32, Option<i32>), String> {
    let number = |expr: &ScalarExpr| match expr.node() {
        ExprNode::Const(value) => Some(Element64::constant(*value).to_f64()),
        _ => None,
    };
    let refused = || "scores are masked or changed in a way that is not known".to_owned();
    let is_axis = |expr: &ScalarExpr, axis: usize| matches!(expr.node(), ExprNode::Axis(own) if *own == axis);
    let [.., row, key] = (0..shape.len()).collect::<Vec<_>>()[..] else { return Err(refused()) };
    match score.unconverted().node() {
        ExprNode::Read { input: own, index } if *own == input => {
            let is_own = |(axis, at): (usize, &Option<usize>)| *at == Some(axis) || at.is_none() && shape[axis] == 1;
            let axes = axes_of(index).ok_or_else(refused)?;
            if axes.iter().enumerate().all(is_own) { Ok((1.0, None)) } else { Err(refused()) }
        }
        ExprNode::Binary(op @ (BinaryOp::Mul | BinaryOp::Div), inner, by) => {
            let by = number(by).filter(|by| *by > 0.0).ok_or_else(refused)? as f32;
            let (scale, ahead) = scaled(inner, input, shape)?;
            let scale = if *op == BinaryOp::Mul { scale * by } else { scale / by };
            if ahead.is_some() || !scale.is_normal() { Err(refused()) } else { Ok((scale, None)) }
        }
        ExprNode::Select(visible, inner, hidden) if number(hidden) == Some(f64::NEG_INFINITY) => {
            let ExprNode::Compare(CompareOp::Le, a, b) = visible.node() else { return Err(refused()) };
            let ExprNode::Binary(BinaryOp::Add, own, ahead) = b.node() else { return Err(refused()) };
            let ahead = number(ahead).filter(|ahead| *ahead >= 0.0).ok_or_else(refused)? as i32;
            let (scale, inner) = scaled(inner, input, shape)?;
            let right = is_axis(a, key) && is_axis(own, row) && inner.is_none();
            if right { Ok((scale, Some(ahead))) } else { Err(refused()) }
        }
        _ => Err(refused()),
    }
}

impl Schedule {
    /// Returns the schedule for matrices of so many queries, or nothing if a tile of keys does not fit.
    fn of(
        (front, along): ([i32; FRONT], [[i32; FRONT]; 3]),
        rows: usize,
        features: [usize; 2],
        chain: &Chain,
    ) -> Option<Schedule> {
        let features = features.map(|features| if features <= 64 { 64 } else { 128 });
        let groups = if rows <= 64 { 1 } else { 2 };
        let stored = groups * 64 * 64 * 2 * (features[1] / 64 / groups).max(1);
        let left = 227 * 1024 - 2048 - groups * 64 * features[0] * 2 - stored;
        let stages = (left / (KEYS * (features[0] + features[1]) * 2)).min(4);
        let (ahead, scale) = (chain.ahead, chain.scale);
        (stages >= 2).then_some(Schedule { front, along, groups, stages, features, ahead, scale })
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
        let parameters = Parameters::of(whole, given.contiguous);
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
            Schedule::of((std::array::from_fn(extent), along), rows, [d, e], &chain).ok_or("its tiles do not fit")?;
        let (own, all, front) = (whole.clone(), parameters.clone(), front.len());
        let bound = move |signature: &mut Signature| {
            let dim = |(axis, extent): (usize, &usize)| match axis < front {
                true => IndexExpr::Const(*extent as i64),
                false => signature.dim(["rows", "e", "keys", "d"][axis - front]),
            };
            let dims: Vec<IndexExpr> = all.extents().iter().enumerate().map(dim).collect();
            let views = all.declare(signature, &dims);
            let o = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            // Missing axes are those of no coordinate.
            let of_output: Vec<usize> = (0..FRONT - front).map(|_| usize::MAX).chain(0..rank).collect();
            let o = spread(o, &of_output[FRONT - front..], front);
            match stored(&own, Scalar::F32, (o, &of_output), (&all, &views)) {
                Ok(o) => {
                    let inputs = matrices.iter().map(|(position, axes)| spread(views[*position], axes, front));
                    inputs.chain([o]).map(Into::into).collect()
                }
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = dispatch!(dtype; T in [f16, bf16] => attention_wgmma::<T>(s).bind(&fused.name, bound));
        let kernel = KernelPlan::new(template.map_err(|error| error.to_string())?, parameters);
        Ok(Plan::of(kernel, whole))
    }
}
