//! A launch gives at most 16 parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k(
        #[meta] size: i32, a: f32, b: f32, c: f32, d: f32, e: f32, f: f32, g: f32, h: f32, i: f32, j: f32, k: f32, l: f32,
        m: f32, n: f32, o: f32, p: f32, y: Out<f32, [1]>,
    ) {
        y[[0]] = a;
    }
}

fn main() {}
