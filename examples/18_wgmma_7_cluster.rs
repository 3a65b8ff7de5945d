//! The ladder, last step: blocks in pairs, and extents that are not multiples of the tile. It shows that the language
//! is sufficient for the hardest kind of kernel: persistent, specialised by warp group, loading and storing by TMA.
//!
//! The two blocks of a cluster compute tiles above each other, so that both need the same columns of b. Each loads half
//! of them, and TMA multicasts it to both: reads from L2 fall by a third.

use hidet::prelude::*;

/// The shape of the work. A block computes 128 x 256 of c.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Blocks, one per multiprocessor; a multiple of `cluster`.
    pub blocks: i32,
    /// Tiles along k that are in flight at the same time.
    pub stages: i32,
    /// Blocks that share the columns of b: 1, 2 or 4.
    pub cluster: i32,
    /// Rows of tiles (of clusters) in a band, whose tiles are computed column by column.
    pub band: i32,
}

impl Default for Schedule {
    /// For the 132 multiprocessors of an H200.
    fn default() -> Self {
        Schedule { blocks: 132, stages: 4, cluster: 2, band: 8 }
    }
}

/// Returns row and column of a tile. Blocks that run at the same time share rows and columns: tiles are numbered column
/// by column in bands of `band` rows of tiles.
#[device]
fn place(tile: Expr<i32>, rows: Expr<i32>, cols: Expr<i32>, band: i32) -> (Expr<i32>, Expr<i32>) {
    let above = tile / (cols * band) * band;
    let (within, height) = (tile % (cols * band), (rows - above).min(band));
    (above + within % height, within / height)
}

/// Returns row and column, in 16 x 16 elements of the left operand or the sums, of a lane's element `i` of 8.
#[device]
fn fragment_place(i: i32) -> (Expr<i32>, Expr<i32>) {
    (lane_id() / 4 + i / 2 % 2 * 8, lane_id() % 4 * 2 + i / 4 * 8 + i % 2)
}

/// Signals the producers of all blocks of the cluster that this warp group has read a stage; `t` is the thread's number
/// in the group.
#[device]
fn release(empty: Mbarriers, stage: Expr<i32>, t: Expr<i32>, cluster: i32) {
    if cluster == 1 {
        if t == 0 {
            empty.arrive(stage);
        }
    } else {
        if t < cluster {
            mbarrier_arrive_cluster_relaxed(empty.at(stage), t);
        }
    }
}

