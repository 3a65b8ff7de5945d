//! Rust's formats, of device values and of what is known while building.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn k<T: Element>(x: In<T, [n]>, y: In<f16, [n]>) {
        let i = block_idx().x;
        let known = 2.5;
        print!("{} {:?} {:>8.3} {} {i:#06x} {known:.2}", x[[i]], x[[i]], y[[i]], i < 3);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    k::<i32>().compile(&device)?.launch(&device.tensor(&[-7], [1])?, &device.zeros([1])?)
}
