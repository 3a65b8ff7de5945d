//! Expressions as views of the parameters of a kernel: prologues and epilogues.

use super::Parameters;
use crate::expr::{ExprNode, ScalarExpr, emit::emit};
use crate::fuse::FusedTask;
use hidet::dsl::{AnyExpr, AnyOperand, AnyView, Expr};
use hidet::mapping::IndexExpr;
use hidet::types::Scalar;

/// Coordinates of a kernel that are the axes of a view, and the extents of all of them.
pub(crate) struct Space<'a> {
    /// The coordinates.
    pub(crate) axes: &'a [usize],
    /// The extents of all coordinates of the kernel.
    pub(crate) dims: &'a [IndexExpr],
}

/// What an expression reads: parameters, and coordinates of the kernel.
struct Reads {
    expr: ScalarExpr,
    parameters: Parameters,
    /// The parameters that it reads, each once.
    read: Vec<usize>,
    /// The axis of the view for each coordinate of the kernel.
    axes: Vec<usize>,
}

impl Reads {
    fn of(expr: &ScalarExpr, parameters: &Parameters, axes: &[usize]) -> Reads {
        let mut read = Vec::new();
        expr.visit(&mut |expr| {
            if let ExprNode::Read { input, index } = expr.node()
                && let Some(position) = parameters.position(*input, index)
                && !read.contains(&position)
            {
                read.push(position);
            }
        });
        Reads { expr: expr.clone(), parameters: parameters.clone(), read, axes: axes.to_vec() }
    }

    /// Returns the parameter as an operand of a view with these axes.
    fn operand(&self, number: usize, views: &[AnyView]) -> Result<AnyOperand, String> {
        let parameter = self.read[number];
        let along = self.parameters.axes(parameter).ok_or("an input is read at computed coordinates")?;
        let along: Option<Vec<usize>> = along.iter().map(|axis| self.axes.iter().position(|own| own == axis)).collect();
        Ok(views[parameter].along(&along.ok_or("an input is read along an axis that the view lacks")?))
    }

    /// Emits the expression: `values` are the elements of the parameters that it reads, `result` that of the reduction.
    fn emit(&self, values: &[AnyExpr], result: Option<AnyExpr>, index: &[Expr<i32>]) -> AnyExpr {
        emit(&self.expr, &mut |expr, _| match expr.node() {
            ExprNode::Read { input, index } => {
                let known = self.parameters.position(*input, index);
                let known = known.and_then(|known| self.read.iter().position(|read| *read == known));
                let value = known.and_then(|known| values.get(known).copied()).or(result);
                value.unwrap_or_else(|| AnyExpr::lit(expr.dtype(), 0))
            }
            ExprNode::Axis(axis) => {
                let coordinate = self.parameters.coordinate(*axis);
                let at = self.axes.iter().position(|own| *own == coordinate).unwrap_or(0);
                index.get(at).map_or_else(|| AnyExpr::lit(Scalar::I32, 0), |index| AnyExpr::from(*index))
            }
            _ => AnyExpr::lit(expr.dtype(), 0),
        })
    }
}

/// Returns a view of an expression of parameters, with these axes.
pub(crate) fn viewed(
    expr: &ScalarExpr,
    parameters: &Parameters,
    views: &[AnyView],
    space: &Space,
) -> Result<AnyView, String> {
    let mut reads = Reads::of(expr, parameters, space.axes);
    // A parameter with the axes of the view is what it is a view of; the others are operands.
    let is_whole = |parameter: &usize| parameters.axes(*parameter).is_some_and(|own| own == space.axes);
    if let Some(whole) = reads.read.iter().position(is_whole) {
        reads.read.swap(0, whole);
    }
    let Some(first) = reads.read.first() else { return Err("it reads no input".to_owned()) };
    let own = parameters.axes(*first).ok_or("an input is read at computed coordinates")?;
    let place = |of: &[usize], axis: &usize| of.iter().position(|known| known == axis);
    // In another order it is still memory.
    let order: Option<Vec<usize>> = space.axes.iter().map(|axis| place(&own, axis)).collect();
    let base = match order {
        Some(_) if own == space.axes => views[*first],
        Some(order) => views[*first].permute(&order),
        None => {
            let along: Option<Vec<usize>> = own.iter().map(|axis| place(space.axes, axis)).collect();
            let shape: Vec<IndexExpr> = space.axes.iter().map(|axis| space.dims[*axis].clone()).collect();
            views[*first].broadcast(&shape, &along.ok_or("an input is read along an axis that the view lacks")?)
        }
    };
    if matches!(expr.node(), ExprNode::Read { .. }) {
        return Ok(base);
    }
    let others: Result<Vec<AnyOperand>, String> =
        (1..reads.read.len()).map(|number| reads.operand(number, views)).collect();
    Ok(base.map(expr.dtype(), &others?, move |value, others, index| {
        let values: Vec<AnyExpr> = std::iter::once(value).chain(others.iter().copied()).collect();
        reads.emit(&values, None, index)
    }))
}

/// Returns the view by which sums in type `sums` are stored: the epilogue of a fused task. The axes of `output` are these
/// coordinates of the kernel; one that is the coordinate of none has one element.
pub(crate) fn stored(
    fused: &FusedTask,
    sums: Scalar,
    (output, axes): (AnyView, &[usize]),
    (parameters, views): (&Parameters, &[AnyView]),
) -> Result<AnyView, String> {
    let result = fused.result_of(0);
    let is_plain = matches!(fused.value.node(), ExprNode::Read { input, .. } if *input == result);
    if is_plain && sums == fused.output.dtype {
        return Ok(output);
    }
    let reads = Reads::of(&fused.value, parameters, axes);
    let operands: Result<Vec<AnyOperand>, String> =
        (0..reads.read.len()).map(|number| reads.operand(number, views)).collect();
    let rounded = fused.reductions.first().map_or(fused.output.dtype, |reduction| reduction.dtype());
    Ok(output.map_store(sums, &operands?, move |sum, operands, index| {
        // The sum is rounded to the type of its operator's result, as if it had been stored.
        reads.emit(operands, Some(sum.cast(rounded)), index)
    }))
}
