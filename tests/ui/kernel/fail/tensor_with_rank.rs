//! A tensor parameter has extents, not a rank.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, 2>) {}
}

fn main() {}
