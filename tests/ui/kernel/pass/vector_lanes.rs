// The elements of a vector.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let _ = i;
        let t = thread_id() * 2;
        if t < n {
            let v = x.load::<2>((t,));
            y.store((t,), vector2(v.lane(1), v.lane(0)));
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..64).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [64])?;
    let mut y = device.zeros::<f32, 1>([64])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| { let _ = v; host[i ^ 1] }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
