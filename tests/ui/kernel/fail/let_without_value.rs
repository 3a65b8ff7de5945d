//! A variable has a value from the start.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let z;
        if i < n { z = 1.0; } else { z = 2.0; }
        y[[i, 0]] = z;
    }
}

fn main() {}
