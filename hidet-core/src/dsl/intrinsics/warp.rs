//! Warp-wide communication: shuffles, votes, reductions.

use super::{Word32, intrinsic};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::ir::BinaryOp;
use crate::types::{Element, Num};

/// All 32 lanes.
const ALL: u32 = u32::MAX;

macro_rules! shuffles {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: Element>(value: Expr<T>, lane: impl IntoExpr<i32>) -> Expr<T> {
            let lane = lane.into_expr();
            intrinsic($row).value::<u32>(ALL).value::<T>(value).value::<i32>(lane).give()
        }
    )*};
}
shuffles! {
    /// Returns the value of the lane with that number.
    shuffle "shfl.index";
    /// Returns the value of the lane that many below, or the lane's own value if there is none.
    shuffle_up "shfl.up";
    /// Returns the value of the lane that many above, or the lane's own value if there is none.
    shuffle_down "shfl.down";
    /// Returns the value of the lane whose number is this lane's XOR the given bits.
    shuffle_xor "shfl.xor";
}

/// Combines the values of all 32 lanes pairwise; returns the result in every lane.
#[track_caller]
pub fn warp_reduce<T: Element>(value: Expr<T>, combine: impl Fn(Expr<T>, Expr<T>) -> Expr<T>) -> Expr<T> {
    let mut value = value;
    for step in [16, 8, 4, 2, 1] {
        value = combine(value, shuffle_xor(value, step));
    }
    value
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: Num>(value: Expr<T>) -> Expr<T> {
            let mut value = value;
            for step in [16, 8, 4, 2, 1] {
                value = crate::dsl::expr::binary(BinaryOp::$op, value, shuffle_xor(value, step));
            }
            value
        }
    )*};
}
reductions! {
    /// Returns the sum over the 32 lanes of the warp, in every lane.
    warp_sum Add;
    /// Returns the maximum over the 32 lanes of the warp, in every lane.
    warp_max Max;
    /// Returns the minimum over the 32 lanes of the warp, in every lane.
    warp_min Min;
    /// Returns the product over the 32 lanes of the warp, in every lane.
    warp_product Mul;
}

/// Returns true if the condition is true in all 32 lanes.
#[track_caller]
pub fn warp_all(condition: Expr<bool>) -> Expr<bool> {
    intrinsic("vote.all").value::<u32>(ALL).value::<bool>(condition).give()
}

/// Returns true if the condition is true in any of the 32 lanes.
#[track_caller]
pub fn warp_any(condition: Expr<bool>) -> Expr<bool> {
    intrinsic("vote.any").value::<u32>(ALL).value::<bool>(condition).give()
}

/// Returns the set of lanes in which the condition is true, one bit per lane.
#[track_caller]
pub fn warp_ballot(condition: Expr<bool>) -> Expr<u32> {
    intrinsic("vote.ballot").value::<u32>(ALL).value::<bool>(condition).give()
}

/// Returns the set of currently active lanes, one bit per lane.
#[track_caller]
pub fn active_mask() -> Expr<u32> {
    intrinsic("active.mask").give()
}

macro_rules! redux {
    ($($(#[$doc:meta])* $name:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: Word32>(value: Expr<T>) -> Expr<T> {
            intrinsic($row).value::<u32>(ALL).value::<T>(value).give()
        }
    )*};
}

redux! {
    /// Returns the sum over the 32 lanes, by one instruction (sm_80).
    redux_add "redux.add";
    /// Returns the minimum over the 32 lanes, by one instruction (sm_80).
    redux_min "redux.min";
    /// Returns the maximum over the 32 lanes, by one instruction (sm_80).
    redux_max "redux.max";
    /// Returns the bitwise and over the 32 lanes, by one instruction (sm_80).
    redux_and "redux.and";
    /// Returns the bitwise or over the 32 lanes, by one instruction (sm_80).
    redux_or "redux.or";
    /// Returns the bitwise exclusive or over the 32 lanes, by one instruction (sm_80).
    redux_xor "redux.xor";
}
