//! There is one inner attribute.

use hidet::prelude::*;

kernel! {
    #![inline]
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
