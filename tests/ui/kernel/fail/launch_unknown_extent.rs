//! A grid is computed from extents.

use hidet::prelude::*;

kernel! {
    #[launch(grid = rows, block = 32)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
