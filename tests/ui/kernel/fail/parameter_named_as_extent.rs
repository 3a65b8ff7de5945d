//! A parameter and an extent need different names.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(n: In<f32, [n]>) {}
}

fn main() {}
