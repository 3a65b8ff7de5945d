//! [`Chain`]: attention, found by its structure in a chain of a product, a softmax and a product.

use crate::error::TensorType;
use crate::expr::{Element64, ExprNode, ScalarExpr, axes_of, part_of};
use crate::fuse::{FusedTask, Producer, Reduction};
use crate::schedule::{Given, Plan, Source};
use crate::task::ReduceOp;
use hidet::ir::{BinaryOp, CompareOp, UnaryOp};
use hidet::types::Scalar;

/// Attention, found by its structure. Coordinates are those of the result, keys, and features of keys.
pub(super) struct Chain {
    /// The result, of queries, keys and values as the operands of its reduction, with the mask behind them, if there is one.
    pub(super) whole: FusedTask,
    /// For each axis of the result in memory, the coordinate that it is.
    pub(super) order: Vec<usize>,
    pub(super) score: Score,
    /// The number of the mask among the operands.
    pub(super) mask: Option<usize>,
}

/// What a softmax is of: scores times a number, with something added, and hidden.
pub(super) struct Score {
    pub(super) scale: f32,
    /// How many keys query 0 sees behind the first one, if keys are hidden behind a diagonal.
    pub(super) ahead: Option<i32>,
    pub(super) mask: Option<ScalarExpr>,
}

/// Returns a chain whose coordinates of the result are those of its softmax, the last one aside, and for each axis of the
/// result the number of its coordinate: a chain may have put its axes in another order.
fn canonical(fused: &FusedTask) -> Result<(FusedTask, Vec<usize>), String> {
    let refused = || "the softmax is not the left operand of the result".to_owned();
    let rank = fused.output.rank();
    let [values] = fused.reductions.as_slice() else { return Err(refused()) };
    let weights = values.operands.first().ok_or_else(refused)?.unconverted();
    let axes = match weights.node() {
        ExprNode::Read { input, index } if *input + 1 == fused.inputs.len() => axes_of(index).ok_or_else(refused)?,
        _ => return Err(refused()),
    };
    if axes.len() != rank || rank < 2 {
        return Err(refused());
    }
    // Axes with one element are those that are left.
    let known: Vec<usize> = axes[..rank - 1].iter().flatten().copied().collect();
    let mut left = (0..rank - 1).filter(|axis| !known.contains(axis));
    let mut own = axes[..rank - 1].iter().map(|axis| axis.or_else(|| left.next())).collect::<Option<Vec<usize>>>();
    own.iter_mut().for_each(|own| own.push(rank - 1));
    let own = own.filter(|own| (0..rank).all(|axis| own.contains(&axis))).ok_or_else(refused)?;
    let order: Vec<usize> = (0..rank).filter_map(|axis| own.iter().position(|other| *other == axis)).collect();
    let mut task = fused.at(order.iter().copied().map(ScalarExpr::axis).collect());
    task.output.shape = own.iter().map(|axis| fused.output.shape[*axis]).collect();
    task.extents.splice(..rank, task.output.shape.iter().copied());
    Ok((task, order))
}

/// Returns the plan of a chain in which each task is planned by itself.
pub(in crate::templates) fn links(fused: &FusedTask, given: &Given) -> Plan {
    let mut plan = Plan::default();
    // Numbers of inputs behind the given ones are those of the results of producers, in order.
    let mut results = Vec::new();
    let source = |number: usize, results: &[usize]| match number.checked_sub(fused.given()) {
        Some(step) => Source::Step(results[step]),
        None => Source::Input(number),
    };
    for Producer { fused: own, inputs } in &fused.producers {
        let inputs = inputs.iter().map(|number| source(*number, &results)).collect();
        link(own, (own, &[]), inputs, given, &mut plan);
        results.push(plan.steps.len() - 1);
    }
    let all = (0..fused.inputs.len()).map(|number| source(number, &results)).collect();
    let own = FusedTask { producers: Vec::new(), ..fused.clone() };
    let (last, order) = canonical(&own).unwrap_or_else(|_| (own.clone(), Vec::new()));
    link(&own, (&last, &order), all, given, &mut plan);
    plan
}

