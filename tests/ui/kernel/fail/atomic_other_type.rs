//! The operand has the type of the element.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, z: InOut<f32, [n]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        atomic_add(&z[[0]], i);
    }
}

fn main() {}
