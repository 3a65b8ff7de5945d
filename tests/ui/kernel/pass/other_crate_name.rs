// The path of the crate `hidet` can be given.

use hidet::prelude::*;

mod elsewhere {
    pub use ::hidet as tensors;
}

elsewhere::tensors::kernel! {
    #![hidet(crate = elsewhere::tensors)]

    #[launch(grid = 1, block = 32)]
    pub fn fill(y: Out<i32, [n]>) {
        y.set((thread_idx().x,), double(thread_idx().x));
    }
}

#[device(crate = elsewhere::tensors)]
fn double(x: Expr<i32>) -> Expr<i32> {
    x * 2
}

fn main() -> elsewhere::tensors::Result<()> {
    let device = Device::sim();
    let mut y = device.empty::<i32, 1>([32])?;
    fill().compile(&device)?.launch(&mut y)?;
    assert_eq!(y.to_vec()?, (0..32).map(|i| 2 * i).collect::<Vec<i32>>());
    Ok(())
}
