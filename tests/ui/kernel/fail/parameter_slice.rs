//! Memory on the device is a tensor.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: &[f32], y: Out<f32, [n]>) {}
}

fn main() {}
