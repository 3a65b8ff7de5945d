//! The types of a fused kernel are checked too.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), x.get((i,)) * 2.0);
    }
}

fn main() {
    let _ = double().fuse("f", ["x", "y"], |(x, y): (In<i32, 1>, Out<f32, 1>)| (x, y));
}
