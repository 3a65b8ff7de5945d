//! The attributes of parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(#[shared] x: In<f32, [n]>, #[partial] y: InOut<f32, [n]>, #[partial] a: f32, #[meta] #[partial] b: bool) {}
}

fn main() {}
