// `grid` and `block` as arrays, and memory whose extents are numbers and extents of parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = [n, 2], block = [32, 2])]
    pub fn k(x: In<f32, [n, m]>, y: Out<f32, [n, m]>) {
        let tile = shared::<f32>([4, m]);
        let pair = [thread_idx().y, 0];
        let row = tile.tile([pair[1], 0], [1, m]).row(0);
        if thread_idx().y == 0 && block_idx().y == 1 {
            for j in lanes(m) { row[[j]] = x[[block_idx().x, j]]; }
            sync_warp();
            for j in lanes(m) { y[[block_idx().x, j]] = tile[[0, m - 1 - j]]; }
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..3 * 70).map(|i| i as f32).collect();
    let x = device.tensor(&host, [3, 70])?;
    let mut y = device.zeros::<f32, 2>([3, 70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = (0..3 * 70).map(|i| (i / 70 * 70 + 69 - i % 70) as f32).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
