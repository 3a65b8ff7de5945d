//! Clusters of blocks (sm_90), and what else belongs to a warp-specialised kernel.

use super::{ClusterNum, IntrinsicCall, Word, Word32, intrinsic};
use crate::dsl::access::Base;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::view::{View, add};
use crate::ir::Scope;
use crate::types::Element;

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// The same shared memory in the block of that rank in the cluster: `part.at_rank(next)[[i]]` reads and writes
    /// there, and `&part.at_rank(next)[[i]]` is an address that atomics reach. It needs nothing from this block but the
    /// place; the other block must have begun, and not end before: let the blocks meet at [`cluster_sync`].
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
                builder.problem("`at_rank` is for the shared memory of this block: it names that of another", at)
            });
            return *self;
        };
        data.base = Base::Peer(buffer, rank);
        add(data)
    }
}

plain! {
    /// All threads of the cluster meet; their accesses before it happen before those after it.
    cluster_sync "cluster.sync";
    /// Arrives at the cluster's barrier; accesses before it are ordered before the wait of others. The thread must wait
    /// before it arrives again.
    cluster_arrive "cluster.arrive";
    /// Arrives at the cluster's barrier without ordering accesses: others learn that this block has begun.
    cluster_arrive_relaxed "cluster.arrive.relaxed";
    /// Waits until all threads of the cluster that have not ended have arrived.
    cluster_wait "cluster.wait";
    /// All threads of the grid meet; their accesses before it happen before those after it. The launch must be
    /// `cooperative`.
    grid_sync "grid.sync";
}

/// A call of a row that is for the memory of other blocks alone.
#[track_caller]
fn at_peer<T: Element>(name: &str, to: &Address<T>) -> IntrinsicCall {
    if to.rank.is_none() && to.place.is_some() {
        let message = format!("`{name}` needs memory at a rank: `&x.at_rank(rank)[[i]]`");
        let at = here();
        with(|builder| builder.problem(message, at));
    }
    intrinsic(name).address(to)
}

/// Stores to the shared memory of another block while the thread goes on; the bytes arrive at the mbarrier, which lies in
/// that block too: `cluster_store_async(&inbox.at_rank(next)[[i]], value, full.at_rank(next).at(0))`.
#[track_caller]
pub fn cluster_store_async<T: Word>(to: Address<T>, value: impl IntoExpr<T>, mbarrier: Address<u64>) {
    at_peer("cluster.store.async", &to).value::<T>(value).address(&mbarrier).run();
}

/// Copies `bytes` of this block's shared memory, a multiple of 16, to that of another block; they arrive at the mbarrier,
/// which lies there too.
#[track_caller]
pub fn cluster_copy<T: Element>(to: Address<T>, from: Address<T>, bytes: impl IntoExpr<i32>, mbarrier: Address<u64>) {
    let call = at_peer("cluster.bulk.copy", &to);
    if from.rank.is_some() {
        let at = here();
        with(|builder| builder.problem("a block copies from its own shared memory: the source is not at a rank", at));
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
    /// Adds to the shared memory of another block while the thread goes on (i32, u32, u64); the bytes arrive at the
    /// mbarrier, which lies in that block too.
    cluster_add_async ClusterNum "cluster.reduce.async.add";
    /// Takes the minimum with the shared memory of another block while the thread goes on (i32, u32); the bytes arrive
    /// at the mbarrier, which lies in that block too.
    cluster_min_async Word32 "cluster.reduce.async.min";
    /// Takes the maximum with the shared memory of another block while the thread goes on (i32, u32); the bytes arrive
    /// at the mbarrier, which lies in that block too.
    cluster_max_async Word32 "cluster.reduce.async.max";
}

/// Arrives at the mbarrier of the block of that rank in the cluster.
#[track_caller]
pub fn mbarrier_arrive_cluster(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("cluster.mbarrier.arrive").address(&at).value::<i32>(rank).run();
}

/// Arrives at the mbarrier of the block of that rank in the cluster, without ordering what threads read or wrote: to
/// hand back a buffer that only asynchronous operations used, for whose end this thread has waited. It spares the fence of the whole
/// device that the other form needs. The simulated device lets it pass on that those operations are over; it does not
/// report a thread that reads by it what they wrote, for which the arrival must be the other form.
#[track_caller]
pub fn mbarrier_arrive_cluster_relaxed(at: Address<u64>, rank: impl IntoExpr<i32>) {
    intrinsic("cluster.mbarrier.arrive.relaxed").address(&at).value::<i32>(rank).run();
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
    let share = with(|builder| i64::from(builder.function.launch.register_share()));
    let row = if i64::from(count) > share.unwrap_or(0) { "setmaxnreg.inc" } else { "setmaxnreg.dec" };
    intrinsic(row).imm(count.into()).run();
}

/// Waits for the kernels before this one on the stream, where it was launched early. A thread that has not waited, nor
/// seen by a barrier or mbarrier that another one has, must not access what the kernel ahead writes, nor write what that
/// reads: the simulated device compares plain accesses with what the last launch of the stream wrote, to the byte, and the
/// tensors it read. It takes launches before that one to be over, and what another host thread launched.
#[track_caller]
pub fn grid_wait() {
    intrinsic("grid.wait").run();
}

/// Lets the kernels after this one on the stream be launched.
#[track_caller]
pub fn grid_launch() {
    intrinsic("grid.launch").run();
}
