//! Generic over the element type: one source for f16, bf16, f32 and f64.

use hidet::prelude::*;

kernel! {
    /// y = softmax(x) along the last axis, one warp per row, computed in f32.
    #[launch(grid = rows.div_ceil(4), block = 128)]
    pub fn softmax<T: Float>(x: In<T, [rows, cols]>, y: Out<T, [rows, cols]>) {
        let row = block_idx().x * 4 + warp_id();
        if row < rows {
            let mut top = f32::MIN;
            for j in lanes(cols) {
                top = top.max(x[[row, j]] as f32);
            }
            let top = warp_max(top);
            let mut sum = 0.0;
            for j in lanes(cols) {
                sum += (x[[row, j]] as f32 - top).exp();
            }
            let scale = 1.0 / warp_sum(sum);
            for j in lanes(cols) {
                y[[row, j]] = ((x[[row, j]] as f32 - top).exp() * scale) as T;
            }
        }
    }
}

/// The softmax of a few rows; every row sums to one.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, cols) = (6, 100);
    let host: Vec<f32> = (0..rows * cols).map(|i| (i * 37 % 101) as f32 / 10.0).collect();
    let x = device.tensor(&host, [rows, cols])?;
    let mut y = device.empty([rows, cols])?;
    softmax::<f32>().compile(device)?.launch(&x, &mut y)?;
    for row in y.to_vec()?.chunks(cols) {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    println!("the rows sum to one");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
