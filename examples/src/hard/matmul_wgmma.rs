//! Tensor cores of Hopper: a persistent, warp-specialised kernel; one warp group feeds by TMA, two multiply by wgmma.

use hidet::prelude::*;

kernel! {
    /// c = a * transposed b for extents that are multiples of the 128 x 256 x 64 tile.
    #[launch(grid = 132, block = 384, min_blocks = 1)]
    pub fn matmul_wgmma<const STAGES: i32>(a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<bf16, [m, n]>) {
        require(m.multiple_of(128), "m must be a multiple of 128");
        require(n.multiple_of(256), "n must be a multiple of 256");
        require(k.multiple_of(64), "k must be a multiple of 64");
        let a_map = a.tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([256, 64], Swizzle::B128);
        let a_shared = shared::<bf16>([STAGES, 128, 64]);
        let b_shared = shared::<bf16>([STAGES, 256, 64]);
        let (full, empty) = (mbarriers(STAGES), mbarriers(STAGES));
        if thread_id() == 0 {
            for s in unroll(0..STAGES) {
                full.init(s, 1);
                empty.init(s, 2);
            }
            mbarrier_init_fence();
        }
        sync_threads();
        let (tile_cols, steps) = (n / 256, k / 64);
        let tiles = m / 128 * tile_cols;
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                let mut stage = 0;
                let mut phase = 0;
                for tile in (block_idx().x..tiles).step_by(132) {
                    let (row, col) = (tile / tile_cols * 128, tile % tile_cols * 256);
                    for step in 0..steps {
                        empty.wait(stage, phase ^ 1);
                        full.arrive_expect(stage, (128 + 256) * 64 * 2);
                        tma_load(&a_shared[[stage, 0, 0]], a_map, (row, step * 64), full.at(stage));
                        tma_load(&b_shared[[stage, 0, 0]], b_map, (col, step * 64), full.at(stage));
                        stage += 1;
                        if stage == STAGES {
                            stage = 0;
                            phase = phase ^ 1;
                        }
                    }
                }
            }
        }
        #[warp_group(1..3)]
        {
            set_max_registers(232);
            let group = warp_id() / 4 - 1;
            let sums = registers::<f32>([128]);
            let mut stage = 0;
            let mut phase = 0;
            for tile in (block_idx().x..tiles).step_by(132) {
                let (row0, col0) = (tile / tile_cols * 128, tile % tile_cols * 256);
                sums.fill(0.0);
                for step in 0..steps {
                    full.wait(stage, phase);
                    wgmma_fence();
                    for p in unroll((0..64).step_by(16)) {
                        wgmma::<256>(&sums[[0]], &a_shared[[stage, group * 64, p]], &b_shared[[stage, 0, p]]);
                    }
                    wgmma_commit();
                    wgmma_wait(0);
                    if thread_id() % 128 == 0 {
                        empty.arrive(stage);
                    }
                    stage += 1;
                    if stage == STAGES {
                        stage = 0;
                        phase = phase ^ 1;
                    }
                }
                let row = row0 + group * 64 + warp_id() % 4 * 16 + lane_id() / 4;
                for q in unroll(0..32i32) {
                    let col = col0 + q * 8 + lane_id() % 4 * 2;
                    c.store((row, col), vector2(sums[[q * 4]] as bf16, sums[[q * 4 + 1]] as bf16));
                    c.store((row + 8, col), vector2(sums[[q * 4 + 2]] as bf16, sums[[q * 4 + 3]] as bf16));
                }
            }
        }
    }
}
