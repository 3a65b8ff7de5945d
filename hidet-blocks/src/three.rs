//! Products of `f32` as three of tf32, whose sums are nearly those of `f32`.
//!
//! A number is the sum of its nearest tf32 and a small rest, which is rounded to tf32 too; the product of two rests, at most
//! 2^-22 of the whole, is left out. Tensor cores truncate their sums, so these are added to `f32` registers every stage.

use crate::pipeline::{Handover, Position};
use crate::tiles::StagedTiles;
use hidet_core::dsl::intrinsics::{barrier_sync, fence_proxy_async, thread_id, wgmma_commit, wgmma_fence, wgmma_wait};
use hidet_core::dsl::{Expr, IntoExpr, View, registers, unroll, vector4};
use hidet_core::types::TF32;
use hidet_macros::device;

/// Tiles of `f32`, which become the nearest tf32, and beside them their rests.
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

/// Splits the tiles of both operands of `steps` stages, as one warp group, the one of which `barrier` is a named barrier.
#[device(crate = hidet_core)]
pub fn split_stages(
    (a, b): (&SplitTiles, &SplitTiles),
    at: &Position,
    handover: Handover,
    barrier: i32,
    steps: Expr<i32>,
) {
    for _ in 0..steps {
        at.wait();
        a.split(at);
        b.split(at);
        fence_proxy_async();
        barrier_sync(barrier, 128);
        at.hand_over(handover, thread_id() % 128);
        at.advance();
    }
}

/// Adds to `sums`, 64 rows of a warp group, the products of 64 rows of `a`, from `row` on, with all rows of `b`, along `steps`
/// stages whose tiles are split.
#[device(crate = hidet_core)]
pub fn multiply_split(
    sums: View<f32, 1>,
    (a, b): (&SplitTiles, &SplitTiles),
    (at, handover): (&Position, Handover),
    row: impl IntoExpr<i32>,
    steps: Expr<i32>,
) {
    let (row, t, count) = (row.into_expr(), thread_id() % 128, b.tiles.extents()[1] / 2);
    // Sums of a stage, while those of the one before are added.
    let parts = registers::<f32, 2>([2, count]);
    let issue = |half: i32| {
        at.wait();
        at.wait_for(handover);
        let stage = at.stage();
        wgmma_fence();
        for (number, (left, right)) in
            [(a.rests, b.tiles), (a.tiles, b.rests), (a.tiles, b.tiles)].into_iter().enumerate()
        {
            for p in unroll((0..left.cols()).step_by(StagedTiles::<TF32>::depth() as usize)) {
                let (slab, col) = (p / StagedTiles::<TF32>::width(), p % StagedTiles::<TF32>::width());
                let left = &left.memory[[stage, slab, row, col]];
                right.multiply(number > 0 || p > 0, parts.slice(half), left, stage, p);
            }
        }
        wgmma_commit();
        at.advance();
        stage
    };
    let add = |half: i32, stage: Expr<i32>| {
        at.release(stage, t);
        for i in unroll(0..count) {
            sums[[i]] += parts[[half, i]];
        }
    };
    let mut before = 0;
    for pair in 0..steps / 2 {
        let first = issue(0);
        wgmma_wait(1);
        if pair > 0 {
            add(1, before);
        }
        before = issue(1);
        wgmma_wait(1);
        add(0, first);
    }
    wgmma_wait(0);
    if steps > 1 {
        add(1, before);
    }
    if steps % 2 == 1 {
        let last = issue(0);
        wgmma_wait(0);
        add(0, last);
    }
}
