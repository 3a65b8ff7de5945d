//! The ladder, last step: blocks in pairs, and extents that are not multiples of the tile. The steps before it are now
//! parts (`hidet::blocks`) that any kernel can be made of, and that carry prologues and epilogues.
//!
//! The two blocks of a cluster compute tiles above each other, so that both need the same columns of b. Each loads half
//! of them, and TMA multicasts it to both: reads from L2 fall by a third.

use hidet::blocks::{Pipeline, StagedInput, TileOrder, TiledOutput, load_stage, multiply};
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

kernel! {
    /// c = a * transposed b. Rows of all three must be multiples of 16 bytes, as TMA requires. Sums are rounded to `C`
    /// before an epilogue is applied; a prologue of a is applied in registers.
    #[launch(grid = s.blocks as u32, block = 384, min_blocks = 1, cluster = s.cluster as u32)]
    pub fn matmul_wgmma<C: Element>(
        #[meta] s: Schedule,
        a: In<bf16, [m, k]>,
        b: In<bf16, [n, k]>,
        c: Out<C, [m, n]>,
    ) {
        let a = StagedInput::new(a, s.stages, [128, 64]);
        let b = StagedInput::multicast(b, s.stages, [256, 64], s.cluster);
        let c = TiledOutput::<C, bf16, 2>::new(c, 2, 256);
        let pipeline = Pipeline::new(s.stages, 2, s.cluster);
        let tiles = TileOrder::in_bands([m, n], [128, 256], s.band, s.cluster, s.blocks);
        let steps = (k + 63) / 64;
        #[warp_group(0)]
        {
            set_max_registers(40);
            if thread_id() == 0 {
                let at = pipeline.start();
                for (row, col) in tiles.origins() {
                    for step in 0..steps {
                        load_stage(&at, (&a, (row, step * 64)), (&b, (col, step * 64)));
                    }
                    c.load_operand(&b, &at, (row, col));
                }
            }
        }
        #[warp_group(1..3)]
        {
            set_max_registers(232);
            let (at, group) = (pipeline.start(), warp_id() / 4 - 1);
            let sums = registers::<f32>([128]);
            for (row, col) in tiles.origins() {
                sums.fill(0.0);
                multiply(sums, (&a, &b), &at, (group * 64, (row, 0)), steps);
                c.store(sums, (&b, &at), group, (row, col));
            }
            c.finish();
        }
        pipeline.finish();
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
