//! Rust reads `u32 <` as the start of generic arguments.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        if i as u32 < n as u32 { y[[i, 0]] = 0.0; }
    }
}

fn main() {}
