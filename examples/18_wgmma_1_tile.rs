//! The ladder to a matrix product at the speed of the tensor cores, first step: one warp group, one tile.
//!
//! A block computes 128 x 128 of c. It loads 64 columns of both operands by TMA, waits, multiplies, and loads the next
//! 64: nothing overlaps within a block, only the work of different blocks does.

use hidet::prelude::*;

kernel! {
    /// c = a * transposed b.
    #[launch(grid = (n.div_ceil(128), m.div_ceil(128)), block = 128)]
    pub fn wgmma_tile(a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<bf16, [m, n]>) {
        require(m.multiple_of(128), "m must be a multiple of 128");
        require(n.multiple_of(128), "n must be a multiple of 128");
        require(k.multiple_of(64), "k must be a multiple of 64");
        let a_map = a.tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([128, 64], Swizzle::B128);
        let a_shared = shared::<bf16>([128, 64]);
        let b_shared = shared::<bf16>([128, 64]);
        let full = mbarriers(1);
        if thread_id() == 0 {
            full.init(0, 1);
            mbarrier_init_fence();
        }
        sync_threads();
        let (row0, col0) = (block_idx().y * 128, block_idx().x * 128);
        let upper = registers::<f32>([64]);
        let lower = registers::<f32>([64]);
        upper.fill(0.0);
        lower.fill(0.0);
        for step in 0..k / 64 {
            if thread_id() == 0 {
                full.arrive_expect(0, (128 + 128) * 64 * 2);
                tma_load(&a_shared[[0, 0]], a_map, (row0, step * 64), full.at(0));
                tma_load(&b_shared[[0, 0]], b_map, (col0, step * 64), full.at(0));
            }
            full.wait(0, step % 2);
            wgmma_fence();
            for p in unroll((0..64).step_by(16)) {
                wgmma::<128>(&upper[[0]], &a_shared[[0, p]], &b_shared[[0, p]]);
                wgmma::<128>(&lower[[0]], &a_shared[[64, p]], &b_shared[[0, p]]);
            }
            wgmma_commit();
            wgmma_wait(0);
            // All warps have read the tiles before the next ones arrive.
            sync_threads();
        }
        let row = row0 + warp_id() * 16 + lane_id() / 4;
        for q in unroll(0..16) {
            let col = col0 + q * 8 + lane_id() % 4 * 2;
            for (sums, row) in [(upper, row), (lower, row + 64)] {
                c.store((row, col), vector2(sums[[q * 4]] as bf16, sums[[q * 4 + 1]] as bf16));
                c.store((row + 8, col), vector2(sums[[q * 4 + 2]] as bf16, sums[[q * 4 + 3]] as bf16));
            }
        }
    }
}

/// Multiplies two matrices and compares with the result of the host.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (256, 256, 192);
    let a: Vec<bf16> = (0..m * k).map(|i| bf16::from_f32((i % 5) as f32 - 2.0)).collect();
    let b: Vec<bf16> = (0..n * k).map(|i| bf16::from_f32((i % 7) as f32 - 3.0)).collect();
    let mut c = device.empty([m, n])?;
    wgmma_tile().compile(device)?.launch(&device.tensor(&a, [m, k])?, &device.tensor(&b, [n, k])?, &mut c)?;
    let c = c.to_vec()?;
    for i in 0..m {
        for j in 0..n {
            let sum: f32 = (0..k).map(|p| a[i * k + p].to_f32() * b[j * k + p].to_f32()).sum();
            assert_eq!(c[i * n + j], bf16::from_f32(sum));
        }
    }
    println!("c[0, 0] = {}", c[0]);
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
