//! The attribute is not one of a loop.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        #[parallel]
        for k in 0..n { y[[k, 0]] = 0.0; }
    }
}

fn main() {}
