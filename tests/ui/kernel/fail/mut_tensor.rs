//! `let mut` declares a number.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let mut tile = shared::<f32>([4]);
        tile[[0]] = 1.0;
    }
}

fn main() {}
