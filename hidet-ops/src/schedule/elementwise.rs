//! The rule for tasks whose elements are computed by themselves: each thread computes adjacent ones.

use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;

use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;

/// The most blocks along y of a grid.
pub(super) const MOST_BLOCKS: i64 = 65535;

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
    /// A block has 256 threads, as many of them along a row as it has work for.
    fn of(cols: usize, lanes: i64) -> Tile {
        let threads = (cols / lanes as usize).max(1).next_power_of_two().min(256) as i64;
        Tile { rows: 256 / threads, cols: threads, lanes }
    }
}

impl Implementation for Elementwise {
    fn name(&self) -> &'static str {
        "elementwise"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        if !fused.reductions.is_empty() || fused.line.is_some() {
            return Err("it is not elementwise".to_owned());
        }
        let parameters = Parameters::of(fused, given.contiguous).aligned(given.align);
        let lanes = match parameters.rank() {
            0 => 1,
            rank if given.contiguous => Body::lanes(&parameters, rank - 1, Some(fused.output.dtype), given.align),
            _ => 1,
        };
        let tile = Tile::of(parameters.extents().last().copied().unwrap_or(1), lanes);
        let (own, given) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let dims = given.dims(signature);
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let cols = dims.last().cloned().unwrap_or(IndexExpr::Const(1));
            let front = &dims[..dims.len().saturating_sub(1)];
            let rows = front.iter().cloned().fold(IndexExpr::Const(1), |rows, extent| rows * extent);
            let blocks = |extent: &IndexExpr, each: i64| extent.div_ceil(each);
            let grid = [blocks(&cols, tile.cols * tile.lanes), blocks(&rows, tile.rows).min(MOST_BLOCKS), 1.into()];
            signature.launch(grid, [tile.cols, tile.rows, 1], [1, 1, 1], 0);
            let [rows, cols] = [rows, cols].map(|extent| signature.value(&extent));
            compute(tile, &Body::new(given.clone(), views, own.inputs.len()), &own.value, [rows, cols], y);
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// Computes the elements of a thread.
#[device]
fn compute(tile: Tile, body: &Body, value: &ScalarExpr, [rows, cols]: [Expr<i32>; 2], y: AnyView) {
    let each = tile.rows as i32;
    let col = (block_idx().x * tile.cols as i32 + thread_idx().x) * tile.lanes as i32;
    for row in (block_idx().y * each + thread_idx().y..rows).step_by(grid_dim().y * each) {
        if col < cols {
            let coordinates = coordinates(row, col, y);
            let along = coordinates.len().checked_sub(1);
            let place = Place::new(coordinates.clone(), along, tile.lanes as u8, false);
            y.store(&coordinates, AnyExpr::vector(&body.values(value, &place, &[])));
        }
    }
}

/// Returns the coordinates of an element of a view, whose axes but the last are counted as one.
fn coordinates(row: Expr<i32>, col: Expr<i32>, view: AnyView) -> Vec<Expr<i32>> {
    match view.rank() {
        0 => Vec::new(),
        rank => {
            let front: Vec<Expr<i32>> = (0..rank - 1).map(|axis| view.extent(axis)).collect();
            let mut all = super::unflattened(row, &front);
            all.push(col);
            all
        }
    }
}
