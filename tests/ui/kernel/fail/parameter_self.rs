//! Kernels are not methods.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(self, x: In<f32, [n]>) {}
}

fn main() {}
