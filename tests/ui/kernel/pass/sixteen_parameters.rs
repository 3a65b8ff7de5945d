// The most parameters of a launch, beside meta parameters.

use hidet::prelude::*;

kernel! {
    #[launch(grid = 1, block = 1)]
    pub fn sum(
        #[meta] factor: f32, a: f32, b: f32, c: f32, d: f32, e: f32, f: f32, g: f32, h: f32, i: f32, j: f32, k: f32, l: f32,
        m: f32, n: f32, x: In<f32, [1]>, y: Out<f32, [1]>,
    ) {
        y[[0]] = (a + b + c + d + e + f + g + h + i + j + k + l + m + n + x[[0]]) * factor;
    }
}

fn main() -> hidet::Result<()> {
    let device = Device::sim();
    let x = device.tensor(&[100.0], [1])?;
    let mut y = device.empty([1])?;
    let kernel = sum(2.0).compile(&device)?;
    kernel.launch(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, &x, &mut y)?;
    assert_eq!(y.to_vec()?, [410.0]);
    Ok(())
}
