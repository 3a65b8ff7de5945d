//! A kernel says how it is launched.

use hidet::prelude::*;

kernel! {
    pub fn k(x: In<f32, [n]>) {}
}

fn main() {}
