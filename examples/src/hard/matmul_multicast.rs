//! Blocks of a cluster share their loads: each loads half of a tile of `a` and multicasts it to both.

use hidet::prelude::*;

/// 256 threads cover a 64 x 64 tile of c.
#[task_mapping(workers = 256, tasks = [64, 64])]
fn own_c() -> TaskMapping<2> {
    spatial([4, 2]) * spatial([4, 8]) * repeat([4, 4])
}

kernel! {
    /// c = a * b in tiles of 64 x 64 x 16; the two blocks of a cluster are adjacent and use the same rows of a.
    #[launch(grid = (n.div_ceil(128) * 2, m.div_ceil(64)), block = 256, cluster = 2)]
    pub fn matmul_multicast(a: In<f32, [m, k]>, b: In<f32, [k, n]>, c: Out<f32, [m, n]>) {
        require(k.multiple_of(4), "rows of a must begin at multiples of 16 bytes");
        require(n.multiple_of(4), "rows of b must begin at multiples of 16 bytes");
        let (a_map, b_map) = (a.tensor_map([32, 16], Swizzle::None), b.tensor_map([16, 64], Swizzle::None));
        let (a_tile, b_tile) = (shared::<f32>([2, 64, 16]), shared::<f32>([2, 16, 64]));
        let (full, empty) = (mbarriers(2), mbarriers(2));
        if thread_id() == 0 {
            for stage in unroll(0..2) {
                full.init(stage, 1);
                empty.init(stage, 2);
            }
            mbarrier_init_fence();
        }
        cluster_sync();
        let (row0, col0) = (block_idx().y * 64, block_idx().x * 64);
        let half = cluster_rank() * 32;
        let sums = registers::<f32>(own_c().register_layout());
        sums.fill(0.0);
        let steps = (k + 15) / 16;
        for step in 0..steps + 1 {
            // The next tiles are in flight while these are multiplied.
            if thread_id() == 0 && step < steps {
                let stage = step % 2;
                if step >= 2 {
                    empty.wait(stage, (step / 2 - 1) % 2);
                }
                full.arrive_expect(stage, (64 * 16 + 16 * 64) * 4);
                let to = &a_tile[[stage, half, 0]];
                tma_load_multicast(to, a_map, (row0 + half, step * 16), full.at(stage), 0b11);
                tma_load(&b_tile[[stage, 0, 0]], b_map, (step * 16, col0), full.at(stage));
            }
            if step > 0 {
                let done = step - 1;
                let stage = done % 2;
                full.wait(stage, done / 2 % 2);
                for p in 0..16 {
                    for (i, j) in own_c().on(thread_id()) {
                        sums[[i, j]] += a_tile[[stage, i, p]] * b_tile[[stage, p, j]];
                    }
                }
                sync_threads();
                if thread_id() == 0 {
                    // Either block writes to both.
                    for rank in unroll(0..2) {
                        empty.at_rank(rank).arrive(stage);
                    }
                }
            }
        }
        for (i, j) in own_c().on(thread_id()) {
            c.set((row0 + i, col0 + j), sums[[i, j]]);
        }
        cluster_sync();
    }
}
