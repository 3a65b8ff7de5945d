//! Which elements that are read at computed indices are next to each other.

use super::{MOST_ALIGNED, Parameters};
use crate::expr::{ExprNode, ScalarExpr};
use crate::fuse::FusedTask;
use hidet::ir::BinaryOp;

impl Parameters {
    /// Returns true if the elements that an input has at a computed index, for so many places along a coordinate, are next
    /// to each other, and begin at a multiple of their number: they are loaded together, all of them inside or all outside.
    pub(crate) fn is_adjacent(
        &self,
        parameter: usize,
        read: &[ScalarExpr],
        (along, lanes): (Option<usize>, i64),
    ) -> bool {
        let extent = self.input_extents(parameter).last().copied().unwrap_or(0);
        let Some((last, front)) = read.split_last() else { return false };
        let axis = match last.node() {
            ExprNode::Axis(axis) => Some(*axis),
            ExprNode::Binary(BinaryOp::Add | BinaryOp::Sub, a, by) => match (a.node(), by.node()) {
                (ExprNode::Axis(axis), ExprNode::Const(by)) if by.as_int().is_some_and(|by| by % lanes == 0) => {
                    Some(*axis)
                }
                _ => None,
            },
            _ => None,
        };
        let is_along = |axis: usize| Some(self.coordinate(axis)) == along;
        let mut varies = false;
        for expr in front {
            expr.visit(&mut |expr| {
                varies |= match expr.node() {
                    ExprNode::Axis(axis) => is_along(*axis),
                    // The result of a reduction may be another one at each place.
                    ExprNode::Read { index, .. } => index.is_empty(),
                    _ => false,
                }
            });
        }
        let bytes = lanes as usize * self.dtype(parameter).bytes();
        lanes > 1
            && bytes <= self.align.min(MOST_ALIGNED)
            && axis.is_some_and(is_along)
            && !varies
            && (extent as i64) % lanes == 0
    }

    /// Returns true if all reads at computed indices are [adjacent](Self::is_adjacent), or do not depend on the coordinate.
    pub(crate) fn are_adjacent(&self, fused: &FusedTask, along: usize, lanes: usize) -> bool {
        let is_good = |read: &ScalarExpr| {
            let ExprNode::Read { input, index } = read.node() else { return true };
            let computed = self.position(*input, index).filter(|parameter| self.axes(*parameter).is_none());
            let mut varies = false;
            for expr in index {
                expr.visit(&mut |expr| {
                    varies |= match expr.node() {
                        ExprNode::Axis(axis) => self.coordinate(*axis) == along,
                        ExprNode::Read { index, .. } => index.is_empty(),
                        _ => false,
                    }
                });
            }
            computed.is_none_or(|parameter| !varies || self.is_adjacent(parameter, index, (Some(along), lanes as i64)))
        };
        fused.exprs().flat_map(ScalarExpr::reads).all(is_good)
    }
}
