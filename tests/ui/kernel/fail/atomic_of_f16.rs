//! Not every type has atomics.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, z: InOut<f16, [n]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        atomic_add(&z[[0]], f16::ONE);
    }
}

fn main() {}
