//! Kernels for measuring: random data, and loops that reach the peaks of a device.

use hidet::prelude::*;

kernel! {
    /// Scrambles 32 bits so that neighbouring inputs give unrelated outputs.
    #[device]
    fn scramble(x: Expr<u32>) -> Expr<u32> {
        let x = (x ^ (x >> 16)) * 0x7feb_352d;
        let x = (x ^ (x >> 15)) * 0x846c_a68b;
        x ^ (x >> 16)
    }

    /// Random numbers of mean 0 and variance 1, nearly normal (sums of four uniform ones), the same on every device.
    #[launch(grid = n.div_ceil(256), block = 256)]
    pub fn fill<T: Float>(y: Out<T, [n]>, seed: u32) {
        let i = block_idx().x * 256 + thread_idx().x;
        if i < n {
            let first = scramble(i as u32 ^ seed);
            let second = scramble(first + 0x9e37_79b9);
            let sum = (first & 0xffff) + (first >> 16) + (second & 0xffff) + (second >> 16);
            // The sum of four numbers of 16 bits has mean 2^17 - 2 and deviation 2^16 / sqrt 3.
            y[[i]] = ((sum as f32 - 131070.0) * 2.642_917e-5) as T;
        }
    }

    /// Only fused multiply-adds in f32: 16 chains per thread, `rounds` steps of each.
    #[launch(grid = blocks, block = 256)]
    pub fn fma_loop(#[meta] blocks: i32, y: Out<f32, [n]>, factor: f32, rounds: i32) {
        let sums = registers::<f32>([16]);
        for chain in unroll(0..16i32) {
            sums[[chain]] = (thread_id() + chain) as f32;
        }
        #[unroll(8)]
        for _ in 0..rounds {
            for chain in unroll(0..16i32) {
                sums[[chain]] = sums[[chain]].mul_add(factor, factor);
            }
        }
        let mut total = 0.0;
        for chain in unroll(0..16i32) {
            total += sums[[chain]];
        }
        y.set((block_idx().x * 256 + thread_id(),), total);
    }

    /// Only products on tensor cores: two warp groups multiply tiles that stay in shared memory.
    #[launch(grid = blocks, block = 256)]
    pub fn wgmma_loop(
        #[meta] blocks: i32,
        a: In<bf16, [m, k]>,
        b: In<bf16, [n, k]>,
        y: Out<f32, [threads]>,
        rounds: i32,
    ) {
        let a_map = a.tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([256, 64], Swizzle::B128);
        let a_shared = shared::<bf16>([128, 64]);
        let b_shared = shared::<bf16>([256, 64]);
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        if thread_id() == 0 {
            full.arrive_expect(0, (128 + 256) * 64 * 2);
            tma_load(&a_shared[[0, 0]], a_map, (0, 0), full.at(0));
            tma_load(&b_shared[[0, 0]], b_map, (0, 0), full.at(0));
        }
        full.wait(0, 0);
        let group = warp_id() / 4;
        let sums = registers::<f32>([128]);
        sums.fill(0.0);
        for _ in 0..rounds {
            wgmma_fence();
            for p in unroll([0, 16, 32, 48, 0, 16, 32, 48]) {
                wgmma::<256>(&sums[[0]], &a_shared[[group * 64, p]], &b_shared[[0, p]]);
            }
            wgmma_commit();
            wgmma_wait(0);
        }
        let mut total = 0.0;
        for at in unroll(0..128i32) {
            total += sums[[at]];
        }
        y.set((block_idx().x * 256 + thread_id(),), total);
    }
}
