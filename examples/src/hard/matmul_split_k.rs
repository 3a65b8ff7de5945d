//! Split-k in one launch: blocks add their partial sums one after the other, ordered by a semaphore.

use hidet::prelude::*;

kernel! {
    /// c = a * b, the depth cut into `parts`. `turn` must start at 0 and ends at 0.
    #[launch(grid = (n.div_ceil(16), m.div_ceil(16), parts), block = (16, 16))]
    pub fn matmul_split_k(
        #[meta] parts: i32,
        a: In<f32, [m, k]>,
        b: In<f32, [k, n]>,
        c: InOut<f32, [m, n]>,
        turn: InOut<i32, [tiles]>,
    ) {
        let row = block_idx().y * 16 + thread_idx().y;
        let col = block_idx().x * 16 + thread_idx().x;
        let part = block_idx().z;
        let chunk = (k + (parts - 1)) / parts;
        let begin = part * chunk;
        let mut sum = 0.0;
        for p in begin..(begin + chunk).min(k) {
            sum += a.get((row, p)) * b.get((p, col));
        }
        let tile = block_idx().y * grid_dim().x + block_idx().x;
        if thread_id() == 0 {
            while load_acquire(&turn[[tile]]) != part {}
        }
        sync_threads();
        if row < m && col < n {
            if part == 0 {
                c[[row, col]] = sum;
            } else {
                c[[row, col]] += sum;
            }
        }
        sync_threads();
        if thread_id() == 0 {
            store_release(&turn[[tile]], (part + 1) % parts);
        }
    }
}
