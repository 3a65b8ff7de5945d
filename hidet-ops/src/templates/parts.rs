//! Sums in parts, each along a part of k, and their sum.

use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr};
use crate::fuse::{FusedTask, Reduction};
use crate::task::{Compute, ReduceOp, Task};
use hidet::types::Scalar;
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
        scan: None,
        value,
    }
}
