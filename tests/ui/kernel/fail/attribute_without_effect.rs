//! An attribute without effect is an error.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        #[warp(0)]
        if i < n { y[[i, 0]] = 0.0; }
        #[warp(0)]
        y[[i, 0]] = x[[i, 0]];
    }
}

fn main() {}
