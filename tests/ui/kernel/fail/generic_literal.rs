//! A plain number converts to a generic float by an operator, but not on its own.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k<T: Float>(x: In<T, [n, m]>, y: Out<T, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = x[[i, 0]].max(0.0);
    }
}

fn main() {}
