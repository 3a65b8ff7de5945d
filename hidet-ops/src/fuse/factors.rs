//! The factors of reductions that are sums of products.

use super::Reduction;
use crate::expr::{ExprNode, Precision, ScalarExpr};
use crate::task::{Compute, ReduceOp};
use hidet::ir::BinaryOp;
use hidet::types::Scalar;

impl Reduction {
    /// Returns both factors of the terms, if these are products of two operands, converted at most, and how they are multiplied:
    /// a matrix product, a convolution.
    pub fn factors(&self) -> Option<([ScalarExpr; 2], Precision)> {
        let Compute::Reduce { op: ReduceOp::Sum, term, .. } = &self.task.compute else { return None };
        let reads = term.leaves();
        let [a, b] = reads[..] else { return None };
        if [a, b].iter().any(|leaf| !matches!(leaf.node(), ExprNode::Read { .. })) {
            return None;
        }
        let [x, y] = <[ScalarExpr; 2]>::try_from(self.operands.clone()).ok()?;
        if a.dtype() == Scalar::F32 && term.is_same(&Precision::Tf32x3.product(a, b)) {
            return Some(([x, y], Precision::Tf32x3));
        }
        let ExprNode::Binary(BinaryOp::Mul, left, right) = term.node() else { return None };
        if !plain(left).is_same(a) || !plain(right).is_same(b) {
            return None;
        }
        let factors = [narrowed(left, x), narrowed(right, y)];
        let precision = if factors[0].dtype() == Scalar::TF32 { Precision::Tf32 } else { Precision::F32 };
        Some((factors, precision))
    }

    /// Returns how both operands are multiplied, if terms are products of them as they are, but for a conversion to the type of the
    /// sums.
    pub fn plain_product(&self) -> Option<Precision> {
        let (factors, precision) = self.factors()?;
        let plain = factors.iter().zip(&self.operands).all(|(own, operand)| own.is_same(operand));
        plain.then_some(precision).filter(|precision| *precision != Precision::Tf32)
    }
}

/// Returns the element that a factor is, before conversions.
fn plain(factor: &ScalarExpr) -> &ScalarExpr {
    match factor.node() {
        ExprNode::Cast(inner) => plain(inner),
        _ => factor,
    }
}

/// Returns an operand in the type in which its element is a factor: one of a smaller type is converted to it before it is
/// converted to that of the sums.
fn narrowed(factor: &ScalarExpr, operand: ScalarExpr) -> ScalarExpr {
    match factor.node() {
        ExprNode::Cast(inner) if matches!(inner.node(), ExprNode::Cast(_)) => operand.cast(inner.dtype()),
        _ => operand,
    }
}
