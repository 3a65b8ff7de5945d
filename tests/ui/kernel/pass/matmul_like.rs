// Two dimensions, protected access, a device loop.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        let _ = i;
        for t in lanes(n) {
            let mut sum = 0.0;
            for k in t - 1..t + 2 {
                sum += x.get((k,));
            }
            y[[t]] = sum;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| { let mut s = 0.0; if i > 0 { s += host[i - 1]; } s += v; if i + 1 < host.len() { s += host[i + 1]; } s }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
