//! A tile in shared memory with a swizzled layout, so that neither rows nor columns have bank conflicts.

use hidet::prelude::*;

kernel! {
    /// y = x transposed, through 32 x 32 tiles.
    #[launch(grid = (cols.div_ceil(32), rows.div_ceil(32)), block = (32, 8))]
    pub fn transpose<T: Element>(x: In<T, [rows, cols]>, y: Out<T, [cols, rows]>) {
        let tile = shared::<T>(Layout::row_major([32, 32]).swizzle(1, 0, 0));
        let (row0, col0) = (block_idx().y * 32, block_idx().x * 32);
        for k in unroll((0..32).step_by(8)) {
            let (r, c) = (thread_idx().y + k, thread_idx().x);
            if row0 + r < rows && col0 + c < cols {
                tile[[r, c]] = x[[row0 + r, col0 + c]];
            }
        }
        sync_threads();
        for k in unroll((0..32).step_by(8)) {
            let (r, c) = (thread_idx().y + k, thread_idx().x);
            if col0 + r < cols && row0 + c < rows {
                y[[col0 + r, row0 + c]] = tile[[c, r]];
            }
        }
    }
}

/// Transposes a matrix.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, cols) = (70, 45);
    let host: Vec<i32> = (0..rows * cols).map(|i| i as i32).collect();
    let x = device.tensor(&host, [rows, cols])?;
    let mut y = device.empty([cols, rows])?;
    transpose::<i32>().compile(device)?.launch(&x, &mut y)?;
    let y = y.to_vec()?;
    assert!((0..rows).all(|r| (0..cols).all(|c| y[c * rows + r] == host[r * cols + c])));
    println!("{rows} x {cols} transposed");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
