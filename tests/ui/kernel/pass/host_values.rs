// Values of the host become constants.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let scale = (4.0f32).sqrt() * 3.0;
        let table = [1.0f32, 2.0, 4.0];
        let list = vec![1, 2, 3];
        let total: i32 = list.iter().sum();
        let v = x.get((i,)) * scale + table[2];
        y.set((i,), v + total as f32);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v * 6.0 + 4.0 + 6.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
