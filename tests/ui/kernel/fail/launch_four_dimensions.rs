//! Grids have at most three dimensions.

use hidet::prelude::*;

kernel! {
    #[launch(grid = (1, 2, 3, 4), block = 32)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
