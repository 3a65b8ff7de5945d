//! The numbers of names and values must be equal.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let (mut a, mut b) = (0.0, 0.0);
        (a, b) = (x[[i, 0]], x[[i, 0]], x[[i, 0]]);
        y[[i, 0]] = a + b;
    }
}

fn main() {}
