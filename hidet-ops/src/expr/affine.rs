//! Sums of coordinates times numbers.

use super::{ExprNode, ScalarExpr};
use hidet::ir::BinaryOp;
use std::collections::BTreeMap;

impl ScalarExpr {
    /// Returns an index as a sum of coordinates times numbers, and a number, if it is one.
    pub(crate) fn affine(&self) -> Option<(BTreeMap<usize, i64>, i64)> {
        let number = |expr: &ScalarExpr| match expr.node() {
            ExprNode::Const(value) => value.as_int(),
            _ => None,
        };
        match self.node() {
            ExprNode::Axis(axis) => Some((BTreeMap::from([(*axis, 1)]), 0)),
            ExprNode::Const(value) => Some((BTreeMap::new(), value.as_int()?)),
            ExprNode::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), a, b) => {
                let ((mut sum, first), (terms, second)) = (a.affine()?, b.affine()?);
                let sign = if *op == BinaryOp::Add { 1 } else { -1 };
                for (axis, factor) in terms {
                    *sum.entry(axis).or_default() += sign * factor;
                }
                Some((sum, first + sign * second))
            }
            ExprNode::Binary(BinaryOp::Mul, a, b) => {
                let ((terms, own), by) = (a.affine()?, number(b)?);
                Some((terms.into_iter().map(|(axis, factor)| (axis, factor * by)).collect(), own * by))
            }
            _ => None,
        }
    }
}
