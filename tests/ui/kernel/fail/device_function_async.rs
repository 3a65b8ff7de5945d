//! Device functions have no futures.

use hidet::prelude::*;

#[device]
async fn half(x: Expr<f32>) -> Expr<f32> {
    x * 0.5
}

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        y[[i, 0]] = 0.0;
    }
}

fn main() {}
