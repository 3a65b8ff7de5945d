// Plain numbers take the type that the context requires.

use hidet::prelude::*;

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k<T: Float>(x: In<T, [n]>, y: Out<T, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let mut sum = 0.0;
            sum += x[[i]] * 0.5;
            if sum < 1.0 {
                sum = sum + 1.5;
            }
            y[[i]] = sum.max(lit(0.25));
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f16> = (0..70).map(|i| f16::from_f32(i as f32 / 4.0 - 5.0)).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f16, 1>([70])?;
    k::<f16>().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f16> = host.iter().enumerate().map(|(i, &v)| { let mut s = v.to_f32() * 0.5; if s < 1.0 { s += 1.5; } f16::from_f32(s.max(0.25)) }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
