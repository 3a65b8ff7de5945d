//! The elements of a tile of the result that each thread computes.

use hidet_core::dsl::intrinsics::{refuse, thread_id};
use hidet_core::dsl::{AnyExpr, AnyView, Expr, OnDevice, Out, Registers, View, registers};
use hidet_core::layout::Layout;
use hidet_macros::device;
use hidet_mapping::{TaskMapping, repeat, spatial};

/// A tile of the result of a block of `block_warps` warps, each of which owns `warp_outer` times 4 x 8 lanes of 4 x 4
/// adjacent elements, rows and columns.
///
/// Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, figure 8.
#[derive(Clone, Copy, Debug)]
pub struct ThreadTile {
    /// Warps per block.
    pub block_warps: [u32; 2],
    /// Repetitions of a warp's lanes.
    pub warp_outer: [u32; 2],
}

/// Rows and columns of the lanes of a warp.
const LANES: [u32; 2] = [4, 8];

/// Adjacent elements per lane along each axis: 16 bytes.
const INNER: u32 = 4;

impl ThreadTile {
    /// Returns the threads per block.
    pub fn threads(&self) -> u32 {
        32 * self.block_warps[0] * self.block_warps[1]
    }

    /// Returns the rows and columns of the tile.
    pub fn extents(&self) -> [u32; 2] {
        [0, 1].map(|axis| self.block_warps[axis] * self.warp_outer[axis] * LANES[axis] * INNER)
    }

    /// Returns room for a thread's elements.
    #[track_caller]
    pub fn registers(&self) -> View<f32, 2> {
        registers(self.own().register_layout())
    }

    /// Returns the first row and column of the block's tile, moved so far inwards that the tile ends inside of a result of
    /// these extents.
    #[device(crate = hidet_core)]
    pub fn inwards(&self, first: [Expr<i32>; 2], extents: [Expr<i32>; 2]) -> [Expr<i32>; 2] {
        let [rows, cols] = self.extents();
        [first[0].min(extents[0] - rows as i32), first[1].min(extents[1] - cols as i32)]
    }

    /// Stores a thread's elements of the tile that begins at `origin`, from row and column `first` on: those before it are
    /// another block's. `lanes` is 4 if columns of the output are a multiple of 4, and 4 of them are written together, else 1.
    #[device(crate = hidet_core)]
    pub fn store(
        &self,
        sums: View<f32, 2>,
        output: Out<f32, 2>,
        lanes: i32,
        origin: [Expr<i32>; 2],
        first: [Expr<i32>; 2],
    ) {
        if ![1, INNER as i32].contains(&lanes) {
            refuse(&format!("{lanes} elements are stored together: that must be 1 or {INNER}"));
        }
        let lanes = if lanes == INNER as i32 { lanes } else { 1 };
        let (t, output) = (thread_id(), AnyView::from(output));
        let (rows, cols) = (self.along(0, INNER), self.along(1, INNER / lanes as u32));
        for (i, _) in rows.on(t) {
            if origin[0] + i >= first[0] {
                for (_, group) in cols.on(t) {
                    let j = group * lanes;
                    if origin[1] + j >= first[1] {
                        let values: Vec<AnyExpr> = (0..lanes).map(|lane| AnyExpr::from(sums[[i, j + lane]])).collect();
                        let place = [origin[0] + i, origin[1] + j];
                        if lanes == 1 {
                            output.set(&place, values[0]);
                        } else {
                            output.store(&place, AnyExpr::vector(&values));
                        }
                    }
                }
            }
        }
    }

    /// Assigns the elements of the tile to the threads that own them.
    pub(super) fn own(&self) -> TaskMapping<2> {
        spatial(self.block_warps) * repeat(self.warp_outer) * spatial(LANES) * repeat([INNER, INNER])
    }

    /// The same along one axis, with `inner` instead of the adjacent elements; the other coordinate is 0.
    pub(super) fn along(&self, axis: usize, inner: u32) -> TaskMapping<2> {
        let only = |count: u32| if axis == 0 { [count, 1] } else { [1, count] };
        let lanes = spatial(self.block_warps) * repeat(only(self.warp_outer[axis])) * spatial(LANES);
        (lanes * repeat(only(inner))).project([1 - axis])
    }

    /// Returns room for a thread's operands along one axis: those of this column of a tile, and of the next.
    #[track_caller]
    pub(super) fn operands(&self, axis: usize) -> View<f32, 2> {
        let owned = Layout::local([self.block_warps[axis]])
            * Layout::row_major([self.warp_outer[axis]])
            * Layout::local([LANES[axis]])
            * Layout::row_major([INNER]);
        registers(Layout::row_major([2]) + owned)
    }
}