kernel! {
    /// c = a * transposed b. Rows of all three must be multiples of 16 bytes, as TMA requires. Sums are rounded to `C`
    /// before an epilogue is applied; a prologue of a is applied in registers.
    #[launch(grid = s.blocks as u32, block = 384, min_blocks = 1, cluster = s.cluster as u32)]
    pub fn matmul_wgmma<C: Element>(#[meta] s: Schedule, a: In<bf16, [m, k]>, b: In<bf16, [n, k]>, c: Out<C, [m, n]>) {
        require(n.multiple_of(8), "n must be a multiple of 8");
        require(k.multiple_of(8), "k must be a multiple of 8");
        let (stages, cluster, blocks) = (s.stages, s.cluster, s.blocks);
        let part = 256 / cluster;
        let prologue = a.prologue();
        let a_map = prologue.below::<bf16>().tensor_map([128, 64], Swizzle::B128);
        let b_map = b.tensor_map([part, 64], Swizzle::B128);
        let epilogue = c.epilogue();
        let c_map = epilogue.below::<bf16>().tensor_map([64, 64], Swizzle::B128);
        // An operand of the epilogue as large as c: each tile of it goes through two more stages of the pipeline.
        let residual = epilogue.operand_in_memory::<bf16>();
        let residual_map = residual.map(|(_, residual)| residual.tensor_map([64, 64], Swizzle::B128));
        let a_shared = shared::<bf16>(Layout::tma([stages, 128, 64], Swizzle::B128));
        let b_shared = shared::<bf16>(Layout::tma([stages, 256, 64], Swizzle::B128));
        let c_shared = shared::<bf16>(Layout::tma([4, 64, 64], Swizzle::B128));
        let (full, empty) = (mbarriers(stages), mbarriers(stages));
        if thread_id() == 0 {
            for stage in unroll(0..stages) {
                full.init(stage, 1);
                empty.init(stage, 2 * cluster);
            }
            mbarrier_init_fence();
        }
        if cluster == 1 { sync_threads() } else { cluster_sync() }

        let rank = block_idx().x % cluster;
        let (rows, cols, steps) = ((m + (128 * cluster - 1)) / (128 * cluster), (n + 255) / 256, (k + 63) / 64);
        let (first, tiles) = (block_idx().x / cluster, rows * cols);
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                let mut stage = 0;
                let mut phase = 0;
                for tile in (first..tiles).step_by(blocks / cluster) {
                    let (row, col) = place(tile, rows, cols, s.band);
                    let (row0, col0) = ((row * cluster + rank) * 128, col * 256);
                    for step in 0..steps {
                        empty.wait(stage, phase ^ 1);
                        full.arrive_expect(stage, (128 + 256) * 64 * 2);
                        tma_load(&a_shared[[stage, 0, 0]], a_map, (row0, step * 64), full.at(stage));
                        let at = (col0 + rank * part, step * 64);
                        if cluster == 1 {
                            tma_load(&b_shared[[stage, 0, 0]], b_map, at, full.at(stage));
                        } else {
                            let (to, all) = (&b_shared[[stage, rank * part, 0]], (1u32 << cluster as u32) - 1);
                            tma_load_multicast(to, b_map, at, full.at(stage), all);
                        }
                        stage += 1;
                        if stage == stages {
                            stage = 0;
                            phase = phase ^ 1;
                        }
                    }
                    if let Some(map) = residual_map {
                        for half in 0..2 {
                            empty.wait(stage, phase ^ 1);
                            full.arrive_expect(stage, 4 * 64 * 64 * 2);
                            for part in unroll(0..4) {
                                let at = (row0 + part / 2 * 64, col0 + half * 128 + part % 2 * 64);
                                tma_load(&b_shared[[stage, part * 64, 0]], map, at, full.at(stage));
                            }
                            stage += 1;
                            if stage == stages {
                                stage = 0;
                                phase = phase ^ 1;
                            }
                        }
                    }
                }
            }
        }
        #[warp_group(1..3)]
        {
            set_max_registers(232);
            let (group, t) = (warp_id() / 4 - 1, thread_id() % 128);
            let sums = registers::<f32>([128]);
            let out = registers::<bf16>([8]);
            // The rows of a that this group multiplies, with the prologue applied: 16 columns at a time.
            let left = registers::<bf16>([4, 8]);
            let mut stage = 0;
            let mut phase = 0;
            for tile in (first..tiles).step_by(blocks / cluster) {
                let (row, col) = place(tile, rows, cols, s.band);
                let (row0, col0) = ((row * cluster + rank) * 128 + group * 64, col * 256);
                sums.fill(0.0);
                let mut before = 0;
                for step in 0..steps {
                    full.wait(stage, phase);
                    if prologue.is_identity() {
                        wgmma_fence();
                        for p in unroll((0..64).step_by(16)) {
                            wgmma::<256>(&sums[[0]], &a_shared[[stage, group * 64, p]], &b_shared[[stage, 0, p]]);
                        }
                    } else {
                        // The other group's products continue meanwhile.
                        wgmma_wait(0);
                        for p in unroll(0..4) {
                            let (warp_row, col) = (warp_id() % 4 * 16, p * 16);
                            let (row, half) = (warp_row + lane_id() % 16, lane_id() / 16 * 8);
                            ldmatrix_x4(&left[[p, 0]], &a_shared[[stage, group * 64 + row, col + half]]);
                            for pair in unroll((0..8).step_by(2)) {
                                let (row, col) = fragment_place(pair);
                                let place = (row0 + warp_row + row, step * 64 + p * 16 + col);
                                let loaded = vector2(left[[p, pair]], left[[p, pair + 1]]);
                                let [x, y] = prologue.apply::<bf16, 2>(loaded, place).lanes();
                                left[[p, pair]] = x;
                                left[[p, pair + 1]] = y;
                            }
                        }
                        wgmma_fence();
                        for p in unroll(0..4) {
                            wgmma::<256>(&sums[[0]], &left[[p, 0]], &b_shared[[stage, 0, p * 16]]);
                        }
                    }
                    wgmma_commit();
                    // The previous products are done; those just issued continue during the wait for the next tile.
                    wgmma_wait(1);
                    if step > 0 {
                        release(empty, before, t, cluster);
                    }
                    before = stage;
                    stage += 1;
                    if stage == stages {
                        stage = 0;
                        phase = phase ^ 1;
                    }
                }
                wgmma_wait(0);
                if steps > 0 {
                    release(empty, before, t, cluster);
                }
                let row = warp_id() % 4 * 16 + lane_id() % 16;
                for half in unroll(0..2) {
                    if residual.is_some() {
                        full.wait(stage, phase);
                    }
                    // The previous stores have read their source.
                    if t == 0 {
                        bulk_wait_read(0);
                    }
                    barrier_sync(group + 1, 128);
                    for q in unroll(0..8) {
                        let (part, part_col) = (q / 4, col0 + half * 128 + q / 4 * 64);
                        let epilogue = match residual {
                            Some((number, _)) => {
                                let tile = b_shared.slice(stage).tile([(group * 2 + part) * 64, 0], [64, 64]);
                                epilogue.read_from(number, tile, [row0, part_col])
                            }
                            None => epilogue.clone(),
                        };
                        for pair in unroll((0..8).step_by(2)) {
                            let i = half * 64 + q * 8 + pair;
                            let sum = vector2(sums[[i]] as C, sums[[i + 1]] as C);
                            let (row, col) = fragment_place(pair);
                            let place = (row0 + warp_id() % 4 * 16 + row, part_col + q % 4 * 16 + col);
                            let [x, y] = epilogue.apply::<bf16, 2>(sum, place).lanes();
                            out[[pair]] = x;
                            out[[pair + 1]] = y;
                        }
                        let col = q % 4 * 16 + lane_id() / 16 * 8;
                        stmatrix_x4(&c_shared[[group * 2 + q / 4, row, col]], &out[[0]]);
                    }
                    fence_proxy_async();
                    barrier_sync(group + 1, 128);
                    if residual.is_some() {
                        release(empty, stage, t, cluster);
                        stage += 1;
                        if stage == stages {
                            stage = 0;
                            phase = phase ^ 1;
                        }
                    }
                    if t == 0 {
                        for part in unroll(0..2) {
                            let col = col0 + half * 128 + part * 64;
                            tma_store(c_map, (row0, col), &c_shared[[group * 2 + part, 0, 0]]);
                        }
                        bulk_commit();
                    }
                }
            }
            if t == 0 {
                bulk_wait(0);
            }
        }
        // A block must not exit while another may still write to its shared memory or signal its barriers.
        if cluster > 1 {
            cluster_sync();
        }
    }
}

/// Multiplies two matrices of awkward shape and compares with the result of the host.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (m, n, k) = (200, 264, 136);
    let a: Vec<bf16> = (0..m * k).map(|i| bf16::from_f32((i % 5) as f32 - 2.0)).collect();
    let b: Vec<bf16> = (0..n * k).map(|i| bf16::from_f32((i % 7) as f32 - 3.0)).collect();
    let mut c = device.empty([m, n])?;
    let kernel = matmul_wgmma::<bf16>(Schedule::default()).compile(device)?;
    kernel.launch(&device.tensor(&a, [m, k])?, &device.tensor(&b, [n, k])?, &mut c)?;
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
