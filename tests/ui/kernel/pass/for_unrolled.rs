// Iterators of the host are unrolled while building.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(#[meta] weights: [f32; 3], x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let mut sum = x[[i]];
            for (k, weight) in weights.iter().enumerate() {
                if *weight == 0.0 {
                    continue;
                }
                sum += *weight * k as f32;
            }
            for k in unroll((0..8).rev()) {
                if k < 6 {
                    break;
                }
                sum += k as f32;
            }
            y[[i]] = sum;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k([1.0, 0.0, 2.0]).compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v + 2.0 * 2.0 + 7.0 + 6.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