/// Adds a task to a plan: as it is, if what computes it also computes it in the order of axes in which a template is sure to take
/// it, with whole tensors instead of parts. Else parts are copied before, and the result is put in order behind it.
fn link(
    fused: &FusedTask,
    (ordered, order): (&FusedTask, &[usize]),
    mut sources: Vec<Source>,
    given: &Given,
    plan: &mut Plan,
) {
    let (copies, whole) = with_copies(ordered);
    let name = |fused: &FusedTask| crate::templates::plan(fused, given).map(|(name, _)| name).ok();
    if copies.is_empty() && order.is_sorted() || name(fused) == name(&whole) {
        return plan.fused(fused.clone(), sources);
    }
    for (input, copy) in copies {
        plan.fused(copy, vec![sources[input].clone()]);
        sources.push(plan.last());
    }
    let made = whole.output.clone();
    plan.fused(whole, sources);
    if !order.is_sorted() {
        let index = (0..order.len()).filter_map(|axis| order.iter().position(|own| *own == axis)).map(ScalarExpr::axis);
        let value = ScalarExpr::read(0, made.dtype, index.collect());
        let task = FusedTask::each(format!("order_of_{}", fused.name), vec![made], fused.output.clone(), value);
        plan.fused(task, vec![plan.last()]);
    }
}

/// Returns the copies of parts of tensors that a task reads, each with the number of its input, and the task that reads these
/// copies, behind its inputs.
fn with_copies(fused: &FusedTask) -> (Vec<(usize, FusedTask)>, FusedTask) {
    let mut inputs = fused.inputs.clone();
    let (mut parts, mut copies): (Vec<(usize, Vec<Option<usize>>, Vec<usize>)>, Vec<_>) = (Vec::new(), Vec::new());
    for read in fused.exprs().flat_map(ScalarExpr::reads) {
        let ExprNode::Read { input, index } = read.node() else { continue };
        let Some(ty) = fused.inputs.get(*input).filter(|_| axes_of(index).is_none()) else { continue };
        let Some((axes, starts)) = part_of(index, &fused.extents, &ty.shape) else { continue };
        let kept: Vec<usize> = axes.iter().flatten().copied().collect();
        let place = |axis: usize| kept.iter().position(|own| *own == axis).unwrap_or(0);
        let at = |(axis, start): (&Option<usize>, &usize)| match axis {
            Some(axis) => ScalarExpr::axis(place(*axis)) + *start,
            None => ScalarExpr::constant(Scalar::I32, *start as f64),
        };
        let value = ScalarExpr::read(0, ty.dtype, axes.iter().zip(&starts).map(at).collect());
        let part = (*input, axes, starts);
        if parts.contains(&part) {
            continue;
        }
        let shape: Vec<usize> = kept.iter().map(|axis| fused.extents[*axis]).collect();
        let output = TensorType::new(ty.dtype, &shape);
        let name = format!("part_for_{}", fused.name);
        copies.push((*input, FusedTask::each(name, vec![ty.clone()], output.clone(), value)));
        parts.push(part);
        inputs.push(output);
    }
    let (given, added) = (fused.inputs.len(), copies.len());
    let mut own = fused.with_exprs(&|expr| {
        expr.substitute(&mut |expr| match expr.node() {
            ExprNode::Read { input, index } if *input >= given => {
                Some(ScalarExpr::read(input + added, expr.dtype(), index.clone()))
            }
            ExprNode::Read { input, index } => {
                let (axes, starts) = part_of(index, &fused.extents, &fused.inputs[*input].shape)?;
                let index = axes.iter().flatten().map(|axis| ScalarExpr::axis(*axis)).collect();
                let part = (*input, axes, starts);
                let copy = parts.iter().position(|known| *known == part)?;
                Some(ScalarExpr::read(given + copy, expr.dtype(), index))
            }
            _ => None,
        })
    });
    own.inputs = inputs;
    (copies, own)
}

