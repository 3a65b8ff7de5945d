//! `launch` needs both.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1)]
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
