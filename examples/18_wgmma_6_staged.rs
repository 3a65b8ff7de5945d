//! The ladder, sixth step: results are stored through shared memory.
//!
//! `stmatrix` writes the sums to shared memory in the layout of TMA, which stores whole rows of 128 bytes while the
//! group continues. Before, each thread stored 4 bytes at a time, which left sectors half filled.

use hidet::prelude::*;

/// Returns row and column of a tile. Blocks that run at the same time share rows and columns: tiles are numbered column
/// by column in bands of `band` rows of tiles.
#[device]
fn place(tile: Expr<i32>, rows: Expr<i32>, cols: Expr<i32>, band: i32) -> (Expr<i32>, Expr<i32>) {
    let above = tile / (cols * band) * band;
    let (within, height) = (tile % (cols * band), (rows - above).min(band));
    (above + within % height, within / height)
}

kernel! {
    /// c = a * transposed b, by `blocks` blocks: one per multiprocessor.
    #[launch(grid = blocks as u32, block = 384, min_blocks = 1)]
    pub fn wgmma_staged<const STAGES: i32>(
        #[meta] blocks: i32,
        a: In<bf16, [m, k]>,
        b: In<bf16, [n, k]>,
        c: Out<bf16, [m, n]>,
    ) {
        require(m.multiple_of(128), "m must be a multiple of 128");
        require(n.multiple_of(256), "n must be a multiple of 256");
        require(k.multiple_of(64), "k must be a multiple of 64");
        let a_map = a.tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([256, 64], Swizzle::B128);
        let c_map = c.tensor_map([64, 64], Swizzle::B128);
        let a_shared = shared::<bf16>([STAGES, 128, 64]);
        let b_shared = shared::<bf16>([STAGES, 256, 64]);
        let c_shared = shared::<bf16>(Layout::tma([4, 64, 64], Swizzle::B128));
        let (full, empty) = (mbarriers(STAGES), mbarriers(STAGES));
        if thread_id() == 0 {
            for stage in unroll(0..STAGES) {
                full.init(stage, 1);
                empty.init(stage, 2);
            }
            mbarrier_init_fence();
        }
        sync_threads();
        let (tile_rows, tile_cols, steps) = (m / 128, n / 256, k / 64);
        let tiles = tile_rows * tile_cols;
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                let mut stage = 0;
                let mut phase = 0;
                for tile in (block_idx().x..tiles).step_by(blocks) {
                    let (row, col) = place(tile, tile_rows, tile_cols, 16);
                    for step in 0..steps {
                        empty.wait(stage, phase ^ 1);
                        full.arrive_expect(stage, (128 + 256) * 64 * 2);
                        tma_load(&a_shared[[stage, 0, 0]], a_map, (row * 128, step * 64), full.at(stage));
                        tma_load(&b_shared[[stage, 0, 0]], b_map, (col * 256, step * 64), full.at(stage));
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
            let first = thread_id() % 128 == 0;
            let sums = registers::<f32>([128]);
            let out = registers::<bf16>([8]);
            let mut stage = 0;
            let mut phase = 0;
            for tile in (block_idx().x..tiles).step_by(blocks) {
                let (row, col) = place(tile, tile_rows, tile_cols, 16);
                let (row0, col0) = (row * 128, col * 256);
                sums.fill(0.0);
                let mut before = 0;
                for step in 0..steps {
                    full.wait(stage, phase);
                    wgmma_fence();
                    for p in unroll((0..64).step_by(16)) {
                        wgmma::<256>(&sums[[0]], &a_shared[[stage, group * 64, p]], &b_shared[[stage, 0, p]]);
                    }
                    wgmma_commit();
                    // The previous products are done; those just issued continue during the wait for the next tile.
                    wgmma_wait(1);
                    if first && step > 0 {
                        empty.arrive(before);
                    }
                    before = stage;
                    stage += 1;
                    if stage == STAGES {
                        stage = 0;
                        phase = phase ^ 1;
                    }
                }
                wgmma_wait(0);
                if first {
                    empty.arrive(before);
                }
                let row = warp_id() % 4 * 16 + lane_id() % 16;
                for half in unroll(0..2) {
                    // The previous stores have read their source.
                    if first {
                        bulk_wait_read(0);
                    }
                    barrier_sync(group + 1, 128);
                    for q in unroll(0..8) {
                        for i in unroll(0..8) {
                            out[[i]] = sums[[half * 64 + q * 8 + i]] as bf16;
                        }
                        let col = q % 4 * 16 + lane_id() / 16 * 8;
                        stmatrix_x4(&c_shared[[group * 2 + q / 4, row, col]], &out[[0]]);
                    }
                    fence_proxy_async();
                    barrier_sync(group + 1, 128);
                    if first {
                        for part in unroll(0..2) {
                            let col = col0 + half * 128 + part * 64;
                            tma_store(c_map, (row0 + group * 64, col), &c_shared[[group * 2 + part, 0, 0]]);
                        }
                        bulk_commit();
                    }
                }
            }
            if first {
                bulk_wait(0);
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
    wgmma_staged::<4>(132).compile(device)?.launch(&device.tensor(&a, [m, k])?, &device.tensor(&b, [n, k])?, &mut c)?;
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
