// Extents that repeat, constants and formulas.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k<const WIDTH: i32>(x: In<f32, [n]>, y: Out<f32, [n]>, w: In<f32, [2, WIDTH]>, z: In<f32, [2 * n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            y[[i]] = x[[i]] + w[[0, 1]] + z[[2 * i + 1]];
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    let (w, z) = (device.zeros::<f32, 2>([2, 3])?, device.zeros::<f32, 1>([140])?);
    k::<3>().compile(&device)?.launch(&x, &mut y, &w, &z)?;
    let expected: Vec<f32> = host.iter().map(|&v| v).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
