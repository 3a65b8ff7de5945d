//! Parameters have one attribute.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(#[shared] x: In<f32, [n]>) {}
}

fn main() {}
