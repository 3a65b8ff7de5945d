//! Work that is divided: sums in parts, and what is computed before a kernel.

use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of};
use crate::fuse::{FusedTask, Reduction};
use crate::schedule::{Plan, Source};
use crate::task::{Compute, ReduceOp, Task};
use hidet::types::Scalar;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Returns the task that adds the sums of parts, `[parts, ..]` with the axes of the result, its first input, and applies what follows the product.
pub(super) fn added(fused: &FusedTask, partial: TensorType) -> FusedTask {
    let dtype = fused.reductions.first().map_or(fused.output.dtype, Reduction::dtype);
    let rank = fused.output.rank();
    let index: Vec<ScalarExpr> = std::iter::once(rank).chain(0..rank).map(ScalarExpr::axis).collect();
    let read = ScalarExpr::read(0, Scalar::F32, index);
    let parts = partial.shape[0];
    let compute = Compute::Reduce { op: ReduceOp::Sum, extents: vec![parts], term: read.clone() };
    let output = TensorType::new(dtype, &fused.output.shape);
    let task = Arc::new(Task { name: "sum", inputs: vec![partial.clone()], output, compute });
    // The sums come before the other inputs.
    let value = fused.value.substitute(&mut |expr| match expr.node() {
        ExprNode::Read { input, index } => Some(ScalarExpr::read(input + 1, expr.dtype(), index.clone())),
        _ => None,
    });
    FusedTask {
        name: format!("sum_of_{}", fused.name),
        inputs: std::iter::once(partial).chain(fused.inputs.iter().cloned()).collect(),
        producers: Vec::new(),
        output: fused.output.clone(),
        extents: fused.output.shape.iter().copied().chain([parts]).collect(),
        over: vec![rank],
        reductions: vec![Reduction { task, operands: vec![read] }],
        line: None,
        value,
    }
}

/// Returns a plan that computes operands of the one reduction which are not elements of inputs before it, or nothing if there
/// are none.
pub(super) fn apart(fused: &FusedTask) -> Option<Plan> {
    let [reduction] = fused.reductions.as_slice() else { return None };
    let (mut plan, mut operands) = (Plan::default(), reduction.operands.clone());
    for operand in &mut operands {
        if matches!(operand.node(), ExprNode::Read { index, .. } if axes_of(index).is_some()) {
            continue;
        }
        let mut axes = BTreeSet::new();
        operand.visit(&mut |expr| {
            if let ExprNode::Axis(axis) = expr.node() {
                axes.insert(*axis);
            }
        });
        before(fused, operand, &axes.into_iter().collect::<Vec<usize>>(), &mut plan);
    }
    if plan.steps.is_empty() {
        return None;
    }
    let inner = behind_steps(fused, operands, &plan);
    let inputs = sources(fused, inner.inputs.len());
    plan.fused(inner, inputs);
    Some(plan)
}

/// Adds an operand, which has these coordinates, to a plan as a task of its own, and makes it an element of its result.
pub(super) fn before(fused: &FusedTask, operand: &mut ScalarExpr, axes: &[usize], plan: &mut Plan) {
    let index: Vec<ScalarExpr> = (0..fused.extents.len())
        .map(|axis| ScalarExpr::axis(axes.iter().position(|own| *own == axis).unwrap_or(0)))
        .collect();
    let extents: Vec<usize> = axes.iter().map(|axis| fused.extents[*axis]).collect();
    let (dtype, number) = (operand.dtype(), plan.steps.len());
    let name = format!("input_{number}_of_{}", fused.name);
    let task = FusedTask::each(name, fused.inputs.clone(), TensorType::new(dtype, &extents), operand.at(&index));
    plan.fused(task, (0..fused.inputs.len()).map(Source::Input).collect());
    *operand =
        ScalarExpr::read(fused.inputs.len() + number, dtype, axes.iter().copied().map(ScalarExpr::axis).collect());
}

/// Returns a task with other operands of its one reduction, which may read the results of a plan behind its own inputs.
pub(super) fn behind_steps(fused: &FusedTask, operands: Vec<ScalarExpr>, plan: &Plan) -> FusedTask {
    let mut inner = fused.clone();
    inner.inputs.extend(plan.steps.iter().map(|step| step.output.clone()));
    let (old, new) = (fused.result_of(0), inner.result_of(0));
    inner.value = fused.value.substitute(&mut |expr| match expr.node() {
        ExprNode::Read { input, .. } if *input == old => Some(ScalarExpr::read(new, expr.dtype(), Vec::new())),
        _ => None,
    });
    inner.reductions = vec![Reduction { operands, ..fused.reductions[0].clone() }];
    inner
}

/// Returns where the inputs of such a task come from: those of the other one, and behind them the steps of the plan.
pub(super) fn sources(fused: &FusedTask, inputs: usize) -> Vec<Source> {
    let source = |number: usize| match number.checked_sub(fused.inputs.len()) {
        Some(step) => Source::Step(step),
        None => Source::Input(number),
    };
    (0..inputs).map(source).collect()
}
