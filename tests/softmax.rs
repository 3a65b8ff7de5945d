//! The first kernel: DESIGN's softmax builds.

use hidet::prelude::*;

kernel! {
    /// y = softmax(x) along the last axis, one warp a row.
    #[launch(grid = rows.div_ceil(4), block = 128)]
    pub fn softmax<T: Float>(x: In<T, [rows, cols]>, y: Out<T, [rows, cols]>) {
        let row = block_idx().x * 4 + warp_id();
        if row < rows {
            let mut top = f32::MIN;
            for j in lanes(cols) { top = top.max(x[[row, j]] as f32); }
            let top = warp_max(top);
            let mut sum = 0.0;
            for j in lanes(cols) { sum += (x[[row, j]] as f32 - top).exp(); }
            let scale = 1.0 / warp_sum(sum);
            for j in lanes(cols) { y[[row, j]] = ((x[[row, j]] as f32 - top).exp() * scale) as T; }
        }
    }
}

#[test]
fn softmax_runs() -> hidet::Result<()> {
    let device = Device::sim();
    let (rows, cols) = (5, 77);
    let host: Vec<f32> = (0..rows * cols).map(|i| (i * 37 % 101) as f32 / 10.0).collect();
    let x = device.tensor(&host, [rows, cols])?;
    let mut y = device.empty([rows, cols])?;
    softmax::<f32>().compile(&device)?.launch(&x, &mut y)?;
    for (x, y) in host.chunks(cols).zip(y.to_vec()?.chunks(cols)) {
        let sum: f32 = x.iter().map(|v| v.exp()).sum();
        assert!(x.iter().zip(y).all(|(x, y)| (x.exp() / sum - y).abs() < 1e-6));
    }
    Ok(())
}

#[test]
fn a_prologue_is_fused() -> hidet::Result<()> {
    let device = Device::sim();
    let scaled: Template<(In<f16, 2>, Expr<f32>, Out<f32, 2>)> = softmax::<f32>().fuse(
        "scaled_softmax",
        ["x", "scale", "y"],
        |(x, scale, y): (In<f16, 2>, Expr<f32>, Out<f32, 2>)| (x.map(move |v, _| v.to::<f32>() * scale), y),
    );
    let host: Vec<f16> = (0..40).map(|i| f16::from_f32((i * 7 % 11) as f32)).collect();
    let x = device.tensor(&host, [4, 10])?;
    let mut y = device.empty([4, 10])?;
    scaled.compile(&device)?.launch(&x, 0.5, &mut y)?;
    for (x, y) in host.chunks(10).zip(y.to_vec()?.chunks(10)) {
        let sum: f32 = x.iter().map(|v| (v.to_f32() * 0.5).exp()).sum();
        assert!(x.iter().zip(y).all(|(x, y)| ((x.to_f32() * 0.5).exp() / sum - y).abs() < 1e-6));
    }
    Ok(())
}
