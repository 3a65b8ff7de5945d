//! The rule for tasks whose elements are computed by themselves, of an input that is contiguous along another axis than the
//! result: tiles of it go through shared memory, so that both are read and written along contiguous axes.

use super::elementwise::MOST_BLOCKS;
use super::{Body, Given, Implementation, KernelPlan, Parameters, Place, Plan, unflattened};
use crate::expr::ScalarExpr;
use crate::fuse::FusedTask;

use hidet::dispatch;
use hidet::dsl::{AnyExpr, AnyView, Template};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::prelude::*;
use hidet::types::{E4M3, E5M2, Element, TF32};

/// The rule.
pub(super) struct Transpose;

/// Threads of a block.
const THREADS: i32 = 256;

/// What is transposed, and how.
#[derive(Clone, Debug)]
struct Tiling {
    /// The coordinate along which the inputs are contiguous; the result is along the last one.
    along: usize,
    /// The parameters whose tiles go through shared memory.
    staged: Vec<usize>,
    /// Elements that a thread reads and writes at a time: those of 4 bytes.
    lanes: i32,
}

impl Tiling {
    fn of(fused: &FusedTask, parameters: &Parameters, given: &Given) -> Result<Tiling, String> {
        let (extents, rank) = (parameters.extents(), parameters.rank());
        let last = rank.checked_sub(1).ok_or("it has one element")?;
        let turned = |parameter: &usize| {
            let axes = parameters.axes(*parameter)?;
            let along = *axes.last()?;
            (along != last && axes.contains(&last)).then_some(along)
        };
        let all = || 0..parameters.len();
        let along = all().find_map(|parameter| turned(&parameter)).ok_or("no input is transposed")?;
        if extents[along] < 8 || extents[last] < 8 {
            return Err("its rows are short".to_owned());
        }
        let staged: Vec<usize> = all().filter(|parameter| turned(parameter) == Some(along)).collect();
        let types = || staged.iter().map(|parameter| parameters.dtype(*parameter)).chain([fused.output.dtype]);
        let widest = types().map(hidet::types::Scalar::bytes).max().unwrap_or(4);
        let aligned = given.contiguous && given.align >= 4;
        let fits = |lanes: &usize| {
            lanes * widest <= 4 && [along, last].iter().all(|axis| extents[*axis].is_multiple_of(*lanes)) && aligned
        };
        let lanes = [4, 2, 1].into_iter().find(fits).unwrap_or(1) as i32;
        let bytes = staged.iter().map(|parameter| parameters.dtype(*parameter).bytes() as i32).sum::<i32>();
        let edge = 32 * lanes;
        if bytes * edge * (edge + lanes) > 48 * 1024 {
            return Err("its tiles need more than 48 KiB of shared memory".to_owned());
        }
        if extents[along].div_ceil(edge as usize) > MOST_BLOCKS as usize {
            return Err("there are too many rows for a grid".to_owned());
        }
        Ok(Tiling { along, staged, lanes })
    }
}

impl Implementation for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn plan(&self, fused: &FusedTask, given: &Given) -> Result<Plan, String> {
        if !fused.reductions.is_empty() || fused.line.is_some() {
            return Err("it is not elementwise".to_owned());
        }
        let parameters = Parameters::of(fused, given.contiguous).aligned(given.align);
        let tiling = Tiling::of(fused, &parameters, given)?;
        let (own, given) = (fused.clone(), parameters.clone());
        let template = Template::new(&fused.name, move |signature| {
            let extents: Vec<i32> = given.extents().iter().map(|extent| *extent as i32).collect();
            let dims: Vec<IndexExpr> = extents.iter().map(|extent| IndexExpr::Const(i64::from(*extent))).collect();
            let views = given.declare(signature, &dims);
            let y = signature.param("y", own.output.dtype, &dims, Access::Out);
            let (last, edge) = (extents.len() - 1, i64::from(32 * tiling.lanes));
            let others: i64 = others(&tiling, &extents).iter().map(|axis| i64::from(extents[*axis])).product();
            let blocks = |axis: usize| dims[axis].div_ceil(edge);
            let grid = [blocks(last), blocks(tiling.along), others.min(MOST_BLOCKS).into()];
            signature.launch(grid, [THREADS.into(), 1, 1], [1, 1, 1], 0);
            let body = Body::new(given.clone(), views.clone(), own.inputs.len());
            compute(&tiling, &extents, (&given, &views), (&body, &own.value), y);
        });
        Ok(Plan::of(KernelPlan::new(template, parameters), fused))
    }
}

