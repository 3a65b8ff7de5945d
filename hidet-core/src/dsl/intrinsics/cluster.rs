//! Thread block clusters (sm_90), and other operations of warp-specialised kernels.

use super::{ClusterNum, IntrinsicCall, Word, Word32, intrinsic};
use crate::dsl::access::Base;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::view::{View, add};
use crate::ir::Scope;
use crate::types::Element;

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Returns the same shared memory in the block of that rank in the cluster: `part.at_rank(next)[[i]]` reads and
    /// writes there, and `&part.at_rank(next)[[i]]` is an address for atomics. The access needs only the address from
    /// this block; the other block must have begun and must not end before the access: synchronise with
    /// [`cluster_sync`].
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// The sum over the rows of a cluster of four blocks, a row a block.
    ///     #[launch(grid = rows, block = 32, cluster = 4)]
    ///     pub fn add_rows(x: In<f32, [rows, 32]>, y: Out<f32, [rows, 32]>) {
    ///         let part = shared::<f32, 1>([32]);
    ///         let i = thread_id();
    ///         part[[i]] = x[[block_idx().x, i]];
    ///         cluster_sync();
    ///         let mut sum = 0.0;
    ///         for rank in unroll(0..4) {
    ///             sum += part.at_rank(rank)[[i]];
    ///         }
    ///         y[[block_idx().x, i]] = sum;
    ///         cluster_sync();
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let x: Vec<f32> = (0..128).map(|i| (i / 32) as f32).collect();
    /// let mut y = device.empty::<f32, 2>([4, 32])?;
    /// add_rows().compile(&device)?.launch(&device.tensor(&x, [4, 32])?, &mut y)?;
    /// assert_eq!(y.to_vec()?, [6.0; 128]);
    /// # Ok::<(), hidet_core::Error>(())
    /// ```
    #[track_caller]
    pub fn at_rank(&self, rank: impl IntoExpr<i32>) -> View<T, R, A> {
        let (rank, at) = (rank.into_expr(), here());
        let Some(mut data) = self.data(at) else { return *self };
        let shared = match &data.base {
            Base::Memory(buffer) => with(|builder| builder.function.buffers[*buffer].scope == Scope::Shared)
                .unwrap_or(false)
                .then_some(*buffer),
            _ => None,
        };
        let Some(buffer) = shared else {
            with(|builder| {
                builder.problem("`at_rank` applies to shared memory of this block, and gives that of another block", at)
            });
            return *self;
        };
        data.base = Base::Peer(buffer, rank);
        add(data)
    }
}

plain! {
    /// Barrier of all threads of the cluster; accesses before it happen before those after it.
    cluster_sync "cluster.sync";
    /// Arrives at the cluster's barrier; accesses before it happen before those after the matching wait. A thread must
    /// wait before it arrives again.
    cluster_arrive "cluster.arrive";
    /// Arrives at the cluster's barrier without ordering accesses: signals only that this block has begun.
    cluster_arrive_relaxed "cluster.arrive.relaxed";
    /// Waits until all threads of the cluster that have not exited have arrived.
    cluster_wait "cluster.wait";
    /// Barrier of all threads of the grid; accesses before it happen before those after it. The launch must be
    /// `cooperative`.
    grid_sync "grid.sync";
}

/// Returns a call of a row that is defined for the memory of other blocks only.
#[track_caller]
fn at_peer<T: Element>(name: &str, to: &Address<T>) -> IntrinsicCall {
    if to.rank.is_none() && to.place.is_some() {
        let message = format!("`{name}` needs memory at a rank: `&x.at_rank(rank)[[i]]`");
        let at = here();
        with(|builder| builder.problem(message, at));
    }
    intrinsic(name).address(to)
}

/// Stores to the shared memory of another block asynchronously; the bytes arrive at the mbarrier, which must be in that
/// block too: `cluster_store_async(&inbox.at_rank(next)[[i]], value, full.at_rank(next).at(0))`.
#[track_caller]
pub fn cluster_store_async<T: Word>(to: Address<T>, value: impl IntoExpr<T>, mbarrier: Address<u64>) {
    at_peer("cluster.store.async", &to).value::<T>(value).address(&mbarrier).run();
}

