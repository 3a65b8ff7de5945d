//! Tensor cores of Ampere: `mma.sync` fed by `ldmatrix` from swizzled shared memory.

use hidet::prelude::*;

kernel! {
    /// c = a * b for extents that are multiples of the 64 x 64 x 16 tile.
    #[launch(grid = (n / 64, m / 64), block = 128)]
    pub fn matmul_mma(a: In<f16, [m, k]>, b: In<f16, [k, n]>, c: Out<f32, [m, n]>) {
        require(m.multiple_of(64), "m must be a multiple of 64");
        require(n.multiple_of(64), "n must be a multiple of 64");
        require(k.multiple_of(16), "k must be a multiple of 16");
        let a_shared = shared::<f16>(Layout::row_major([64, 2]).swizzle(1, 0, 2) * Layout::row_major([1, 8]));
        let b_shared = shared::<f16>([16, 64 + 8]);
        let sums = registers::<f32>([2, 4, 4]);
        let (a_frag, b_frag) = (registers::<f16>([2, 8]), registers::<f16>([4, 4]));
        sums.fill(0.0);
        let (t, lane) = (thread_id(), lane_id());
        let (warp_m, warp_n) = (warp_id() / 2 * 32, warp_id() % 2 * 32);
        let (row0, col0) = (block_idx().y * 64, block_idx().x * 64);
        for k0 in (0..k).step_by(16) {
            a_shared.store((t / 2, t % 2 * 8), a.load::<8>((row0 + t / 2, k0 + t % 2 * 8)));
            b_shared.store((t / 8, t % 8 * 8), b.load::<8>((k0 + t / 8, col0 + t % 8 * 8)));
            sync_threads();
            for i in unroll(0..2) {
                ldmatrix_x4(&a_frag[[i, 0]], &a_shared[[warp_m + i * 16 + lane % 16, lane / 16 * 8]]);
            }
            for j in unroll(0..4) {
                ldmatrix_x2_trans(&b_frag[[j, 0]], &b_shared[[lane % 16, warp_n + j * 8]]);
            }
            for i in unroll(0..2) {
                for j in unroll(0..4) {
                    mma_m16n8k16(&sums[[i, j, 0]], &a_frag[[i, 0]], &b_frag[[j, 0]]);
                }
            }
            sync_threads();
        }
        for i in unroll(0..2) {
            for j in unroll(0..4) {
                let row = row0 + warp_m + i * 16 + lane / 4;
                let col = col0 + warp_n + j * 8 + lane % 4 * 2;
                c.store((row, col), sums.load::<2>((i, j, 0)));
                c.store((row + 8, col), sums.load::<2>((i, j, 2)));
            }
        }
    }
}
