//! A type parameter needs a bound.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k<T>(x: In<T, [n, m]>, y: Out<T, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = x[[i, 0]];
    }
}

fn main() {}
