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
fn softmax_builds() {
    let function = softmax::<f16>().build().unwrap();
    println!("{}", hidet::ir::text::print(&function));
    assert_eq!(function.params.len(), 2);
}
