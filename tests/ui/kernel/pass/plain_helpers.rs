// A plain function that only computes needs no macro.

use hidet::prelude::*;

fn gelu(x: Expr<f32>) -> Expr<f32> {
    (x * 0.7978846).tanh() * 0.5 + 0.5
}

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        y.set((i,), gelu(x.get((i,))));
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| { let _ = v; (v * 0.7978846).tanh() * 0.5 + 0.5 }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
