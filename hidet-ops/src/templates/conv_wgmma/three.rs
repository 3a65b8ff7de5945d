//! Convolutions of `f32` as three products of tf32: a warp group copies pixels and weights by TMA, another one splits the weights,
//! one or two multiply.

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
    /// Blocks that run at the same time.
    blocks: i32,
    /// Positions and channels that are in flight at the same time.
    stages: i32,
    /// Warp groups per block that multiply, each 64 results.
    groups: i32,
    /// Output channels per block.
    outputs: i32,
    /// Results of a row that a thread stores at a time.
    lanes: i32,
}

impl Schedule {
    /// Returns the schedule with the least expected time, in steps of 32 channels of a position.
    pub(super) fn of([results, outputs, steps]: [usize; 3], multiprocessors: usize) -> Schedule {
        let tiles = [(2, 128, 1.0), (2, 64, 0.7), (1, 128, 0.7), (1, 64, 0.5)];
        let count = |(groups, cols, _): &(i32, i32, f64)| {
            results.div_ceil(64 * *groups as usize) * outputs.div_ceil(*cols as usize)
        };
        let expected = |tile: &(i32, i32, f64)| {
            let (groups, cols, share) = *tile;
            let waves = count(tile).div_ceil(multiprocessors) as f64;
            waves * (steps as f64 * f64::from(groups * 64 * cols) / share + 50_000.0)
        };
        let best = tiles.into_iter().min_by(|a, b| expected(a).total_cmp(&expected(b))).unwrap_or(tiles[0]);
        let (groups, cols, _) = best;
        // Of weights there are the nearest tf32 and the rests.
        let stages = ((227 * 1024 - 2048) / ((groups * 64 + 2 * cols) * 128)).min(6);
        let blocks = count(&best).min(multiprocessors) as i32;
        Schedule { blocks, stages, groups, outputs: cols, lanes: if outputs.is_multiple_of(2) { 2 } else { 1 } }
    }
}

kernel! {
    /// y = the convolution of the images x with the weights f, both of which are the bits of `f32`. The rows of y are the results,
    /// in the order of images, rows and columns.
    #[launch(grid = s.blocks as u32, block = (s.groups as u32 + 2) * 128, min_blocks = 1)]
    pub(super) fn conv_three(
        #[meta] window: Window,
        #[meta] s: Schedule,
        x: In<TF32, [n, h, w, c]>,
        f: In<TF32, [k, rows, cols, c]>,
        y: Out<f32, [results, k]>,
    ) {
        grid_launch();
        let pixels = StagedPixels::new(x, window, PixelRoute::Columns, s.stages, s.groups);
        let weights = f.remap([rows, cols, k, c], 4, |[row, col, k, c]| [k, row, col, c]);
        let weights = StagedInput::new(weights, s.stages, [s.outputs, CHANNELS]);
        let split = SplitTiles::of(weights.as_copied());
        let handover = Handover::new(s.stages);
        let pipeline = Pipeline::new(s.stages, s.groups, 1);
        let tiles = TileOrder::in_bands([pixels.rows(), k], [s.groups * 64, s.outputs], 8, 1, s.blocks);
        let channels = (c + (CHANNELS - 1)) / CHANNELS;
        let steps = channels * window.positions();
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                let at = pipeline.start();
                for (first, output) in tiles.origins() {
                    let tile = pixels.tile(first);
                    for step in 0..steps {
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
                split_stages(&split, &at, handover, 1, steps);
            }
        }
        #[warp_group(2..s.groups + 2)]
        {
            set_max_registers(208);
            let (at, group) = (pipeline.start(), warp_id() / 4 - 2);
            let sums = registers::<f32>([s.outputs / 2]);
            for (first, output) in tiles.origins() {
                sums.fill(0.0);
                multiply_split(sums, (pixels.tiles(), &split), (&at, handover), group * 64, steps);
                store_sums(sums, y, (s.outputs, s.lanes), group, [first, output]);
            }
        }
    }
}
