// A struct of the host as a parameter.

use hidet::prelude::*;

/// The operation.
#[derive(Clone, Debug)]
pub struct Plan {
    pub factor: f32,
    pub steps: i32,
}

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(#[meta] plan: Plan, x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let Plan { factor, steps } = plan;
        let mut v = x.get((i,));
        for _ in unroll(0..steps) {
            v *= factor;
        }
        y.set((i,), v);
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k(Plan { factor: 2.0, steps: 3 }).compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().map(|&v| v * 2.0 * 2.0 * 2.0).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
