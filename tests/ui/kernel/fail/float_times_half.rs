//! Types do not convert implicitly.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let half = x[[i, 0]] as f16;
        y[[i, 0]] = x[[i, 0]] * half;
    }
}

fn main() {}
