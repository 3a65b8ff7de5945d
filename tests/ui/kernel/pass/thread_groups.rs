// Groups of warps with work of their own.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(64), block = 64)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 64 + thread_id();
        #[warp(0)]
        {
            y.set((i,), x.get((i,)) + 1.0);
        }
        #[threads(32..64)]
        {
            let j = block_idx().x * 64 + thread_id();
            y.set((j,), x.get((j,)) + 2.0);
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| v + if i % 64 < 32 { 1.0 } else { 2.0 }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
