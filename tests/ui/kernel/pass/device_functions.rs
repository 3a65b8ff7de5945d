// Device functions, generic and with early returns.

use hidet::prelude::*;

#[device]
fn clip<T: Float>(x: Expr<T>, top: T) -> Expr<T> {
    if x < 0.0 {
        return x * 0.0;
    }
    let mut result = x;
    if x > top {
        result = top;
    }
    result
}

#[device]
fn accumulate(sum: &mut Var<f32>, v: Expr<f32>) {
    *sum += v;
}

kernel! {
    #[launch(grid = n.div_ceil(32), block = 32)]
    pub fn k(x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 32 + thread_idx().x;
        if i < n {
            let v = x[[i]];
            let mut sum = 0.0;
            accumulate(&mut sum, v);
            accumulate(&mut sum, clip(v, 1.0));
            y[[i]] = sum;
        }
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let host: Vec<f32> = (0..70).map(|i| i as f32 / 4.0 - 5.0).collect();
    let x = device.tensor(&host, [70])?;
    let mut y = device.zeros::<f32, 1>([70])?;
    k().compile(&device)?.launch(&x, &mut y)?;
    let expected: Vec<f32> = host.iter().enumerate().map(|(i, &v)| v + if v < 0.0 { 0.0 } else if v > 1.0 { 1.0 } else { v }).collect();
    assert_eq!(y.to_vec()?, expected);
    Ok(())
}
