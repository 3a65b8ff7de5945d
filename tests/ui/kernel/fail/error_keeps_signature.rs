//! A kernel with an error keeps its signature for callers.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>) {
        while true {}
    }
}

fn main() {
    let _: Template<(In<f32, 1>,)> = k();
}
