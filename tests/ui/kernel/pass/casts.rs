// `as`, on the device and while building.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<i32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let half = 7 as f32 / 2.0;
        let v = x.get((i,));
        let a = v as f32 * half;
        y.set((i,), (a as i32 as u8) as f32 + (v > 3) as i32 as f32);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<i32> = (0..70).map(|i| i - 9).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| { let a = v as f32 * 3.5; (a as i32 as u8) as f32 + (v > 3) as i32 as f32 }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
