//! The numbers of arguments and parameters must be equal.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn double(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), x.get((i,)) * 2.0);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.zeros::<f32, 1>([4])?;
    let kernel = double().compile(&device)?;
    kernel.launch(&x)
}
