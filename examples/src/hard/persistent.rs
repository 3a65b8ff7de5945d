//! A persistent grid: warps take tiles from a counter until none are left.

use hidet::prelude::*;

kernel! {
    /// y = x * x. `counter` must start at 0.
    #[launch(grid = 8, block = 32)]
    pub fn persistent_square(x: In<f32, [n]>, y: Out<f32, [n]>, counter: InOut<i32, [1]>) {
        loop {
            let mut tile = 0;
            if lane_id() == 0 {
                tile = atomic_add(&counter[[0]], 1);
            }
            let tile = shuffle(tile, 0);
            if tile * 32 >= n {
                break;
            }
            let i = tile * 32 + lane_id();
            if i < n {
                y[[i]] = x[[i]] * x[[i]];
            }
        }
    }
}
