//! Fragments of 16 x 16 elements of 16 bits, as `ldmatrix`, `stmatrix` and wgmma hold them: eight per lane.

use hidet_core::dsl::Expr;
use hidet_core::dsl::intrinsics::lane_id;
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
