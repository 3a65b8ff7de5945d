//! Convolutions of `f32` as three products of tf32: a warp group copies pixels and weights by TMA, another one splits the weights,
//! one or two multiply. Where there are few tiles, several blocks compute the sums of parts of the positions and channels, which
//! another kernel adds.

use super::super::matmul_wgmma::{LAUNCH, RATES, SECOND};
use hidet::blocks::{
    Handover, Pipeline, PixelRoute, SplitTiles, StagedInput, StagedPixels, TileOrder, Window, multiply_split,
    split_stages, store_sums,
};
use hidet::prelude::*;
use hidet::types::TF32;

/// Channels of a stage: 128 bytes.
const CHANNELS: i32 = 32;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Blocks that run at the same time, for each part.
    blocks: i32,
    /// Positions and channels that are in flight at the same time.
    stages: i32,
    /// Warp groups per block that multiply, each 64 results.
    groups: i32,
    /// Output channels per block.
    outputs: i32,
    /// Results of a row that a thread stores at a time.
    lanes: i32,
    /// Parts of the positions and channels, whose sums another kernel adds if there are several.
    pub(super) parts: i32,
}

impl Schedule {
    /// Returns the schedule with the least expected time, in steps of 32 channels of a position.
    pub(super) fn of([results, outputs, steps]: [usize; 3], multiprocessors: usize) -> Schedule {
        // With the microseconds of a step, measured on an H200.
        let tiles = [(2, 128, 1.3), (2, 64, 0.9), (1, 128, 0.9), (1, 64, 0.58)];
        let count = |(groups, cols, _): (i32, i32, f64)| {
            results.div_ceil(64 * groups as usize) * outputs.div_ceil(cols as usize)
        };
        let expected = |(tile, parts): &((i32, i32, f64), usize)| {
            let waves = (count(*tile) * parts).div_ceil(multiprocessors) as f64;
            let sums = (parts * results * outputs * 8) as f64 / RATES[2];
            let second = if *parts > 1 { SECOND + sums } else { 0.0 };
            waves * (steps.div_ceil(*parts) as f64 * tile.2 + LAUNCH) + second
        };
        let all = tiles.into_iter().flat_map(|tile| [1, 2, 4, 8, 16].map(|parts| (tile, parts)));
        let all = all.filter(|(_, parts)| *parts == 1 || parts * 4 <= steps);
        let best = all.min_by(|a, b| expected(a).total_cmp(&expected(b)));
        let (tile, parts) = best.unwrap_or((tiles[0], 1));
        let (groups, cols, _) = tile;
        // Of weights there are the nearest tf32 and the rests.
        let stages = ((227 * 1024 - 2048) / ((groups * 64 + 2 * cols) * 128)).min(6);
        let blocks = count(tile).min((multiprocessors / parts).max(1)) as i32;
        let lanes = if outputs.is_multiple_of(2) { 2 } else { 1 };
        Schedule { blocks, stages, groups, outputs: cols, lanes, parts: parts as i32 }
    }
}

kernel! {
    /// y = the convolution of the images x with the weights f, all `f32`. The rows of y are the results, in the order of images,
    /// rows and columns.
    #[launch(grid = s.blocks as u32, block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn conv_three(
        #[meta] window: Window,
        #[meta] s: Schedule,
        x: In<TF32, [n, h, w, c]>,
        f: In<TF32, [k, rows, cols, c]>,
        y: Out<f32, [results, k]>,
    ) {
        tiles(window, s, (x, f, y), |place| place);
    }

    /// The sums of a part of the positions and channels for each part.
    #[launch(grid = (s.blocks as u32, 1, s.parts as u32), block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn conv_three_parts(
        #[meta] window: Window,
        #[meta] s: Schedule,
        x: In<TF32, [n, h, w, c]>,
        f: In<TF32, [k, rows, cols, c]>,
        y: Out<f32, [parts, results, k]>,
    ) {
        tiles(window, s, (x, f, y), |[result, channel]| [block_idx().z, result, channel]);
    }
}

/// Computes the tiles of a block. `place` returns where a result and a channel are stored.
#[device]
fn tiles<const R: usize>(
    window: Window,
    s: Schedule,
    (x, f, y): (In<TF32, 4>, In<TF32, 4>, Out<f32, R>),
    place: impl Fn([Expr<i32>; 2]) -> [Expr<i32>; R],
) {
    let [k, rows, cols, c] = [0, 1, 2, 3].map(|axis| f.extent(axis));
    let pixels = StagedPixels::new(x, window, PixelRoute::Columns, s.stages, s.groups);
    let weights = f.remap([rows, cols, k, c], 4, |[row, col, k, c]| [k, row, col, c]);
    let weights = StagedInput::new(weights, s.stages, [s.outputs, CHANNELS]);
    let split = SplitTiles::of(weights.as_copied());
    let handover = Handover::new(s.stages);
    let pipeline = Pipeline::new(s.stages, s.groups, 1);
    let tiles = TileOrder::in_bands([pixels.rows(), k], [s.groups * 64, s.outputs], 8, 1, s.blocks);
    let channels = (c + (CHANNELS - 1)) / CHANNELS;
    let [begin, end] = [0, 1].map(|part| (block_idx().z + part) * (channels * window.positions()) / s.parts);
    #[warp_group(0)]
    {
        set_max_registers(40);
        if thread_id() == 0 {
            let at = pipeline.start();
            for (first, output) in tiles.origins() {
                let tile = pixels.tile(first);
                for step in begin..end {
                    let (position, channel) = (step / channels, step % channels * CHANNELS);
                    let (row, col) = (position / window.kernel[1], position % window.kernel[1]);
                    tile.load(&at, [row, col, channel], (&weights, output));
                }
            }
        }
    }
    #[warp_group(1)]
    {
        set_max_registers(56);
        let at = pipeline.start();
        for (_first, _output) in tiles.origins() {
            split_stages(&split, &at, handover, 1, end - begin);
        }
    }
    #[warp_group(2..s.groups + 2)]
    {
        set_max_registers(208);
        let (at, group) = (pipeline.start(), warp_id() / 4 - 2);
        let sums = registers::<f32>([s.outputs / 2]);
        for (first, output) in tiles.origins() {
            sums.fill(0.0);
            multiply_split(sums, (pixels.tiles(), &split), (&at, handover), group * 64, end - begin);
            store_sums(sums, y, (s.outputs, s.lanes), group, place([first, output]));
        }
    }
}
