//! The number of threads per block is a meta value.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = n)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
