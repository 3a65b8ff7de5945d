//! All errors of a kernel are reported at once.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(128), block = 128)]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let i = block_idx().x * 128 + thread_idx().x;
        let z;
        while true {}
        let a = 1.0;
        a = 2.0;
        break 'rows;
        println!();
    }
}

fn main() {}
