//! Kernels have no futures.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let a = std::future::ready(1).await;
        y[[i, 0]] = a as f32;
    }
}

fn main() {}
