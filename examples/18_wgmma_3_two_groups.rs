//! The ladder, third step: larger tiles, and registers where they are needed.
//!
//! Two warp groups multiply 64 rows each with the same 256 columns: 128 x 256 of c per block, so that each byte copied
//! is used 1.5 times as often as with 128 x 128. The group that issues the loads gives up registers to the groups that
//! hold the sums.

use hidet::prelude::*;

kernel! {
    /// c = a * transposed b.
    #[launch(grid = (n.div_ceil(256), m.div_ceil(128)), block = 384, min_blocks = 1)]
    pub fn wgmma_two_groups<const STAGES: i32>(a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<bf16, [m, n]>) {
        require(m.multiple_of(128), "m must be a multiple of 128");
        require(n.multiple_of(256), "n must be a multiple of 256");
        require(k.multiple_of(64), "k must be a multiple of 64");
        let a_map = a.tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([256, 64], Swizzle::B128);
        let a_shared = shared::<bf16>([STAGES, 128, 64]);
        let b_shared = shared::<bf16>([STAGES, 256, 64]);
        let (full, empty) = (mbarriers(STAGES), mbarriers(STAGES));
        if thread_id() == 0 {
            for stage in unroll(0..STAGES) {
                full.init(stage, 1);
                empty.init(stage, 2);
            }
            mbarrier_init_fence();
        }
        sync_threads();
        let (row0, col0) = (block_idx().y * 128, block_idx().x * 256);
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                for step in 0..k / 64 {
                    let stage = step % STAGES;
                    empty.wait(stage, step / STAGES % 2 ^ 1);
                    full.arrive_expect(stage, (128 + 256) * 64 * 2);
                    tma_load(&a_shared[[stage, 0, 0]], a_map, (row0, step * 64), full.at(stage));
                    tma_load(&b_shared[[stage, 0, 0]], b_map, (col0, step * 64), full.at(stage));
                }
            }
        }
        #[warp_group(1..3)]
        {
            set_max_registers(232);
            let group = warp_id() / 4 - 1;
            let sums = registers::<f32>([128]);
            sums.fill(0.0);
            for step in 0..k / 64 {
                let stage = step % STAGES;
                full.wait(stage, step / STAGES % 2);
                wgmma_fence();
                for p in unroll((0..64).step_by(16)) {
                    wgmma::<256>(&sums[[0]], &a_shared[[stage, group * 64, p]], &b_shared[[stage, 0, p]]);
                }
                wgmma_commit();
                wgmma_wait(0);
                if thread_id() % 128 == 0 {
                    empty.arrive(stage);
                }
            }
            let row = row0 + group * 64 + warp_id() % 4 * 16 + lane_id() / 4;
            for q in unroll(0..32) {
                let col = col0 + q * 8 + lane_id() % 4 * 2;
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
    wgmma_two_groups::<4>().compile(device)?.launch(
        &device.tensor(&a, [m, k])?,
        &device.tensor(&b, [n, k])?,
        &mut c,
    )?;
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
