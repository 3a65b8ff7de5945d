//! `launch` has four keys.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32, stream = 0)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
