//! Block-wide collectives: reductions and prefix sums through shared memory.
//!
//! `THREADS` is the number of threads of the block, a multiple of 32; any other number is an error when the kernel is
//! built. All threads of the block must call. Each call has its own shared memory and synchronises the block before it
//! writes there, so calls may follow each other, also in a loop. Do not rely on a call as a barrier for memory of your
//! own: after its last reads there is none, and in a block of 32 threads a reduction has none at all.

use super::{lane_id, shuffle_up, sync_threads, warp_id, warp_reduce};
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr, binary, compare};
use crate::dsl::glue::Cond;
use crate::dsl::memory::shared;
use crate::ir::{BinaryOp, CompareOp};
use crate::types::{Num, Number};

/// Returns the number of warps; checks that the block has that many threads.
#[track_caller]
fn warps(threads: usize) -> i32 {
    let at = here();
    with(|builder| {
        let block = builder.function.launch.threads();
        if threads != block as usize {
            builder.problem(
                format!("this call is for {threads} threads, but the block has {block}: write `::<{block}>`"),
                at,
            );
        } else if !threads.is_multiple_of(32) {
            builder.problem(format!("a block of {block} threads: this needs a multiple of 32"), at);
        }
    });
    (threads / 32).max(1) as i32
}

/// Emits `body` under a device condition.
#[track_caller]
fn when(condition: Expr<bool>, body: impl FnOnce()) {
    let mut branch = Cond::begin(condition);
    if branch.then_() {
        body();
    }
    branch.done();
}

#[track_caller]
fn block_reduce<T: Num>(threads: usize, value: Expr<T>, op: BinaryOp) -> Expr<T> {
    let warps = warps(threads);
    let value = warp_reduce(value, |a, b| binary(op, a, b));
    if warps == 1 {
        return value;
    }
    let parts = shared::<T, 1>([warps]);
    parts.set_name("parts");
    sync_threads();
    when(compare(CompareOp::Eq, lane_id(), 0.into_expr()), || parts.write((warp_id(),), value));
    sync_threads();
    let mut total = parts.read((0,));
    for warp in 1..warps {
        total = binary(op, total, parts.read((warp,)));
    }
    total
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<const THREADS: usize, T: Num>(value: Expr<T>) -> Expr<T> {
            block_reduce(THREADS, value, BinaryOp::$op)
        }
    )*};
}
reductions! {
    /// Returns the sum over all threads of the block, in every thread. `THREADS` is the number of threads of the block,
    /// a multiple of 32: in a block of 256, write `block_sum::<256>(x)`.
    block_sum Add;
    /// Returns the maximum over all threads of the block, in every thread. `THREADS` is the number of threads of the
    /// block, a multiple of 32: in a block of 256, write `block_max::<256>(x)`.
    block_max Max;
    /// Returns the minimum over all threads of the block, in every thread. `THREADS` is the number of threads of the
    /// block, a multiple of 32: in a block of 256, write `block_min::<256>(x)`.
    block_min Min;
}

/// Returns the inclusive prefix sum over the threads of the block, and the sum over all of them. `THREADS` is the
/// number of threads of the block, a multiple of 32.
#[track_caller]
pub fn block_scan_add<const THREADS: usize, T: Num>(value: Expr<T>) -> (Expr<T>, Expr<T>) {
    let warps = warps(THREADS);
    let mut sum = value;
    for step in [1, 2, 4, 8, 16] {
        let below = shuffle_up(sum, step);
        let more = binary(BinaryOp::Add, sum, below);
        sum = compare(CompareOp::Ge, lane_id(), step.into_expr()).select(more, sum);
    }
    let parts = shared::<T, 1>([warps]);
    parts.set_name("parts");
    sync_threads();
    when(compare(CompareOp::Eq, lane_id(), 31.into_expr()), || parts.write((warp_id(),), sum));
    sync_threads();
    let zero: Expr<T> = T::from_number(Number::Int(0)).into_expr();
    let (mut before, mut total) = (zero, zero);
    for warp in 0..warps {
        let part = parts.read((warp,));
        let more = binary(BinaryOp::Add, before, part);
        before = compare(CompareOp::Gt, warp_id(), warp.into_expr()).select(more, before);
        total = binary(BinaryOp::Add, total, part);
    }
    (binary(BinaryOp::Add, before, sum), total)
}
