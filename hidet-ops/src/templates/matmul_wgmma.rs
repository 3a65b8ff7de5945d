//! Matrix products of 16-bit floats on the tensor cores of sm_90: a warp group copies tiles by TMA, one or two multiply
//! them, and persistent blocks go through the tiles of the result.

use super::product::{Product, multiprocessors};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Space, stored, viewed};
use hidet::blocks::{Pipeline, StagedInput, TileOrder, TiledOutput, load_stage, multiply};
use hidet::dispatch;
use hidet::dsl::Signature;
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Products by wgmma.
pub(super) struct MatmulWgmma;

/// The shape of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Schedule {
    /// Blocks, at most one per multiprocessor; a multiple of `cluster`.
    blocks: i32,
    /// Tiles along k that are in flight at the same time.
    stages: i32,
    /// Blocks that share the columns of b.
    cluster: i32,
    /// Rows of tiles (of clusters) in a band, whose tiles are computed column by column.
    band: i32,
    /// Warp groups that multiply, each 64 rows.
    groups: i32,
    /// Columns of a tile.
    cols: i32,
    /// True if columns of b are contiguous, false if k is.
    along_rows: bool,
}

/// Bytes of shared memory of a block that tiles may have: 227 KiB without barriers and alignment.
const SHARED_BYTES: i32 = 227 * 1024 - 2048;

impl Schedule {
    /// Returns the schedule with the least expected time: full waves of large tiles are best, and small tiles are better
    /// than multiprocessors without work.
    pub(super) fn of([m, n, k]: [usize; 3], batch: usize, multiprocessors: usize, along_rows: bool) -> Schedule {
        // Measured rates of a multiprocessor with tiles of that size, relative to the largest one.
        let tiles = [(2, 256, 1.0), (2, 128, 0.85), (2, 64, 0.6), (1, 128, 0.6), (1, 64, 0.4)];
        let expected = |(groups, cols, rate): &(i32, i32, f64)| {
            let tiles = m.div_ceil(64 * *groups as usize) * n.div_ceil(*cols as usize) * batch;
            let waves = tiles.div_ceil(multiprocessors) as f64;
            // Filling the pipeline and storing a tile take as long as some steps along k.
            waves * f64::from(groups * cols) / rate * (k as f64 + 256.0)
        };
        let best = tiles.iter().min_by(|a, b| expected(a).total_cmp(&expected(b)));
        let (groups, cols, _) = best.copied().unwrap_or(tiles[0]);
        let (rows_of_tiles, tiles) =
            (m.div_ceil(64 * groups as usize), m.div_ceil(64 * groups as usize) * n.div_ceil(cols as usize));
        let cluster = if rows_of_tiles.is_multiple_of(2) && tiles * batch >= multiprocessors { 2 } else { 1 };
        let most = (multiprocessors / batch.clamp(1, multiprocessors)).max(1).next_multiple_of(cluster);
        let blocks = tiles.next_multiple_of(cluster).min(most) as i32;
        let parts = if cols / 64 % groups == 0 { cols / 64 / groups } else { 1 };
        let stages = (SHARED_BYTES - groups * parts * 64 * 64 * 2) / ((groups * 64 + cols) * 128);
        Schedule { blocks, stages: stages.min(8), cluster: cluster as i32, band: 8, groups, cols, along_rows }
    }
}

kernel! {
    /// c = a * b.
    #[launch(
        grid = s.blocks as u32,
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1,
        cluster = s.cluster as u32
    )]
    fn matmul_wgmma<T: Element>(#[meta] s: Schedule, a: In<T, [m, k]>, b: In<T, [_b0, _b1]>, c: Out<f32, [m, n]>) {
        compute::<T, 2>(s, (a, b, c), [m, n, k], |row, col| [row, col]);
    }

    /// The same for each matrix of a batch.
    #[launch(
        grid = (s.blocks as u32, 1, batch),
        block = (s.groups as u32 + 1) * 128,
        min_blocks = 1,
        cluster = s.cluster as u32
    )]
    fn matmul_wgmma_batched<T: Element>(
        #[meta] s: Schedule,
        a: In<T, [batch, m, k]>,
        b: In<T, [batch, _b0, _b1]>,
        c: Out<f32, [batch, m, n]>,
    ) {
        compute::<T, 3>(s, (a, b, c), [m, n, k], |row, col| [block_idx().z, row, col]);
    }
}

