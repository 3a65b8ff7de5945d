//! A product split along k over the blocks of a cluster, whose sums are added through shared memory.

use crate::fragment;
use hidet_core::dsl::glue::range;
use hidet_core::dsl::intrinsics::{refuse, thread_id, warp_id};
use hidet_core::dsl::{Expr, MappedRange, View, shared, unroll};
use hidet_core::types::Num;
use hidet_macros::device;

/// The sums of a tile in the shared memory of each block of a cluster, which has multiplied a part of k. Each block adds the
/// sums of all for a part of the rows.
#[derive(Clone, Copy, Debug)]
pub struct SplitSums<C> {
    sums: View<C, 2>,
    rows: i32,
    cols: i32,
    blocks: i32,
}

impl<C: Num> SplitSums<C> {
    /// Makes room for the sums of `groups` warp groups, 64 rows each, and `cols` columns, a multiple of 8. `blocks` is the
    /// number of blocks of the cluster, which divides 64.
    #[track_caller]
    pub fn new(groups: i32, cols: i32, blocks: i32) -> SplitSums<C> {
        if groups < 1 || cols < 8 || cols % 8 != 0 || blocks < 1 || 64 % blocks != 0 {
            refuse(&format!(
                "sums of {groups} warp groups and {cols} columns over {blocks} blocks: columns must be a multiple of 8, and \
                 the number of blocks must divide 64"
            ));
            return SplitSums::new(1, 8, 1);
        }
        let rows = groups * 64;
        // With 8 elements of padding, pairs of four rows that half a warp stores are in different banks.
        SplitSums { sums: shared::<C, 2>([rows, cols + 8]), rows, cols, blocks }
    }

    /// Stores the sums of the warp group numbered `group`, as wgmma gives them to its threads. All blocks must meet at
    /// `cluster_sync` before [`total`](Self::total), and behind it before they store again.
    #[device(crate = hidet_core)]
    pub fn share(&self, sums: View<C, 1>, group: Expr<i32>) {
        let first = group * 64 + warp_id() % 4 * 16;
        for i in unroll(0..self.cols / 2) {
            let (row, col) = fragment::element(i % 8);
            self.sums[[first + row, col + i / 8 * 16]] = sums[[i]];
        }
    }

    /// Returns the loop over this thread's pairs of columns in the rows of the block with that rank: rows and first columns.
    #[device(crate = hidet_core)]
    pub fn pairs(
        &self,
        rank: Expr<i32>,
        threads: i32,
    ) -> MappedRange<i32, impl FnMut(Expr<i32>) -> (Expr<i32>, Expr<i32>)> {
        let (rows, pairs) = (self.rows / self.blocks, self.cols / 2);
        let first = rank * rows;
        range(thread_id(), rows * pairs).step_by(threads).map(move |pair| (first + pair / pairs, pair % pairs * 2))
    }

    /// Returns the sums of all blocks for a row and two columns.
    #[device(crate = hidet_core)]
    pub fn total(&self, row: Expr<i32>, col: Expr<i32>) -> [Expr<C>; 2] {
        std::array::from_fn(|lane| {
            let of = |rank: i32| self.sums.at_rank(rank).read((row, col + lane as i32));
            (1..self.blocks).fold(of(0), |sum, rank| sum + of(rank))
        })
    }
}
