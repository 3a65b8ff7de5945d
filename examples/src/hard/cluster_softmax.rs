//! Rows too long for one block: the shared memory of a cluster holds a row, so that it is read once.

use hidet::prelude::*;

kernel! {
    /// y = softmax(x) along the last axis; `BLOCKS` blocks per row, each with its part of it in shared memory.
    #[launch(grid = rows * BLOCKS, block = 256, cluster = BLOCKS)]
    pub fn cluster_softmax<const BLOCKS: i32>(x: In<f32, [rows, cols]>, y: Out<f32, [rows, cols]>) {
        let width = (cols + (BLOCKS - 1)) / BLOCKS;
        let part = shared::<f32>([width]);
        let (tops, sums) = (shared::<f32>([1]), shared::<f32>([1]));
        let row = block_idx().x / BLOCKS;
        let start = cluster_rank() * width;
        let count = (cols - start).min(width);
        let mut top = f32::MIN;
        for i in (thread_id()..count).step_by(256) {
            part[[i]] = x[[row, start + i]];
            top = top.max(part[[i]]);
        }
        let top = block_max::<256, f32>(top);
        if thread_id() == 0 {
            tops[[0]] = top;
        }
        cluster_sync();
        // One lane per block.
        let mut top = f32::MIN;
        if lane_id() < BLOCKS {
            top = tops.at_rank(lane_id())[[0]];
        }
        let top = warp_max(top);
        let mut sum = 0.0;
        for i in (thread_id()..count).step_by(256) {
            part[[i]] = (part[[i]] - top).exp();
            sum += part[[i]];
        }
        let sum = block_sum::<256, f32>(sum);
        if thread_id() == 0 {
            sums[[0]] = sum;
        }
        cluster_sync();
        let mut sum = 0.0;
        if lane_id() < BLOCKS {
            sum = sums.at_rank(lane_id())[[0]];
        }
        let scale = 1.0 / warp_sum(sum);
        for i in (thread_id()..count).step_by(256) {
            y[[row, start + i]] = part[[i]] * scale;
        }
        // The other blocks may still read the sum of this block.
        cluster_sync();
    }
}
