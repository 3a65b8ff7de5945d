//! Each parameter has a name of its own.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>, x: f32, #[meta] y: i32) {
        y[[0]] = x;
    }
}

fn main() {}
