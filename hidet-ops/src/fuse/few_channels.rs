//! [`FewChannels`]: a convolution of images with few channels, such as colours, found by its structure.
//!
//! Its template copies the pixels below a tile of results once, by threads, so that they may be computed on the way; so fusion
//! lets such a convolution take what its images are made of, which no other product of windows does.

use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of};
use hidet::blocks::PatchShape;
use hidet::types::Scalar;
use std::collections::BTreeSet;

/// A convolution of images with few channels, whose results have channels last: coordinates are image, row, column and channel
/// of the result, and behind them those of the kernel and of the channels.
#[derive(Clone, Debug)]
pub(crate) struct FewChannels {
    /// The windows.
    pub(crate) shape: PatchShape,
    /// Which factor is of the images.
    pub(crate) images: usize,
    /// The coordinates that are the row and the column of the kernel and the channel; nothing for one that has one element.
    pub(crate) along: [Option<usize>; 3],
    /// The coordinates that are the axes of the weights.
    pub(crate) weights: Vec<Option<usize>>,
    /// True if rows of one channel are next to each other in memory.
    pub(crate) planar: bool,
}

/// The most elements along a row of the kernel.
const MOST_ALONG_ROW: i32 = 64;

/// The most elements along k: those of a result are in registers, four of them in two.
const MOST_DEPTH: i32 = 256;

impl FewChannels {
    /// Returns the sums of products of two factors, over the coordinates behind those of the result, as such a convolution of
    /// 16-bit floats, if they are one.
    pub(crate) fn of(output: &TensorType, extents: &[usize], factors: &[ScalarExpr]) -> Option<FewChannels> {
        let [a, b] = factors else { return None };
        let is_half = [Scalar::F16, Scalar::BF16].contains(&output.dtype);
        if !is_half || output.rank() != 4 || [a, b].iter().any(|factor| factor.dtype() != output.dtype) {
            return None;
        }
        let weights_of = |factor: &ScalarExpr| match factor.node() {
            ExprNode::Read { index, .. } => axes_of(index).filter(|axes| axes.contains(&Some(3))),
            _ => None,
        };
        let (images, weights) = match (weights_of(a), weights_of(b)) {
            (None, Some(weights)) => (0, weights),
            (Some(weights), None) => (1, weights),
            _ => return None,
        };
        let factor = &factors[images];
        let mut windows = Windows { spatial: [None; 2], alone: BTreeSet::new() };
        if !windows.look(factor) {
            return None;
        }
        let [(row_stride, row), (col_stride, col)] = [windows.spatial[0]?, windows.spatial[1]?];
        let spatial = [row, col];
        let mut others = (4..extents.len()).filter(|axis| !spatial.contains(&Some(*axis)));
        let (channel, none) = (others.next(), others.next());
        let known = |axis: &Option<usize>| axis.is_none_or(|axis| axis == 3 || axis >= 4);
        let is_apart = spatial.iter().flatten().all(|axis| !windows.alone.contains(axis));
        if none.is_some() || !is_apart || row.is_some() && row == col || !weights.iter().all(known) {
            return None;
        }
        let extent = |axis: Option<usize>| i32::try_from(axis.map_or(1, |axis| extents[axis])).ok();
        let shape = PatchShape {
            kernel: [extent(row)?, extent(col)?],
            stride: [i32::try_from(row_stride).ok()?, i32::try_from(col_stride).ok()?],
            channels: extent(channel)?,
        };
        // Pixels of multiples of 16 bytes, and single ones, are copied by TMA.
        let few = shape.channels % 8 != 0 && shape.channels < 64 && shape.kernel[1] > 1 && shape.kernel[0] < 64;
        let fits = few
            && shape.stride.iter().all(|stride| (1..=8).contains(stride))
            && shape.kernel[1] < 64
            && shape.row() <= MOST_ALONG_ROW
            && shape.depth() <= MOST_DEPTH;
        let planar = factor.reads().first().is_some_and(|read| match read.node() {
            ExprNode::Read { index, .. } => index.last().is_some_and(|last| has_axis(last, 2)),
            _ => false,
        });
        fits.then_some(FewChannels { shape, images, along: [row, col, channel], weights, planar })
    }
}

/// What an expression of images depends on.
struct Windows {
    /// For rows and columns the stride, and the coordinate of the kernel.
    spatial: [Option<(i64, Option<usize>)>; 2],
    /// Coordinates behind those of the result that it depends on by themselves.
    alone: BTreeSet<usize>,
}

impl Windows {
    /// Returns true if an expression depends on rows and columns by the sums of a multiple of the result's coordinate and that
    /// of the kernel alone, everywhere the same, and not on the channel of the result: so elements may be named by these sums.
    fn look(&mut self, expr: &ScalarExpr) -> bool {
        let Some((mut factors, _)) = expr.affine() else {
            return expr.operands().into_iter().all(|operand| self.look(operand));
        };
        factors.retain(|_, factor| *factor != 0);
        let further: Vec<(usize, i64)> = factors.range(4..).map(|(axis, factor)| (*axis, *factor)).collect();
        let own: Vec<(usize, i64)> = factors.range(1..4).map(|(axis, factor)| (*axis, *factor)).collect();
        match (own.as_slice(), further.as_slice()) {
            ([], further) => {
                self.alone.extend(further.iter().map(|(axis, _)| *axis));
                true
            }
            ([(axis @ 1..=2, stride)], further @ ([] | [(_, 1)])) if *stride >= 1 && !factors.contains_key(&0) => {
                let found = (*stride, further.first().map(|(axis, _)| *axis));
                *self.spatial[axis - 1].get_or_insert(found) == found
            }
            _ => false,
        }
    }
}

fn has_axis(expr: &ScalarExpr, axis: usize) -> bool {
    let mut found = false;
    expr.visit(&mut |expr| found |= matches!(expr.node(), ExprNode::Axis(own) if *own == axis));
    found
}
