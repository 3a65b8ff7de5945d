//! Exchange within a warp: shuffles, votes, reductions.

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
    /// The value of another lane of the warp, by its number.
    shuffle "shfl.index";
    /// The value of the lane that many below; the lane's own value where there is none.
    shuffle_up "shfl.up";
    /// The value of the lane that many above; the lane's own value where there is none.
    shuffle_down "shfl.down";
    /// The value of the lane whose number differs in the bits given.
    shuffle_xor "shfl.xor";
}

/// Combines the values of all 32 lanes pairwise; every lane gets the result.
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
    /// The sum over the 32 lanes of the warp; every lane gets it.
    warp_sum Add;
    /// The largest over the 32 lanes of the warp; every lane gets it.
    warp_max Max;
    /// The smallest over the 32 lanes of the warp; every lane gets it.
    warp_min Min;
    /// The product over the 32 lanes of the warp; every lane gets it.
    warp_product Mul;
}

/// Whether a condition holds in all 32 lanes.
#[track_caller]
pub fn warp_all(condition: Expr<bool>) -> Expr<bool> {
    intrinsic("vote.all").value::<u32>(ALL).value::<bool>(condition).give()
}

/// Whether a condition holds in any of the 32 lanes.
#[track_caller]
pub fn warp_any(condition: Expr<bool>) -> Expr<bool> {
    intrinsic("vote.any").value::<u32>(ALL).value::<bool>(condition).give()
}

/// The lanes in which a condition holds, one bit a lane.
#[track_caller]
pub fn warp_ballot(condition: Expr<bool>) -> Expr<u32> {
    intrinsic("vote.ballot").value::<u32>(ALL).value::<bool>(condition).give()
}

/// The lanes that happen to run together here.
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
    /// Sum over the 32 lanes, by one instruction (sm_80).
    redux_add "redux.add";
    /// Smallest over the 32 lanes, by one instruction (sm_80).
    redux_min "redux.min";
    /// Largest over the 32 lanes, by one instruction (sm_80).
    redux_max "redux.max";
    /// Bitwise and over the 32 lanes, by one instruction (sm_80).
    redux_and "redux.and";
    /// Bitwise or over the 32 lanes, by one instruction (sm_80).
    redux_or "redux.or";
    /// Bitwise exclusive or over the 32 lanes, by one instruction (sm_80).
    redux_xor "redux.xor";
}
