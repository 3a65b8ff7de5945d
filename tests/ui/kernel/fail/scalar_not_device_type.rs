//! Device types only.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n]>, s: String) {
        let i = block_idx().x * 128 + thread_idx().x;
        let a = s;
    }
}

fn main() {}