impl Chain {
    /// Returns a chain as attention, or an error if it is not.
    pub(super) fn of(fused: &FusedTask) -> Result<Chain, String> {
        let (fused, order) = canonical(fused)?;
        let fused = &fused;
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
        let mut score = scaled(&score, position, &shares.fused.output.shape)?;
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
        let numbered = score.ahead.map(|_| ScalarExpr::axis(row).le(ScalarExpr::axis(key)));
        let operands: Vec<ScalarExpr> = operands.into_iter().chain(numbered).collect();
        let of_shares: Vec<ScalarExpr> = (0..col).chain([key]).map(ScalarExpr::axis).collect();
        let mask = score.mask.take().map(|mask| numbered_by(&mask.at(&of_shares), &shares.inputs).cast(Scalar::F32));
        let number = mask.as_ref().map(|_| operands.len());
        whole.reductions[0].operands = operands.into_iter().chain(mask).collect();
        Ok(Chain { whole, order, score, mask: number })
    }
}

/// Returns both operands of a product with its inputs and coordinates replaced by those of a chain.
fn operands(product: &Reduction, inputs: &[usize], axes: &[usize]) -> Result<[ScalarExpr; 2], String> {
    let axes: Vec<ScalarExpr> = axes.iter().map(|axis| ScalarExpr::axis(*axis)).collect();
    let own = |operand: &ScalarExpr| numbered_by(&operand.at(&axes), inputs);
    <[ScalarExpr; 2]>::try_from(product.operands.iter().map(own).collect::<Vec<_>>())
        .map_err(|_| "a product has two operands".to_owned())
}

/// Returns an expression whose reads name other inputs.
fn numbered_by(expr: &ScalarExpr, inputs: &[usize]) -> ScalarExpr {
    expr.substitute(&mut |expr| match expr.node() {
        ExprNode::Read { input, index } => Some(ScalarExpr::read(*inputs.get(*input)?, expr.dtype(), index.clone())),
        _ => None,
    })
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

/// Returns what is made of scores, an input with this shape.
fn scaled(score: &ScalarExpr, input: usize, shape: &[usize]) -> Result<Score, String> {
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
            let score = Score { scale: 1.0, ahead: None, mask: None };
            if axes.iter().enumerate().all(is_own) { Ok(score) } else { Err(refused()) }
        }
        ExprNode::Binary(op @ (BinaryOp::Mul | BinaryOp::Div), inner, by) => {
            let by = number(by).filter(|by| *by > 0.0).ok_or_else(refused)? as f32;
            let own = scaled(inner, input, shape)?;
            let scale = if *op == BinaryOp::Mul { own.scale * by } else { own.scale / by };
            let plain = own.ahead.is_none() && own.mask.is_none() && scale.is_normal();
            if plain { Ok(Score { scale, ..own }) } else { Err(refused()) }
        }
        ExprNode::Binary(BinaryOp::Add, inner, mask) if !reads(mask, input) => {
            let own = scaled(inner, input, shape)?;
            let plain = own.ahead.is_none() && own.mask.is_none();
            if plain { Ok(Score { mask: Some(mask.clone()), ..own }) } else { Err(refused()) }
        }
        ExprNode::Select(kept, inner, hidden)
            if number(hidden) == Some(f64::NEG_INFINITY) && !kept.reads().is_empty() && !reads(kept, input) =>
        {
            let own = scaled(inner, input, shape)?;
            let mask = kept.select(&inner.same(0.0), &inner.same(f64::NEG_INFINITY));
            let plain = own.ahead.is_none() && own.mask.is_none();
            if plain { Ok(Score { mask: Some(mask), ..own }) } else { Err(refused()) }
        }
        ExprNode::Select(visible, inner, hidden) if number(hidden) == Some(f64::NEG_INFINITY) => {
            let ExprNode::Compare(CompareOp::Le, a, b) = visible.node() else { return Err(refused()) };
            let ExprNode::Binary(BinaryOp::Add, own, ahead) = b.node() else { return Err(refused()) };
            let ahead = number(ahead).filter(|ahead| *ahead >= 0.0).ok_or_else(refused)? as i32;
            let inner = scaled(inner, input, shape)?;
            let right = is_axis(a, key) && is_axis(own, row) && inner.ahead.is_none();
            if right { Ok(Score { ahead: Some(ahead), ..inner }) } else { Err(refused()) }
        }
        _ => Err(refused()),
    }
}

/// Returns true if an expression reads an input.
fn reads(expr: &ScalarExpr, input: usize) -> bool {
    expr.reads().into_iter().any(|read| matches!(read.node(), ExprNode::Read { input: own, .. } if *own == input))
}
