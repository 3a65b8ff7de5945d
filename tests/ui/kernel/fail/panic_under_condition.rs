//! A panic cannot depend on a condition of the device.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(y: Out<i32, [n]>, mode: i32) {
        y[[0]] = if mode == 0 { 1 } else { unreachable!("mode {}", 1) };
        for i in 0..n { todo!(); }
    }
}

fn main() {}
