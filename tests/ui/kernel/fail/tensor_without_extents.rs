//! A tensor has extents.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32>) {}
}

fn main() {}
