//! What expressions cost a kernel that computes them.

use crate::expr::{ExprNode, ScalarExpr};
use hidet::ir::{BinaryOp, UnaryOp};

/// Returns the number of values that an expression computes.
pub(super) fn size(expr: &ScalarExpr) -> usize {
    let mut count = 0;
    expr.visit(&mut |_| count += 1);
    count
}

/// Returns true if an expression has operations on floats that cost many instructions each.
pub(super) fn has_functions(expr: &ScalarExpr) -> bool {
    let mut has = false;
    expr.visit(&mut |expr| {
        has |= expr.dtype().is_float()
            && match expr.node() {
                ExprNode::Unary(op, _) => !matches!(op, UnaryOp::Neg | UnaryOp::Abs),
                ExprNode::Binary(op, ..) => {
                    matches!(op, BinaryOp::Div | BinaryOp::Rem | BinaryOp::Pow | BinaryOp::Atan2)
                }
                _ => false,
            };
    });
    has
}

/// Returns true if an expression has a smaller type than an element that it reads.
pub(super) fn narrows(expr: &ScalarExpr) -> bool {
    expr.reads().into_iter().any(|read| read.dtype().bytes() > expr.dtype().bytes())
}
