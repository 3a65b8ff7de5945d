//! Parameters do not change.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(mut x: In<f32, [n]>) {}
}

fn main() {}
