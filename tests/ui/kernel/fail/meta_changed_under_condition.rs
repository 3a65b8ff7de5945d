//! A meta value cannot depend on the device.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        #[meta]
        let mut count = 0;
        if i < n { count += 1; }
        y[[i, 0]] = count as f32;
    }
}

fn main() {}
