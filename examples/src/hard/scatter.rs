//! A custom task mapping in a device loop, and a kernel that asserts and prints.

use hidet::prelude::*;

/// Assigns the elements of the 16 x 8 result of a tensor core instruction to lanes.
#[task_mapping(workers = 32, tasks = [16, 8])]
fn fragment(lane: Worker) -> [[Index; 2]; 4] {
    [
        [lane / 4, lane % 4 * 2],
        [lane / 4, lane % 4 * 2 + 1],
        [lane / 4 + 8, lane % 4 * 2],
        [lane / 4 + 8, lane % 4 * 2 + 1],
    ]
}

kernel! {
    /// y = x + 1.
    #[launch(grid = 1, block = 32)]
    pub fn scatter(x: In<f32, [16, 8]>, y: Out<f32, [16, 8]>) {
        for (i, j) in fragment().on(lane_id()) {
            y[[i, j]] = x[[i, j]] + 1.0;
        }
    }

    /// y = x, which must not be negative.
    #[launch(grid = n.div_ceil(64), block = 64)]
    pub fn checked_copy(x: In<i32, [n]>, y: Out<i32, [n]>) {
        let i = block_idx().x * 64 + thread_idx().x;
        if i < n {
            assert!(x[[i]] >= 0, "only counts are allowed");
            if x[[i]] > 1000 {
                print!("element {} is {}", i, x[[i]]);
            }
            y[[i]] = x[[i]];
        }
    }
}
