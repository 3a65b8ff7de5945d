//! A kernel needs launch settings.

use hidet::prelude::*;

kernel! {
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
