// Reductions over a warp and a block.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let v = x.get((i,));
        let total = warp_sum(v) + block_max::<32>(v);
        if i < n {
            y[[i]] = total;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| (i % 9) as f32).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<f32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| { let _ = v; let at = i / 32 * 32; let all = &host[at..(at + 32).min(host.len())]; all.iter().sum::<f32>() + all.iter().copied().fold(f32::MIN, f32::max) }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