/// Returns the coordinates beside the two of a tile.
fn others(tiling: &Tiling, extents: &[i32]) -> Vec<usize> {
    (0..extents.len() - 1).filter(|axis| *axis != tiling.along).collect()
}

/// Computes the tiles of a block.
#[device]
fn compute(
    tiling: &Tiling,
    extents: &[i32],
    (parameters, views): (&Parameters, &[AnyView]),
    (body, value): (&Body, &ScalarExpr),
    y: AnyView,
) {
    let (lanes, edge, last) = (tiling.lanes, 32 * tiling.lanes, extents.len() - 1);
    let [first_row, first_col] = [block_idx().y * edge, block_idx().x * edge];
    let others = others(tiling, extents);
    let counts: Vec<Expr<i32>> = others.iter().map(|axis| extents[*axis].into_expr()).collect();
    let number: i32 = others.iter().map(|axis| extents[*axis]).product();
    let tiles: Vec<AnyView> =
        tiling.staged.iter().map(|parameter| shared_tile(parameters.dtype(*parameter), [edge, edge + lanes])).collect();
    for z in (block_idx().z..number).step_by(grid_dim().z) {
        let front = unflattened(z, &counts);
        let place = |row: Expr<i32>, col: Expr<i32>| coordinates(tiling, (&others, &front), row, col);
        // Groups of lanes x lanes elements: loaded along the rows of the tile, turned in registers, stored along columns. The
        // 32 that a warp has at a time are in different banks.
        for step in unroll(0..1024 / THREADS) {
            let unit = thread_id() + step * THREADS;
            let group = 32 / lanes;
            let row = (unit % group + group * (unit / 32 % lanes)) * lanes;
            let col = (unit % 32 / group + lanes * (unit / (32 * lanes))) * lanes;
            for (parameter, tile) in tiling.staged.iter().zip(&tiles) {
                let axes = parameters.axes(*parameter).unwrap_or_default();
                let loaded: Vec<AnyExpr> = (0..lanes)
                    .map(|lane| place(first_row + row, first_col + col + lane))
                    .map(|all| axes.iter().map(|axis| all[*axis]).collect::<Vec<Expr<i32>>>())
                    .map(|index| views[*parameter].load_inside(&index, lanes as u8))
                    .collect();
                for lane in unroll(0..lanes) {
                    let turned: Vec<AnyExpr> = loaded.iter().map(|vector| vector.lane(lane as u8)).collect();
                    tile.store(&[row + lane, col], AnyExpr::vector(&turned));
                }
            }
        }
        sync_threads();
        for step in unroll(0..edge * 32 / THREADS) {
            let unit = thread_id() + step * THREADS;
            let (row, col) = (unit / 32, unit % 32 * lanes);
            let all = place(first_row + row, first_col + col);
            if all[tiling.along] < extents[tiling.along] && all[last] < extents[last] {
                let own = Place::new(all.clone(), Some(last), lanes as u8, false);
                for (parameter, tile) in tiling.staged.iter().zip(&tiles) {
                    own.provide(*parameter, tile.load(&[row, col], lanes as u8));
                }
                y.store(&all, AnyExpr::vector(&body.values(value, &own, &[])));
            }
        }
        sync_threads();
    }
}

/// Returns all coordinates: row and column of the tile, and those of the others.
fn coordinates(
    tiling: &Tiling,
    (others, front): (&[usize], &[Expr<i32>]),
    row: Expr<i32>,
    col: Expr<i32>,
) -> Vec<Expr<i32>> {
    let other = |axis: usize| others.iter().position(|own| *own == axis).map(|at| front[at]);
    let coordinate = |axis: usize| if axis == tiling.along { row } else { other(axis).unwrap_or(col) };
    (0..others.len() + 2).map(coordinate).collect()
}

/// Allocates a tile of elements of a type in shared memory.
fn shared_tile(dtype: hidet::types::Scalar, shape: [i32; 2]) -> AnyView {
    fn of<T: Element>(shape: [i32; 2]) -> AnyView {
        AnyView::from(shared::<T, 2>(shape))
    }
    let tile = dispatch!(dtype; T in [f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, bool, TF32, E4M3, E5M2] => of::<T>(shape));
    tile.unwrap_or_else(|why| {
        refuse(&why.to_string());
        of::<f32>(shape)
    })
}