/// Computes the tiles of a block. `place` returns the index of a row and a column, of which one may go along k.
#[device]
fn compute<T: Element, const R: usize>(
    s: Schedule,
    (a, b, c): (In<T, R>, In<T, R>, Out<f32, R>),
    [m, n, k]: [Expr<i32>; 3],
    place: impl Fn(Expr<i32>, Expr<i32>) -> [Expr<i32>; R],
) {
    let a = StagedInput::new(a, s.stages, [s.groups * 64, 64]);
    let b = match s.along_rows {
        true => StagedInput::along_rows(b, s.stages, s.cols, s.cluster),
        false => StagedInput::multicast(b, s.stages, [s.cols, 64], s.cluster),
    };
    let c = TiledOutput::<f32, T, R>::new(c, s.groups, s.cols);
    let pipeline = Pipeline::new(s.stages, s.groups, s.cluster);
    let tiles = TileOrder::in_bands([m, n], [s.groups * 64, s.cols], s.band, s.cluster, s.blocks);
    let steps = (k + 63) / 64;
    #[warp_group(0)]
    {
        if s.groups == 2 {
            set_max_registers(40);
        }
        if thread_id() == 0 {
            let at = pipeline.start();
            for (row, col) in tiles.origins() {
                for step in 0..steps {
                    let of_b = if s.along_rows { place(step * 64, col) } else { place(col, step * 64) };
                    load_stage(&at, (&a, place(row, step * 64)), (&b, of_b));
                }
                c.load_operand(&b, &at, place(row, col));
            }
        }
    }
    #[warp_group(1..s.groups + 1)]
    {
        if s.groups == 2 {
            set_max_registers(232);
        }
        let (at, group) = (pipeline.start(), warp_id() / 4 - 1);
        let sums = registers::<f32>([s.cols / 2]);
        for (row, col) in tiles.origins() {
            sums.fill(0.0);
            multiply(sums, (&a, &b), &at, (group * 64, place(row, 0.into_expr())), steps);
            c.store(sums, (&b, &at), group, place(row, col));
        }
        c.finish();
    }
    pipeline.finish();
}

impl Implementation for MatmulWgmma {
    fn name(&self) -> &'static str {
        "matmul_wgmma"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<KernelPlan, String> {
        let product = Product::of(fused, given)?;
        if given.device.as_cuda().is_some_and(|context| context.properties.arch.number != 90) {
            return Err("wgmma is an instruction of sm_90a".to_owned());
        }
        let ([a, b], rank) = (&product.factors, product.rank);
        let dtype = a.dtype();
        if ![Scalar::F16, Scalar::BF16].contains(&dtype) || b.dtype() != dtype || fused.output.dtype != dtype {
            return Err("operands and result are not all f16 or all bf16".to_owned());
        }
        let [m, n, k] = product.shape;
        if k % 8 != 0 || n % 8 != 0 || given.align < 16 || !given.contiguous || product.batch * m * n * k == 0 {
            return Err("rows are not multiples of 16 bytes in memory".to_owned());
        }
        if rank > 3 {
            return Err("matrices are numbered by several axes".to_owned());
        }
        let (row, col, along) = (rank - 2, rank - 1, rank);
        let axes = |last: [usize; 2]| (0..rank - 2).chain(last).collect::<Vec<usize>>();
        let reads_a = a.reads().into_iter().filter_map(|read| product.memory_axes(read));
        if !reads_a.clone().any(|own| own == axes([row, along])) {
            return Err("no operand is a matrix whose rows are contiguous along k".to_owned());
        }
        let along_rows = match product.memory_axes(b) {
            Some(own) if own == axes([along, col]) => true,
            Some(own) if own == axes([col, along]) => false,
            _ => return Err("b is not a matrix in memory".to_owned()),
        };
        let s = Schedule::of([m, n, k], product.batch, multiprocessors(&given.device), along_rows);
        let (own, parameters, [a, b]) = (fused.clone(), product.parameters.clone(), product.factors.clone());
        let (axes_a, axes_b) = (axes([row, along]), axes(if along_rows { [along, col] } else { [col, along] }));
        let bound = move |signature: &mut Signature| {
            let dims: Vec<IndexExpr> = (0..=rank).map(|axis| signature.dim(&format!("n{axis}"))).collect();
            let views = parameters.declare(signature, &dims);
            let c = signature.param("y", own.output.dtype, &dims[..rank], Access::Out);
            let view = |operand, axes: &[usize]| viewed(operand, &parameters, &views, &Space { axes, dims: &dims });
            let made = view(&a, &axes_a).and_then(|a| {
                let b = view(&b, &axes_b)?;
                Ok([a, b, stored(&own, Scalar::F32, c, (&parameters, &views))?])
            });
            match made {
                Ok(all) => all.map(Into::into).into(),
                Err(why) => {
                    refuse(&why);
                    Vec::new()
                }
            }
        };
        let template = dispatch!(dtype; T in [f16, bf16] => match rank {
            2 => matmul_wgmma::<T>(s).bind(&fused.name, bound),
            _ => matmul_wgmma_batched::<T>(s).bind(&fused.name, bound),
        });
        Ok(KernelPlan { template: template.map_err(|error| error.to_string())?, parameters: product.parameters })
    }
}
