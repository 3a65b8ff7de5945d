//! Products of `f32` as three of tf32, whose sums are nearly those of `f32`.
//!
//! A number is the sum of its nearest tf32 and a small rest, which is rounded to tf32 too; the product of two rests, at most
//! 2^-22 of the whole, is left out. Tensor cores truncate their sums, so these are added to `f32` registers every stage.

use crate::pipeline::{Handover, Position};
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{
    barrier_sync, fence_proxy_async, lane_id, thread_id, warp_id, wgmma_commit, wgmma_fence, wgmma_wait,
};
use hidet_core::dsl::{Expr, IntoExpr, View, registers, unroll, vector4};
use hidet_core::types::TF32;
use hidet_macros::device;

/// Tiles of `f32`, which become the nearest tf32, and beside them their rests: the right operand.
#[derive(Clone, Copy, Debug)]
pub struct SplitTiles {
    tiles: StagedTiles<TF32>,
    rests: StagedTiles<TF32>,
}

impl SplitTiles {
    /// Makes room for the rests of tiles that hold the bits of `f32`.
    #[track_caller]
    pub fn of(tiles: StagedTiles<TF32>) -> SplitTiles {
        SplitTiles { tiles, rests: StagedTiles::new(tiles.stages, [tiles.rows(), tiles.cols()]) }
    }

    /// Splits the tile in the stage of a position, by the 128 threads of a warp group.
    #[device(crate = hidet_core)]
    fn split(&self, at: &Position) {
        let (rows, slabs) = (self.tiles.rows(), self.tiles.cols() / StagedTiles::<TF32>::width());
        let stage = at.stage();
        // Pieces of 16 bytes, eight of a row.
        for piece in (thread_id() % 128..slabs * rows * 8).step_by(128) {
            let place = (stage, piece / (rows * 8), piece / 8 % rows, piece % 8 * 4);
            let values = self.tiles.memory.load::<4>(place).lanes().map(|bits| bits.bitcast::<f32>());
            let near = values.map(|value| value.to::<TF32>());
            let rests: [Expr<TF32>; 4] =
                std::array::from_fn(|lane| (values[lane] - near[lane].to::<f32>()).to::<TF32>());
            self.tiles.memory.store(place, vector4(near));
            self.rests.memory.store(place, vector4(rests));
        }
    }
}

/// Splits the tiles of `steps` stages, as one warp group, of which `barrier` is a named barrier.
#[device(crate = hidet_core)]
pub fn split_stages(b: &SplitTiles, at: &Position, handover: Handover, barrier: i32, steps: Expr<i32>) {
    for _ in 0..steps {
        at.wait();
        b.split(at);
        fence_proxy_async();
        barrier_sync(barrier, 128);
        at.hand_over(handover, thread_id() % 128);
        at.advance();
    }
}

/// Adds to `sums`, 64 rows of a warp group, the products of 64 rows of `a`, from `row` on, with all rows of `b`, along `steps`
/// stages. Those of `a` are split in registers, so that they are read once; those of `b` must have been split. The named barrier
/// with the number of the warp group in the block is used.
#[device(crate = hidet_core)]
pub fn multiply_split(
    sums: View<f32, 1>,
    (a, b): (StagedTiles<TF32>, &SplitTiles),
    (at, handover): (&Position, Handover),
    row: impl IntoExpr<i32>,
    steps: Expr<i32>,
) {
    let (row, t, count) = (row.into_expr(), thread_id() % 128, b.tiles.extents()[1] / 2);
    let (depth, width) = (StagedTiles::<TF32>::depth(), StagedTiles::<TF32>::width());
    let slices = a.cols() / depth;
    let (near, rests) = (registers::<TF32, 2>([slices, 4]), registers::<TF32, 2>([slices, 4]));
    let parts = registers::<f32, 1>([count]);
    for _ in 0..steps {
        at.wait();
        let stage = at.stage();
        let first = row + warp_id() % 4 * 16 + lane_id() / 4;
        for slice in unroll(0..slices) {
            for i in unroll(0..4) {
                let col = slice * depth + i / 2 * 4 + lane_id() % 4;
                let value = a.memory[[stage, col / width, first + i % 2 * 8, col % width]].bitcast::<f32>();
                let nearest = value.to::<TF32>();
                near[[slice, i]] = nearest;
                rests[[slice, i]] = (value - nearest.to::<f32>()).to::<TF32>();
            }
        }
        // All threads of the group have read the rows before one of them releases the stage.
        fence_proxy_async();
        barrier_sync(warp_id() / 4, 128);
        at.wait_for(handover);
        wgmma_fence();
        for (number, (left, right)) in [(rests, b.tiles), (near, b.rests), (near, b.tiles)].into_iter().enumerate() {
            for slice in unroll(0..slices) {
                right.multiply(number > 0 || slice > 0, parts, &left[[slice, 0]], stage, slice * depth);
            }
        }
        wgmma_commit();
        // Meanwhile the other warp group's products are computed: none of this one are in flight when sums are read, which ptxas
        // would serialise.
        wgmma_wait(0);
        at.release(stage, t);
        at.advance();
        for i in unroll(0..count) {
            sums[[i]] += parts[[i]];
        }
    }
}
