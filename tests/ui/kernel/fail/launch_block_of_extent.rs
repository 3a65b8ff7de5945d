//! A block has a number of threads known while building.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = n)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
