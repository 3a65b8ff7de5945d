//! A loop of the device cannot leave an unrolled one.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        'outer: for k in unroll(0..4) {
            for j in 0..n {
                y[[j, k]] = 0.0;
                break 'outer;
            }
        }
    }
}

fn main() {}
