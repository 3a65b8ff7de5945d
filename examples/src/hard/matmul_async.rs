//! Several stages of asynchronous 16-byte copies (`cp.async`) ahead of the multiplication.

use hidet::prelude::*;

kernel! {
    /// c = a * b for extents that are multiples of the 64 x 64 x 16 tile.
    #[launch(grid = (n / 64, m / 64), block = 256)]
    pub fn matmul_async<const STAGES: i32>(a: In<f32, [m, k]>, b: In<f32, [k, n]>, c: Out<f32, [m, n]>) {
        require(m.multiple_of(64), "m must be a multiple of 64");
        require(n.multiple_of(64), "n must be a multiple of 64");
        require(k.multiple_of(16), "k must be a multiple of 16");
        let a_shared = shared::<f32>([STAGES, 64, 16]);
        let b_shared = shared::<f32>([STAGES, 16, 64]);
        let sums = registers::<f32>([4, 4]);
        sums.fill(0.0);
        let t = thread_id();
        let (row0, col0) = (block_idx().y * 64, block_idx().x * 64);
        let (i, q) = (t / 4, t % 4 * 4);
        let (p, j) = (t / 16, t % 16 * 4);
        let steps = k / 16;
        for stage in unroll(0..STAGES - 1) {
            if stage < steps {
                cp_async::<4>(&a_shared[[stage, i, q]], &a[[row0 + i, stage * 16 + q]]);
                cp_async::<4>(&b_shared[[stage, p, j]], &b[[stage * 16 + p, col0 + j]]);
            }
            cp_async_commit();
        }
        for step in 0..steps {
            cp_async_wait(STAGES - 2);
            sync_threads();
            let ahead = step + (STAGES - 1);
            if ahead < steps {
                let stage = ahead % STAGES;
                cp_async::<4>(&a_shared[[stage, i, q]], &a[[row0 + i, ahead * 16 + q]]);
                cp_async::<4>(&b_shared[[stage, p, j]], &b[[ahead * 16 + p, col0 + j]]);
            }
            cp_async_commit();
            let stage = step % STAGES;
            for depth in unroll(0..16) {
                let right = b_shared.load::<4>((stage, depth, t % 16 * 4));
                for r in unroll(0..4) {
                    let left = a_shared[[stage, t / 16 * 4 + r, depth]];
                    for s in unroll(0..4) {
                        sums[[r, s]] += left * right.lane(s);
                    }
                }
            }
        }
        cp_async_wait_all();
        for r in unroll(0..4) {
            c.store((row0 + t / 16 * 4 + r, col0 + t % 16 * 4), sums.load::<4>((r, 0)));
        }
    }
}
