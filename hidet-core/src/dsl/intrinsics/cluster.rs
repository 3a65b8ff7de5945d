//! Clusters of blocks (sm_90), and what else belongs to a warp-specialised kernel.

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::with;
use crate::dsl::expr::{Expr, IntoExpr};
use crate::types::Element;

/// All threads of the cluster meet; their accesses before it happen before those after it.
#[track_caller]
pub fn cluster_sync() {
    intrinsic("cluster.sync").run();
}

/// Arrives at the cluster's barrier.
#[track_caller]
pub fn cluster_arrive() {
    intrinsic("cluster.arrive").run();
}

/// Waits until all threads of the cluster have arrived.
#[track_caller]
pub fn cluster_wait() {
    intrinsic("cluster.wait").run();
}

/// Loads from the shared memory of the block of that rank in the cluster.
#[track_caller]
pub fn cluster_load<T: Element>(at: Address<T>, rank: impl IntoExpr<i32>) -> Expr<T> {
    intrinsic("cluster.load").address(&at).value::<i32>(rank).give()
}

/// Stores to the shared memory of the block of that rank in the cluster.
#[track_caller]
pub fn cluster_store<T: Element>(at: Address<T>, rank: impl IntoExpr<i32>, value: impl IntoExpr<T>) {
    intrinsic("cluster.store").address(&at).value::<i32>(rank).value::<T>(value).run();
}

/// Arrives at the mbarrier of the block of that rank in the cluster.
#[track_caller]
pub fn mbarrier_arrive_cluster(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("mbarrier.arrive.cluster").address(&at).value::<i32>(rank).run();
}

/// Arrives at the mbarrier of the block of that rank in the cluster, without ordering what this thread wrote: to hand
/// back a buffer that this block has only read. It spares the fence of the whole device that the other form needs.
#[track_caller]
pub fn mbarrier_arrive_cluster_relaxed(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("mbarrier.arrive.cluster.relaxed").address(&at).value::<i32>(rank).run();
}

/// Whether this lane is the one chosen of its warp.
#[track_caller]
pub fn elect_one() -> Expr<bool> {
    intrinsic("elect.one").give()
}

/// Sets how many registers a thread of this warp group may use (a multiple of 8): more than the kernel's share raises,
/// fewer gives back. The launch must say `min_blocks`.
#[track_caller]
pub fn set_max_registers(count: i32) {
    let share = with(|builder| {
        let launch = &builder.function.launch;
        let threads = (launch.threads() * launch.min_blocks.max(1)).max(1);
        // A multiprocessor has 65536 registers, given out by 8 a thread.
        i64::from(65536 / threads / 8 * 8)
    });
    let row = if i64::from(count) > share.unwrap_or(0) { "setmaxnreg.inc" } else { "setmaxnreg.dec" };
    intrinsic(row).imm(count.into()).run();
}

/// Waits for the kernels before this one on the stream, where it was launched early.
#[track_caller]
pub fn grid_wait() {
    intrinsic("grid.wait").run();
}

/// Lets the kernels after this one on the stream be launched.
#[track_caller]
pub fn grid_launch() {
    intrinsic("grid.launch").run();
}
