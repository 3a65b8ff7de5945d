//! The kernels for products of `f32` as three of tf32: a warp group copies tiles by TMA, another one splits those of b, one or two
//! multiply.

use super::schedule::Schedule;
use hidet::blocks::{
    Handover, Pipeline, SplitTiles, StagedInput, TileOrder, load_stage, multiply_split, split_stages, store_sums,
};
use hidet::prelude::*;
use hidet::types::TF32;

kernel! {
    /// c = a * b, both of which are the bits of `f32`, with k contiguous.
    #[launch(grid = s.blocks as u32, block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn matmul_three(
        #[meta] s: Schedule,
        a: In<TF32, [m, _k]>,
        b: In<TF32, [n, _b]>,
        c: Out<f32, [m, n]>,
    ) {
        let steps = s.steps(a.extent(1));
        tiles::<2, 2>(s, (a, b, c), [m, n], [0.into_expr(), steps], |row, col| [row, col], |place| place);
    }

    /// The same for each matrix of a batch.
    #[launch(grid = (s.blocks as u32, 1, batch), block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn matmul_three_batched(
        #[meta] s: Schedule,
        a: In<TF32, [batch, m, _k]>,
        b: In<TF32, [batch, n, _b]>,
        c: Out<f32, [batch, m, n]>,
    ) {
        let (place, steps) = (|row, col| [block_idx().z, row, col], s.steps(a.extent(2)));
        tiles::<3, 3>(s, (a, b, c), [m, n], [0.into_expr(), steps], place, |place| place);
    }

    /// The sums of a part of k for each part.
    #[launch(grid = (s.blocks as u32, 1, parts), block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn matmul_three_parts(
        #[meta] s: Schedule,
        a: In<TF32, [m, _k]>,
        b: In<TF32, [n, _b]>,
        c: Out<f32, [parts, m, n]>,
    ) {
        let steps = s.steps(a.extent(1));
        let range = [0, 1].map(|part| (block_idx().z + part) * steps / parts);
        tiles::<2, 3>(s, (a, b, c), [m, n], range, |row, col| [row, col], |[row, col]| [block_idx().z, row, col]);
    }
}

/// Computes the tiles of a block, along these steps of k. `place` returns the index of a row and a column, of which one may go along k, and
/// `stored` where in the result it is.
#[device]
fn tiles<const R: usize, const Q: usize>(
    s: Schedule,
    (a, b, c): (In<TF32, R>, In<TF32, R>, Out<f32, Q>),
    extents: [Expr<i32>; 2],
    [begin, end]: [Expr<i32>; 2],
    place: impl Fn(Expr<i32>, Expr<i32>) -> [Expr<i32>; R],
    stored: impl Fn([Expr<i32>; R]) -> [Expr<i32>; Q],
) {
    let (a, b) =
        (StagedInput::new(a, s.stages, [s.groups * 64, s.depth]), StagedInput::new(b, s.stages, [s.cols, s.depth]));
    let split = SplitTiles::of(b.as_copied());
    let handover = Handover::new(s.stages);
    let pipeline = Pipeline::new(s.stages, s.groups, 1);
    let tiles = TileOrder::in_bands(extents, [s.groups * 64, s.cols], s.band, 1, s.blocks);
    #[warp_group(0)]
    {
        set_max_registers(40);
        if thread_id() == 0 {
            let at = pipeline.start();
            for (row, col) in tiles.origins() {
                for step in begin..end {
                    let along = step * s.depth;
                    load_stage(&at, (&a, place(row, along)), (&b, place(col, along)));
                }
            }
        }
    }
    #[warp_group(1)]
    {
        set_max_registers(56);
        let at = pipeline.start();
        for (_row, _col) in tiles.origins() {
            split_stages(&split, &at, handover, 1, end - begin);
        }
    }
    #[warp_group(2..s.groups + 2)]
    {
        set_max_registers(208);
        let (at, group) = (pipeline.start(), warp_id() / 4 - 2);
        let sums = registers::<f32>([s.cols / 2]);
        for (row, col) in tiles.origins() {
            sums.fill(0.0);
            multiply_split(sums, (a.as_copied(), &split), (&at, handover), group * 64, end - begin);
            store_sums(sums, c, (s.cols, s.lanes), group, stored(place(row, col)));
        }
    }
}
