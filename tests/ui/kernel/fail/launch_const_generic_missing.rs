//! A template needs its parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn fill<const VALUE: i32>(y: Out<i32, [n]>) {
        y[[thread_idx().x]] = VALUE;
    }
}

fn main() {
    let _ = fill().build();
}
