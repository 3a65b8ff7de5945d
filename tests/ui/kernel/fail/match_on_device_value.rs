//! `match` is for meta values.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        match i {
            0 => y[[i, 0]] = 0.0,
            _ => y[[i, 0]] = 1.0,
        }
    }
}

fn main() {}
