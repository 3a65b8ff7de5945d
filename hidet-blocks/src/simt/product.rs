//! Products along k of tiles in shared memory.

use super::copied::CopiedInput;
use super::tile::ThreadTile;
use hidet_core::dsl::intrinsics::{cp_async_wait_all, refuse, sync_threads, thread_id};
use hidet_core::dsl::{Expr, IntoExpr, OnDevice, View, unroll};
use hidet_macros::device;

/// Adds to `sums`, [`ThreadTile::registers`], the products of all `k` columns of `a` and rows of `b`. All threads of the
/// block must call it together.
///
/// While one tile is multiplied, the next one is copied to shared memory; while one column of a tile is multiplied, the
/// next column is loaded to registers. Tiles come in pairs, so that the address of each in shared memory is a constant. The
/// loops have no conditions: the first tile along k is the partial one, and the last one is peeled off.
///
/// ```
/// use hidet::blocks::{CopiedInput, Route, ThreadTile, multiply_by_threads};
/// use hidet::prelude::*;
///
/// kernel! {
///     /// c = a * b, 32 x 64 elements per warp. Extents of c are at least those.
///     #[launch(grid = (n.div_ceil(64), m.div_ceil(32)), block = 32)]
///     fn product(a: In<f32, [m, k]>, b: In<f32, [k, n]>, c: Out<f32, [m, n]>) {
///         let tile = ThreadTile { block_warps: [1, 1], warp_outer: [2, 2] };
///         let first = [block_idx().y * 32, block_idx().x * 64];
///         let origin = tile.inwards(first, [m, n]);
///         let a = CopiedInput::new(a, (1, Route::Registers), [32, 4], 32, origin[0]);
///         let b = CopiedInput::new(b, (0, Route::Registers), [64, 4], 32, origin[1]);
///         let sums = tile.registers();
///         sums.fill(0.0);
///         multiply_by_threads(&tile, sums, (&a, &b), k);
///         tile.store(sums, c, 1, origin, first);
///     }
/// }
///
/// // A prologue and an epilogue: c = max(2 a * b, 100).
/// type Parameters = (In<f32, 2>, In<f32, 2>, Out<f32, 2>);
/// let fused = product().fuse("fused", ["a[m, k]", "b[k, n]", "c[m, n]"], |(a, b, c): Parameters| {
///     (a.map(|v, _| v * 2.0), b, c.map_store(|sum: Expr<f32>, _| sum.max(100.0)))
/// });
/// let device = Device::sim();
/// let (m, n, k) = (33, 70, 9);
/// let row: Vec<f32> = (0..m * k).map(|i| (i / k) as f32).collect();
/// let (a, b) = (device.tensor(&row, [m, k])?, device.tensor(&vec![1.0; k * n], [k, n])?);
/// let mut c = device.empty([m, n])?;
/// fused.compile(&device)?.launch(&a, &b, &mut c)?;
/// assert!(c.to_vec()?.iter().enumerate().all(|(i, c)| *c == (18.0 * (i / n) as f32).max(100.0)));
/// # Ok::<(), hidet::Error>(())
/// ```
#[device(crate = hidet_core)]
pub fn multiply_by_threads(
    tile: &ThreadTile,
    sums: View<f32, 2>,
    (a, b): (&CopiedInput, &CopiedInput),
    k: impl IntoExpr<i32>,
) {
    let (k, depth) = (k.into_expr(), a.depth());
    let ([rows, cols], threads) = (tile.extents(), tile.threads());
    a.expect(rows, threads);
    b.expect(cols, threads);
    if depth != b.depth() || depth % 2 != 0 {
        refuse(&format!("tiles of {depth} and {} along k are multiplied: they must agree, and be even", b.depth()));
    }
    let columns = [tile.operands(0), tile.operands(1)];
    let tiles = ((k + (depth - 1)) / depth).max(1);
    let partial = k - (tiles - 1) * depth;
    a.copy_first(partial);
    b.copy_first(partial);
    sync_threads();
    load_column(tile, columns, 0, (a, b), (0.into_expr(), 0));
    for last in [false, true] {
        let (from, to) = if last { (tiles - 1, tiles) } else { (0.into_expr(), tiles - 1) };
        'pairs: for first in (from..to).step_by(2) {
            for half in unroll(0..(if last { 1 } else { 2 })) {
                let number = first + half;
                if half == 1 && number >= to {
                    break 'pairs;
                }
                let (now, next, start) = (number % 2, (number + 1) % 2, partial + number * depth);
                for p in unroll(0..depth) {
                    if !last {
                        a.copy_at(p, next, start);
                        b.copy_at(p, next, start);
                    }
                    if p == depth - 1 && !last {
                        a.finish(next);
                        b.finish(next);
                        cp_async_wait_all();
                        sync_threads();
                    }
                    // The next column: of this tile, or the first of the next tile, if there is one.
                    if p < depth - 1 {
                        load_column(tile, columns, (p + 1) % 2, (a, b), (now, p + 1));
                    } else if !last {
                        load_column(tile, columns, (p + 1) % 2, (a, b), (next, 0));
                    }
                    for (i, j) in tile.own().on(thread_id()) {
                        sums[[i, j]] = columns[0][[p % 2, i]].mul_add(columns[1][[p % 2, j]], sums[[i, j]]);
                    }
                }
            }
        }
    }
}

/// Loads a thread's operands of one column of a tile, in groups of 4.
#[device(crate = hidet_core)]
fn load_column(
    tile: &ThreadTile,
    columns: [View<f32, 2>; 2],
    to: i32,
    (a, b): (&CopiedInput, &CopiedInput),
    (number, p): (Expr<i32>, i32),
) {
    for (i, _) in tile.along(0, 1).on(thread_id()) {
        columns[0].store((to, i * 4), a.tiles.load::<4>((number, p, i * 4)));
    }
    for (_, j) in tile.along(1, 1).on(thread_id()) {
        columns[1].store((to, j * 4), b.tiles.load::<4>((number, p, j * 4)));
    }
}