/// Copies `bytes` of this block's shared memory, a multiple of 16, to that of another block asynchronously; they arrive
/// at the mbarrier, which must be in that block too.
#[track_caller]
pub fn cluster_copy<T: Element>(to: Address<T>, from: Address<T>, bytes: impl IntoExpr<i32>, mbarrier: Address<u64>) {
    let call = at_peer("cluster.bulk.copy", &to);
    if from.rank.is_some() {
        let at = here();
        with(|builder| builder.problem("the source must be in this block's own shared memory, not at a rank", at));
    }
    call.address(&from).value::<i32>(bytes).address(&mbarrier).run();
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $bound:ident $row:literal;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name<T: $bound>(to: Address<T>, value: impl IntoExpr<T>, mbarrier: Address<u64>) {
            at_peer($row, &to).value::<T>(value).address(&mbarrier).run();
        }
    )*};
}
reductions! {
    /// Adds to the shared memory of another block asynchronously (i32, u32, u64); the bytes arrive at the mbarrier,
    /// which must be in that block too.
    cluster_add_async ClusterNum "cluster.reduce.async.add";
    /// Takes the minimum with the shared memory of another block asynchronously (i32, u32); the bytes arrive at the
    /// mbarrier, which must be in that block too.
    cluster_min_async Word32 "cluster.reduce.async.min";
    /// Takes the maximum with the shared memory of another block asynchronously (i32, u32); the bytes arrive at the
    /// mbarrier, which must be in that block too.
    cluster_max_async Word32 "cluster.reduce.async.max";
}

/// Arrives at the mbarrier of the block of the cluster whose rank is `rank`.
#[track_caller]
pub fn mbarrier_arrive_cluster(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("cluster.mbarrier.arrive").address(&at).value::<i32>(rank).run();
}

/// Arrives at the mbarrier of the block of the cluster whose rank is `rank`, without ordering writes of threads. Use it
/// for the 'empty' barrier of a pipeline whose stages are only read: by wgmma or bulk copies, after waiting for those, or
/// by threads, after a barrier at which they have met. Such reads are over, so that nothing must be ordered, and the
/// device-wide fence of [`mbarrier_arrive_cluster`] is avoided.
#[track_caller]
pub fn mbarrier_arrive_cluster_relaxed(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("cluster.mbarrier.arrive.relaxed").address(&at).value::<i32>(rank).run();
}

/// Returns true in one elected lane of the warp.
#[track_caller]
pub fn elect_one() -> Expr<bool> {
    intrinsic("elect.one").give()
}

/// Sets the maximum number of registers per thread of this warp group (a multiple of 8): a number above the kernel's
/// share raises it, a smaller one releases registers. The launch must set `min_blocks`.
#[track_caller]
pub fn set_max_registers(count: i32) {
    let share = with(|builder| i64::from(builder.function.launch.register_share()));
    let row = if i64::from(count) > share.unwrap_or(0) { "setmaxnreg.inc" } else { "setmaxnreg.dec" };
    intrinsic(row).imm(count.into()).run();
}

/// Waits for the completion of the kernels ahead, on the stream or in the graph, if this one is a dependent launch. A thread
/// that has neither waited nor synchronised, by a barrier or mbarrier, with a thread that has waited must not access what
/// they write, nor write what they read. The simulated device checks plain accesses against the bytes that these launches
/// wrote and the tensors they read: the last one on the stream, or those that this one directly waits for in a graph, and
/// those ahead of them if they let the next one begin ([`grid_launch`]) before all of their threads have waited. It assumes
/// that launches of other host threads have completed. Whatever a kernel says, all of its threads wait before they end.
#[track_caller]
pub fn grid_wait() {
    intrinsic("grid.wait").run();
}

/// Lets dependent launches after this kernel begin, once all of its blocks have called this or have ended. It orders no
/// memory: they wait for the end of the kernel, by [`grid_wait`].
#[track_caller]
pub fn grid_launch() {
    intrinsic("grid.launch").run();
}
