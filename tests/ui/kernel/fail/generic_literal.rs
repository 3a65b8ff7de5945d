//! A plain number meets any float by an operator, not by itself.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k<T: Float>(x: In<T, [n, m]>, y: Out<T, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = x[[i, 0]].max(0.0);
    }
}

fn main() {}
