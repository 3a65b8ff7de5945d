//! A cooperative grid: many passes over a tensor in one launch, with the barrier of the grid between them.

use hidet::prelude::*;

kernel! {
    /// `passes` times: each element becomes a quarter of each neighbour and half of itself, with 0 beyond the ends. From x
    /// to y and back; the result is in y if `passes` is odd, else in x.
    #[launch(grid = BLOCKS, block = 256, cooperative)]
    pub fn grid_diffusion<const BLOCKS: i32>(#[meta] passes: i32, x: InOut<f32, [n]>, y: InOut<f32, [n]>) {
        let first = block_idx().x * 256 + thread_id();
        for pass in unroll(0..passes) {
            let (from, to) = if pass % 2 == 0 { (x, y) } else { (y, x) };
            for i in (first..n).step_by(BLOCKS * 256) {
                to[[i]] = 0.25 * (from.get((i - 1,)) + from.get((i + 1,))) + 0.5 * from[[i]];
            }
            grid_sync();
        }
    }
}
