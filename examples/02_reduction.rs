//! Sums, from one warp to the whole grid.
//!
//! A warp sums by shuffles, a block through shared memory, the grid in one launch: the last block to finish adds what
//! all blocks stored in global memory.

use hidet::prelude::*;

kernel! {
    /// The sum of each row, one warp per row.
    #[launch(grid = rows.div_ceil(8), block = 256)]
    pub fn row_sum_warp<T: Float>(x: In<T, [rows, cols]>, y: Out<f32, [rows]>) {
        let row = block_idx().x * 8 + warp_id();
        if row < rows {
            let mut sum = 0.0;
            for j in lanes(cols) {
                sum += x[[row, j]] as f32;
            }
            let sum = warp_sum(sum);
            if lane_id() == 0 {
                y[[row]] = sum;
            }
        }
    }

    /// The sum of each row, one block per row: the warps exchange their sums through shared memory.
    #[launch(grid = rows, block = 256)]
    pub fn row_sum_block<T: Float>(x: In<T, [rows, cols]>, y: Out<f32, [rows]>) {
        let row = block_idx().x;
        let mut sum = 0.0;
        for j in (thread_idx().x..cols).step_by(256) {
            sum += x[[row, j]] as f32;
        }
        let parts = shared::<f32>([8]);
        let part = warp_sum(sum);
        if lane_id() == 0 {
            parts[[warp_id()]] = part;
        }
        sync_threads();
        if thread_idx().x == 0 {
            let mut total = 0.0;
            for w in unroll(0..8) {
                total += parts[[w]];
            }
            y[[row]] = total;
        }
    }

    /// The sum of everything in one launch. `done` counts finished blocks and must start at 0; it is left at 0.
    #[launch(grid = blocks, block = 256)]
    pub fn sum_all(
        #[meta] blocks: i32,
        x: In<f32, [n]>,
        partial: InOut<f32, [blocks]>,
        done: InOut<u32, [1]>,
        y: Out<f32, [1]>,
    ) {
        let mut sum = 0.0;
        for i in (block_idx().x * 256 + thread_idx().x..n).step_by(256 * blocks) {
            sum += x[[i]];
        }
        let total = block_sum::<256>(sum);
        let last = shared::<bool>([1]);
        if thread_idx().x == 0 {
            partial[[block_idx().x]] = total;
            fence_device();
            last[[0]] = atomic_add(&done[[0]], 1) == (blocks - 1) as u32;
            // Thread 0 acquires the sums that the other blocks published; the barrier passes them on to the block.
            fence_device();
        }
        sync_threads();
        if last[[0]] {
            let mut sum = 0.0;
            for i in (thread_idx().x..blocks).step_by(256) {
                sum += partial[[i]];
            }
            let total = block_sum::<256>(sum);
            if thread_idx().x == 0 {
                y[[0]] = total;
                done[[0]] = 0;
            }
        }
    }
}

/// Sums the rows of a matrix and all of it.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, cols) = (10, 777);
    let host: Vec<f32> = (0..rows * cols).map(|i| (i % 7) as f32).collect();
    let x = device.tensor(&host, [rows, cols])?;
    let (mut by_warp, mut by_block) = (device.empty([rows])?, device.empty([rows])?);
    row_sum_warp::<f32>().compile(device)?.launch(&x, &mut by_warp)?;
    row_sum_block::<f32>().compile(device)?.launch(&x, &mut by_block)?;
    let expected: Vec<f32> = host.chunks(cols).map(|row| row.iter().sum()).collect();
    assert_eq!(by_warp.to_vec()?, expected);
    assert_eq!(by_block.to_vec()?, expected);

    let x = device.tensor(&host, [rows * cols])?;
    let (mut partial, mut done, mut y) = (device.zeros([16])?, device.zeros([1])?, device.empty([1])?);
    sum_all(16).compile(device)?.launch(&x, &mut partial, &mut done, &mut y)?;
    assert_eq!(y.to_vec()?[0], host.iter().sum::<f32>());
    println!("sum = {}", y.to_vec()?[0]);
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
