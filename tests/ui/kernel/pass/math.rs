// Methods with the names of Rust's own.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let v = x.get((i,));
        let a = v.abs().sqrt().floor() + v.max(1.0).min(2.0) + v.clamp(-1.0, 1.0);
        y.set((i,), a + v.trunc() + (-v).ceil());
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v.abs().sqrt().floor() + v.max(1.0).min(2.0) + v.clamp(-1.0, 1.0) + v.trunc() + (-v).ceil()).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
