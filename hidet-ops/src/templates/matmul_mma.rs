//! Matrix products of floats of 16 bits on the tensor cores of sm_80 and later, by `mma.sync`: blocks of a grid compute a tile
//! each, whose operands their threads copy asynchronously, some stages ahead.

use super::operands::Operands;
use super::parts::apart;
use super::product::{Product, multiprocessors};
use crate::fuse::FusedTask;
use crate::schedule::{Given, Implementation, KernelPlan, Plan};
use hidet::blocks::{AsyncTiles, WarpTiles};
use hidet::dispatch;
use hidet::prelude::*;
use hidet::types::Scalar;

/// Products by `mma.sync`.
pub(super) struct MatmulMma;

/// The shape of the work.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    tiles: WarpTiles,
    /// Depth of a tile along k.
    depth: i32,
    /// Tiles along k that are in shared memory at the same time.
    stages: i32,
    /// True if columns of b are contiguous, false if k is.
    along_rows: bool,
    /// How many columns of the result are stored at once.
    lanes: i32,
}

/// Tiles of blocks, the largest first: the first of which there is one per multiprocessor is taken, else the last.
const TILES: [WarpTiles; 3] = [
    WarpTiles { warps: [2, 4], tile: [64, 32] },
    WarpTiles { warps: [2, 2], tile: [32, 64] },
    WarpTiles { warps: [2, 2], tile: [32, 32] },
];

kernel! {
    /// c = a * b. The extents of b are in the order in which it is in memory.
    #[launch(grid = (n.div_ceil(s.tiles.extents()[1]), m.div_ceil(s.tiles.extents()[0])), block = s.tiles.threads())]
    fn matmul_mma<T: Element>(
        #[meta] s: Schedule,
        a: In<T, [m, _k]>,
        b: In<T, [_b0, _b1]>,
        c: Out<f32, [m, n]>,
    ) {
        let k = a.extent(1);
        multiply::<T, 2>(s, (a, b, c), k, |row, col| [row, col]);
    }

    /// The same for each matrix of a batch.
    #[launch(
        grid = (n.div_ceil(s.tiles.extents()[1]), m.div_ceil(s.tiles.extents()[0]), batch),
        block = s.tiles.threads()
    )]
    fn matmul_mma_batched<T: Element>(
        #[meta] s: Schedule,
        a: In<T, [batch, m, _k]>,
        b: In<T, [batch, _b0, _b1]>,
        c: Out<f32, [batch, m, n]>,
    ) {
        let (k, number) = (a.extent(2), block_idx().z);
        multiply::<T, 3>(s, (a.slice(number), b.slice(number), c), k, |row, col| [number, row, col]);
    }
}

/// Computes the tile of a block. `place` returns the index of a row and a column of the result.
#[device]
fn multiply<T: Element, const R: usize>(
    s: Schedule,
    (a, b, c): (In<T, 2>, In<T, 2>, Out<f32, R>),
    k: Expr<i32>,
    place: impl Fn(Expr<i32>, Expr<i32>) -> [Expr<i32>; R],
) {
    let ([rows, cols], threads) = (s.tiles.extents(), s.tiles.threads());
    let (row, col) = (block_idx().y * rows, block_idx().x * cols);
    let a = AsyncTiles::new(a, s.stages, [rows, s.depth], threads);
    let b = AsyncTiles::new(b, s.stages, if s.along_rows { [s.depth, cols] } else { [cols, s.depth] }, threads);
    let (sums, steps) = (s.tiles.sums(), (k + (s.depth - 1)) / s.depth);
    let copy = |step: Expr<i32>| {
        let (stage, along) = (step % s.stages, step * s.depth);
        a.copy(stage, (row, along));
        b.copy(stage, if s.along_rows { (along, col) } else { (col, along) });
    };
    sums.fill(0.0);
    // Groups that copy nothing are committed too, so that each step waits for as many.
    for step in unroll(0..s.stages - 1) {
        if step.into_expr() < steps {
            copy(step.into_expr());
        }
        cp_async_commit();
    }
    for step in 0..steps {
        cp_async_wait(s.stages - 2);
        // All threads have copied the tile, and multiplied the one before, whose stage is filled next.
        sync_threads();
        let next = step + (s.stages - 1);
        if next < steps {
            copy(next);
        }
        cp_async_commit();
        s.tiles.multiply(sums, (&a, &b, s.along_rows), step % s.stages);
    }
    s.tiles.store(sums, c, s.lanes, place(row, col));
}

impl Implementation for MatmulMma {
    fn name(&self) -> &'static str {
        "matmul_mma"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        let product = Product::of(fused, given)?;
        if given.arch < 80 {
            return Err("mma.sync of floats of 16 bits with 16 columns is an instruction of sm_80".to_owned());
        }
        let dtype = product.factors[0].dtype();
        if ![Scalar::F16, Scalar::BF16].contains(&dtype) || product.factors[1].dtype() != dtype {
            return Err("operands are not both f16 or both bf16".to_owned());
        }
        if product.rank > 3 {
            return Err("matrices are numbered by several axes".to_owned());
        }
        planned(product, fused, given).or_else(|why| apart(fused).ok_or(why))
    }
}

fn planned(mut product: Product, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
    let mut plan = Plan::default();
    let operands = Operands::of(&mut product, fused, given, &mut plan, false)?;
    let ([m, n, _], multiprocessors) = (product.shape, multiprocessors(&given.device));
    let fills = |tiles: &WarpTiles| {
        let [rows, cols] = tiles.extents().map(|extent| extent as usize);
        product.batch * m.div_ceil(rows) * n.div_ceil(cols) >= multiprocessors
    };
    let tiles = TILES.into_iter().find(fills).unwrap_or(TILES[2]);
    if m.div_ceil(tiles.extents()[0] as usize) > 65535 {
        return Err("a grid has at most 65535 blocks along y".to_owned());
    }
    let in_pairs = n % 2 == 0 && given.contiguous && given.align >= 16;
    let lanes = if in_pairs { 2 } else { 1 };
    let s = Schedule { tiles, depth: 32, stages: 4, along_rows: operands.along_rows, lanes };
    let (bound, name) = (operands.bound(fused, &product, false), fused.name.as_str());
    let template = dispatch!(product.factors[0].dtype(); T in [f16, bf16] => match product.rank {
        2 => matmul_mma::<T>(s).bind(name, bound),
        _ => matmul_mma_batched::<T>(s).bind(name, bound),
    });
    let template = template.map_err(|error| error.to_string())?;
    let inputs = plan.sources(fused.inputs.len());
    plan.kernel(KernelPlan::new(template, product.parameters), inputs, fused.output.clone());
    Ok(plan)
}
