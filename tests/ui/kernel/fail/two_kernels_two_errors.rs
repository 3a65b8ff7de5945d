//! The errors of every kernel are reported.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn a(x: In<f32, [n]>) {
        break;
    }

    #[launch(grid = 1, block = 32)]
    pub fn b(x: In<f32, [n]>) {
        return 1;
    }
}

fn main() {}
