// Tiles, rows and columns are views.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let m = x.remap([n / 2, n / 2 * 0 + 2], 1, |[r, c]| [r * 2 + c]);
            let row = m.row(i / 2);
            let tile = y.tile([i - i % 2], [2]);
            tile[[i % 2]] = row[[i % 2]] + m.column(0)[[i / 2]];
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<f32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| v + host[i / 2 * 2]).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
