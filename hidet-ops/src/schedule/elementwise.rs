//! The rule for tasks whose elements are computed by themselves: each thread computes adjacent ones.

use super::{Given, Implementation, KernelPlan, Parameters, Space, flattened, viewed};
use crate::fuse::FusedTask;

use hidet::dsl::{AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;

/// The most blocks along y of a grid.
const MOST_BLOCKS: i64 = 65535;

/// The rule.
pub(super) struct Elementwise;

/// Threads of a block, along rows and columns, and the adjacent elements that each computes at a time.
#[derive(Clone, Copy, Debug)]
struct Tile {
    rows: i64,
    cols: i64,
    lanes: i64,
}

impl Tile {
    /// Accesses are as wide as 16 bytes of the widest operand allow and rows divide into; a block has 256 threads, as many
    /// of them along a row as it has work for.
    fn of(bytes: usize, cols: usize, given: &Given) -> Tile {
        let widest = if given.contiguous { (given.align / bytes.max(1)).clamp(1, 8) } else { 1 };
        let lanes = [8, 4, 2, 1].into_iter().find(|lanes| *lanes <= widest && cols.is_multiple_of(*lanes)).unwrap_or(1);
        let threads = (cols / lanes).max(1).next_power_of_two().min(256);
        let [rows, cols, lanes] = [256 / threads, threads, lanes].map(|count| count as i64);
        Tile { rows, cols, lanes }
    }
}

impl Implementation for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<KernelPlan, String> {
        if fused.anchor.is_some() {
            return Err("it is not elementwise".to_owned());
        }
        let parameters = Parameters::of(fused, given.contiguous)?;
        let cols = parameters.merge(&fused.extents()).last().copied().unwrap_or(1);
        let bytes = fused.inputs.iter().chain([&fused.output]).map(|ty| ty.dtype.bytes()).max().unwrap_or(1);
        let tile = Tile::of(bytes, cols, given);
        let (given, own) = (parameters.clone(), fused.clone());
        let template = Template::new(&fused.name, move |signature| {
            let rank = given.rank();
            let dims: Vec<IndexExpr> = (0..rank).map(|axis| signature.dim(&format!("n{axis}"))).collect();
            let views = given.declare(signature, &dims);
            let axes: Vec<usize> = (0..rank).collect();
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let x = match viewed(&own.value, &given, &views, &Space { axes: &axes, dims: &dims }) {
                Ok(x) => x,
                Err(why) => return refuse(&why),
            };
            let [x, y] = [x, y].map(|view| flattened(view, rank.saturating_sub(1)));
            let [rows, cols] = [0, 1].map(|axis| y.shape()[axis].clone());
            let blocks = |extent: IndexExpr, each: i64| (extent + (each - 1)) / each;
            let grid = [blocks(cols, tile.cols * tile.lanes), blocks(rows, tile.rows).min(MOST_BLOCKS), 1.into()];
            signature.launch(grid, [tile.cols, tile.rows, 1], [1, 1, 1], 0);
            compute(tile, x, y);
        });
        Ok(KernelPlan { template, parameters })
    }
}

/// Computes the elements of a thread.
#[device]
fn compute(tile: Tile, x: AnyView, y: AnyView) {
    let Tile { rows, lanes, .. } = tile;
    let (rows, lanes) = (rows as i32, lanes as i32);
    let col = (block_idx().x * tile.cols as i32 + thread_idx().x) * lanes;
    for row in (block_idx().y * rows + thread_idx().y..y.extent(0)).step_by(grid_dim().y * rows) {
        if col < y.extent(1) {
            y.store(&[row, col], x.load(&[row, col], lanes as u8));
        }
    }
}
