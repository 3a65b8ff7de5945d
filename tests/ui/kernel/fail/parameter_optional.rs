//! An optional parameter says when the kernel has it, and only an optional one does.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn add(x: Option<In<f32, [n]>>, y: Out<f32, [n]>) {}
}

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn scale(y: Out<f32, [n]>, by: Option<f32>) {}
}

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn shift(#[meta] given: bool, #[when(given)] x: In<f32, [n]>, y: Out<f32, [n]>) {}
}

fn main() {}
