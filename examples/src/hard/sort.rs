//! Bitonic sort: nested device loops around barriers, dynamic shared memory.

use hidet::prelude::*;

kernel! {
    /// Sorts each row; `cols` must be a power of two.
    #[launch(grid = rows, block = 256)]
    pub fn sort_rows(x: InOut<i32, [rows, cols]>) {
        let buffer = shared::<i32>([cols]);
        let row = block_idx().x;
        for j in (thread_idx().x..cols).step_by(256) {
            buffer[[j]] = x[[row, j]];
        }
        sync_threads();
        let mut size = 2;
        while size <= cols {
            let mut step = size / 2;
            while step > 0 {
                for j in (thread_idx().x..cols).step_by(256) {
                    let other = j ^ step;
                    if other > j {
                        let (a, b) = (buffer[[j]], buffer[[other]]);
                        if (a > b) == ((j & size) == 0) {
                            buffer[[j]] = b;
                            buffer[[other]] = a;
                        }
                    }
                }
                sync_threads();
                step /= 2;
            }
            size *= 2;
        }
        for j in (thread_idx().x..cols).step_by(256) {
            x[[row, j]] = buffer[[j]];
        }
    }
}
