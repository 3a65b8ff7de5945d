// `&&`, `||` and `!`; the right side is not loaded where it does not count.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: InOut<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n && !(x[[i]] < 0.0) || i == 0 {
            y[[i]] = 1.0;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<f32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| if v >= 0.0 || i == 0 { 1.0 } else { 0.0 }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
