//! A tensor has a type.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In) {}
}

fn main() {}
