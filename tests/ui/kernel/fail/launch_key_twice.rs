//! Each key may be given once.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32, block = 64)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
