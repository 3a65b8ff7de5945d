// Ranges with steps, inclusive ranges, unrolling.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let mut sum = 0;
            for a in (0..10).step_by(3) {
                sum += a;
            }
            for a in 1..=4 {
                sum += a;
            }
            #[unroll]
            for a in 0..3 {
                sum += a;
            }
            #[unroll(2)]
            for a in 0..4 {
                sum += a;
            }
            y[[i]] = x[[i]] + sum as f32;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v + 37.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
