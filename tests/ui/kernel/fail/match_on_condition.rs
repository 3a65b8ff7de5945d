//! `match` is for meta values, also where it has a value.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = match i < n { true => 1.0, false => 0.0 };
    }
}

fn main() {}
