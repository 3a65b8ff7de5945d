// Votes over a warp.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<u32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let v = x.get((i,));
        let bits = warp_ballot(v > 0.0);
        let any = warp_any(v > 100.0);
        if i < n {
            y[[i]] = if any { 0u32 } else { bits };
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<u32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<u32> = host.iter().enumerate().map(|(i, &v)| { let _ = v; let at = i / 32 * 32; (0..32).map(|k| ((host[at + k] > 0.0) as u32) << k).sum::<u32>() }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
