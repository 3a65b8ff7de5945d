//! An `Element` can be moved, but has no arithmetic.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k<T: Element>(x: In<T, [n, m]>, y: Out<T, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = x[[i, 0]] + x[[i, 0]];
    }
}

fn main() {}
