//! Barriers of the block and the warp, named barriers, fences, and timing.

use super::intrinsic;
use crate::dsl::expr::{Expr, IntoExpr};

plain! {
    /// Barrier of all threads of the block; accesses before it happen before those after it.
    sync_threads "sync.threads";
    /// Orders this thread's accesses for the threads of its block.
    fence_block "fence.block";
    /// Orders this thread's accesses for all threads of the device.
    fence_device "fence.device";
    /// Orders this thread's accesses for the device and the host.
    fence_system "fence.system";
    /// Makes this thread's accesses to shared memory visible to asynchronous copies and tensor cores (sm_90).
    fence_proxy_async "fence.proxy.async";
    /// Makes this thread's accesses to global memory visible to asynchronous bulk copies (sm_90).
    fence_proxy_async_global "fence.proxy.async.global";
}

/// Barrier of the 32 lanes of the warp; accesses before it happen before those after it.
#[track_caller]
pub fn sync_warp() {
    intrinsic("sync.warp").value::<u32>(u32::MAX).run();
}

/// Barrier of `threads` threads, in whole warps, at the named barrier `id`, 1 to 15: [`sync_threads`] uses number 0.
#[track_caller]
pub fn barrier_sync(id: impl IntoExpr<i32>, threads: i32) {
    intrinsic("bar.sync").value::<i32>(id).imm(threads.into()).run();
}

/// Arrives at the named barrier `id` of `threads` threads, without waiting.
#[track_caller]
pub fn barrier_arrive(id: impl IntoExpr<i32>, threads: i32) {
    intrinsic("bar.arrive").value::<i32>(id).imm(threads.into()).run();
}

/// Suspends the thread for approximately that many nanoseconds.
#[track_caller]
pub fn nanosleep(nanoseconds: impl IntoExpr<u32>) {
    intrinsic("nanosleep").value::<u32>(nanoseconds).run();
}

/// Returns the clock of the multiprocessor, in cycles.
#[track_caller]
pub fn clock() -> Expr<i64> {
    intrinsic("clock").give()
}
