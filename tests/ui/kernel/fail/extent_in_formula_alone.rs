//! A launch cannot determine an extent that is used only in formulas.

use hidet::prelude::*;

const K: i32 = 4;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k<const C: i32>(#[meta] size: i32, x: In<f32, [n * 2, m]>, y: Out<f32, [size * C + K, m + 1]>) {}
}

fn main() {}
