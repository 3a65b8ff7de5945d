//! An unrolled loop can be continued only while building.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        for k in unroll(0..4) {
            if i < n { continue; }
            y[[i, k]] = 0.0;
        }
    }
}

fn main() {}
