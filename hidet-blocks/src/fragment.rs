//! Fragments of 16 x 16 elements of 16 bits, as `ldmatrix`, `stmatrix` and wgmma hold them: eight per lane.

use hidet_core::dsl::intrinsics::lane_id;
use hidet_core::dsl::{Expr, IndexTuple, IndexValue};
use hidet_macros::device;

/// Returns row and column of a lane's element `i`.
#[device(crate = hidet_core)]
pub fn element(i: i32) -> (Expr<i32>, Expr<i32>) {
    (lane_id() / 4 + i / 2 % 2 * 8, lane_id() % 4 * 2 + i / 4 * 8 + i % 2)
}

/// Returns row and column of the 16 bytes whose address a lane gives to `ldmatrix` and `stmatrix`.
#[device(crate = hidet_core)]
pub fn address() -> (Expr<i32>, Expr<i32>) {
    (lane_id() % 16, lane_id() / 16 * 8)
}

/// Returns the coordinates of an index.
#[track_caller]
pub fn coordinates<const R: usize>(index: impl IndexTuple<R>) -> [Expr<i32>; R] {
    index.coordinates()
}

/// Returns the coordinates so many rows and columns further along the last two axes.
#[track_caller]
pub fn moved<const R: usize>(
    mut origin: [Expr<i32>; R],
    rows: impl IndexValue,
    cols: impl IndexValue,
) -> [Expr<i32>; R] {
    origin[R - 2] = origin[R - 2] + rows.coordinate();
    origin[R - 1] = origin[R - 1] + cols.coordinate();
    origin
}

/// Returns the coordinates in another column.
#[track_caller]
pub fn at_column<const R: usize>(mut origin: [Expr<i32>; R], col: impl IndexValue) -> [Expr<i32>; R] {
    origin[R - 1] = col.coordinate();
    origin
}
