//! Device functions, tuples, and Welford's method across a block.

use hidet::prelude::*;

/// Count, mean and sum of squared differences of two samples taken together.
#[device]
fn combine(
    a: (Expr<f32>, Expr<f32>, Expr<f32>),
    b: (Expr<f32>, Expr<f32>, Expr<f32>),
) -> (Expr<f32>, Expr<f32>, Expr<f32>) {
    let count = a.0 + b.0;
    let delta = b.1 - a.1;
    let share = if count > 0.0 { b.0 / count } else { 0.0 };
    (count, a.1 + delta * share, a.2 + b.2 + delta * delta * a.0 * share)
}

kernel! {
    /// y = (x - mean) / sqrt(variance + epsilon) * gain + bias along the last axis, one block per row.
    #[launch(grid = rows, block = 256)]
    pub fn layer_norm<T: Float>(
        x: In<T, [rows, cols]>,
        gain: In<T, [cols]>,
        bias: In<T, [cols]>,
        y: Out<T, [rows, cols]>,
        epsilon: f32,
    ) {
        let row = block_idx().x;
        let mut count = 0.0;
        let mut mean = 0.0;
        let mut squares = 0.0;
        for j in (thread_idx().x..cols).step_by(256) {
            let v = x[[row, j]] as f32;
            count += 1.0;
            let delta = v - mean;
            mean += delta / count;
            squares += delta * (v - mean);
        }
        for step in unroll([16, 8, 4, 2, 1]) {
            let other = (shuffle_down(count, step), shuffle_down(mean, step), shuffle_down(squares, step));
            (count, mean, squares) = combine((count, mean, squares), other);
        }
        let parts = shared::<f32>([8, 3]);
        if lane_id() == 0 {
            parts[[warp_id(), 0]] = count;
            parts[[warp_id(), 1]] = mean;
            parts[[warp_id(), 2]] = squares;
        }
        sync_threads();
        let mut all = (parts[[0, 0]], parts[[0, 1]], parts[[0, 2]]);
        for w in unroll(1..8) {
            all = combine(all, (parts[[w, 0]], parts[[w, 1]], parts[[w, 2]]));
        }
        let (count, mean, squares) = all;
        let scale = 1.0 / (squares / count + epsilon).sqrt();
        for j in (thread_idx().x..cols).step_by(256) {
            let v = (x[[row, j]] as f32 - mean) * scale;
            y[[row, j]] = (v * (gain[[j]] as f32) + bias[[j]] as f32) as T;
        }
    }
}

/// Normalises a few rows; each then has mean 0 and variance 1.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, cols) = (4, 768);
    let host: Vec<f32> = (0..rows * cols).map(|i| (i * 37 % 101) as f32).collect();
    let x = device.tensor(&host, [rows, cols])?;
    let (gain, bias) = (device.tensor(&vec![1.0; cols], [cols])?, device.zeros([cols])?);
    let mut y = device.empty([rows, cols])?;
    layer_norm::<f32>().compile(device)?.launch(&x, &gain, &bias, &mut y, 1e-5)?;
    for row in y.to_vec()?.chunks(cols) {
        let mean = row.iter().sum::<f32>() / cols as f32;
        let variance = row.iter().map(|v| v * v).sum::<f32>() / cols as f32;
        assert!(mean.abs() < 1e-5 && (variance - 1.0).abs() < 1e-3);
    }
    println!("the rows have mean 0 and variance 1");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
