//! As `float_times_int_literal`, with the number on the left.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let a = 0.5 * i;
        y[[i, 0]] = a as f32;
    }
}

fn main() {}
