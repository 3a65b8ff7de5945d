//! [`Tiling`]: tiles of products by threads, and the time that they are expected to take.

use crate::expr::{ExprNode, ScalarExpr, axes_of};
use crate::fuse::FusedTask;
use crate::schedule::Given;
use hidet::blocks::ThreadTile;

/// What a block of threads multiplies at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tiling {
    /// What a block computes.
    pub(super) tile: ThreadTile,
    /// The least number of resident blocks per multiprocessor, which bounds the registers per thread.
    pub(super) min_blocks: u32,
    /// Products along k of a tile in shared memory.
    pub(super) depth: u32,
}

/// Warps of a block along rows and columns, repetitions of a warp's lanes along both, the least number of resident blocks, and the
/// largest depth: the deeper a tile, the more registers hold the places of what is copied.
type Shape = ([u32; 2], [u32; 2], u32, u32);

/// Tiles, the largest first. The last three are for products with few columns and with few rows.
const SHAPES: [Shape; 7] = [
    ([4, 2], [2, 2], 2, 8),
    ([2, 2], [2, 2], 4, 8),
    ([4, 1], [2, 2], 4, 8),
    ([2, 2], [1, 1], 4, 16),
    ([4, 1], [2, 1], 4, 8),
    ([1, 4], [1, 2], 4, 8),
    ([1, 4], [1, 1], 4, 8),
];

/// Products per microsecond of a multiprocessor.
const PRODUCTS: f64 = 2.2e5;

/// Elements per microsecond that it copies from memory.
const COPIED: f64 = 2.5e4;

/// How much longer it takes to copy an element whose place is computed: some 25 instructions.
const COMPUTED: u32 = 4;

/// Microseconds from the load of an element to its arrival, and from the end of a step to the next one.
const LATENCY: [f64; 2] = [0.25, 0.08];

impl Tiling {
    /// Returns all of them. Small tiles may be deep, so that a thread has something to compute for as long as it takes to load the
    /// next one.
    pub(super) fn all() -> impl Iterator<Item = Tiling> {
        SHAPES.into_iter().flat_map(|(block_warps, warp_outer, min_blocks, deepest)| {
            let depths = [8, 16].into_iter().filter(move |depth| *depth <= deepest);
            depths.map(move |depth| Tiling { tile: ThreadTile { block_warps, warp_outer }, min_blocks, depth })
        })
    }

    /// Returns the microseconds that so many blocks are expected to take, each with these products along k. An operand of which
    /// places are computed is `computed`.
    pub(super) fn time(&self, blocks: usize, each: u32, computed: [bool; 2], multiprocessors: usize) -> f64 {
        let ([rows, cols], [outer_rows, outer_cols]) = (self.tile.extents(), self.tile.warp_outer);
        // The fewer products for each element that is read from shared memory, the more often threads wait for these.
        let reads = match outer_rows * outer_cols {
            1 => 1.4,
            2 => 1.2,
            _ => 1.1,
        };
        let copied = |operand: usize, lines: u32| if computed[operand] { lines * COMPUTED } else { lines };
        let [products, copied] =
            [rows * cols, copied(0, rows) + copied(1, cols)].map(|elements| f64::from(elements * self.depth));
        let step = products / PRODUCTS * reads + copied / COPIED;
        // The next tile is loaded while half of a step is computed. Blocks hide each other's waits, the more of them there are.
        let alone = step.max(step / 2.0 + LATENCY[0]) + LATENCY[1];
        let together = |blocks: usize| match blocks {
            0 => 0.0,
            _ => ((blocks as f64 * step).powi(3) + alone.powi(3)).cbrt(),
        };
        let (own, most) = (blocks.div_ceil(multiprocessors), self.min_blocks as usize);
        // The first tile is waited for.
        let steps = each.div_ceil(self.depth) + 1;
        f64::from(steps) * ((own / most) as f64 * together(most) + together(own % most))
    }

    /// Returns the same for so many blocks: registers are bounded for no more blocks at a time than there are.
    pub(super) fn fitted(self, blocks: usize, multiprocessors: usize) -> Tiling {
        let own = blocks.div_ceil(multiprocessors).clamp(1, self.min_blocks as usize);
        Tiling { min_blocks: own as u32, ..self }
    }

    /// Returns how many adjacent elements of the result are stored together: 4 where its last axis, with this extent, is a multiple
    /// of that, and what is read behind the product lies likewise. Functions of 4 elements at a time took more registers than
    /// there are beside the sums.
    pub(super) fn lanes(fused: &FusedTask, given: &Given, last: usize) -> i32 {
        let is_whole =
            |read: &ScalarExpr| matches!(read.node(), ExprNode::Read { index, .. } if axes_of(index).is_some());
        let is_aligned = given.contiguous && given.align >= 16 && fused.value.reads().into_iter().all(is_whole);
        let mut has_function = false;
        fused.value.visit(&mut |expr| has_function |= matches!(expr.node(), ExprNode::Unary(..)));
        if is_aligned && !has_function && last.is_multiple_of(4) { 4 } else { 1 }
    }
}
