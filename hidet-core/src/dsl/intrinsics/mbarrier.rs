//! Barriers in shared memory (mbarriers) that threads and asynchronous copies arrive at (sm_80; bytes from sm_90 on).

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::index::IndexValue;
use crate::dsl::memory::shared;
use crate::dsl::view::View;

/// An array of mbarriers in shared memory, indexed from 0.
#[derive(Clone, Copy, Debug)]
pub struct Mbarriers(View<u64, 1>);

/// Allocates mbarriers. Before they are used, one thread must initialise each, and the block must synchronise.
#[track_caller]
pub fn mbarriers(count: i32) -> Mbarriers {
    let view = shared::<u64, 1>([count]);
    view.set_name("mbarriers");
    Mbarriers(view)
}

impl Mbarriers {
    /// Returns those of the block of that rank in the cluster, at which threads of this block can arrive.
    #[track_caller]
    pub fn at_rank(self, rank: impl IntoExpr<i32>) -> Mbarriers {
        Mbarriers(self.0.at_rank(rank))
    }

    /// Returns the address of an mbarrier.
    #[track_caller]
    pub fn at(self, index: impl IndexValue) -> Address<u64> {
        self.0.address((index.coordinate(),))
    }

    /// Initialises an mbarrier with `arrivals` per phase.
    #[track_caller]
    pub fn init(self, index: impl IndexValue, arrivals: impl IntoExpr<i32>) {
        intrinsic("mbarrier.init").address(&self.at(index)).value::<i32>(arrivals).run();
    }

    /// Invalidates an mbarrier, so that its memory can be reused.
    #[track_caller]
    pub fn invalidate(self, index: impl IndexValue) {
        intrinsic("mbarrier.invalidate").address(&self.at(index)).run();
    }

    /// Arrives; this thread's accesses before it happen before the end of the phase.
    #[track_caller]
    pub fn arrive(self, index: impl IndexValue) {
        intrinsic("mbarrier.arrive").address(&self.at(index)).run();
    }

    /// Arrives, and increases the transaction count of the phase: the bytes that asynchronous copies must deliver
    /// (PTX `mbarrier.arrive.expect_tx`).
    #[track_caller]
    pub fn arrive_expect(self, index: impl IndexValue, bytes: impl IntoExpr<i32>) {
        intrinsic("mbarrier.arrive.expect").address(&self.at(index)).value::<i32>(bytes).run();
    }

    /// Increases the transaction count of the phase: the bytes that asynchronous copies must deliver (PTX
    /// `mbarrier.expect_tx`).
    #[track_caller]
    pub fn expect(self, index: impl IndexValue, bytes: impl IntoExpr<i32>) {
        intrinsic("mbarrier.expect").address(&self.at(index)).value::<i32>(bytes).run();
    }

    /// Waits until the phase of parity `parity` has completed.
    #[track_caller]
    pub fn wait(self, index: impl IndexValue, parity: impl IntoExpr<i32>) {
        intrinsic("mbarrier.wait").address(&self.at(index)).value::<i32>(parity).run();
    }

    /// Returns true if the phase of parity `parity` has completed.
    #[track_caller]
    pub fn test(self, index: impl IndexValue, parity: impl IntoExpr<i32>) -> Expr<bool> {
        intrinsic("mbarrier.test").address(&self.at(index)).value::<i32>(parity).give()
    }

    /// Arrives once this thread's asynchronous copies so far are complete; does not count as one of the expected
    /// arrivals.
    #[track_caller]
    pub fn arrive_after_copies(self, index: impl IndexValue) {
        intrinsic("cp.async.mbarrier.arrive").address(&self.at(index)).run();
    }

    /// Arrives once this thread's asynchronous copies so far are complete, as one of the expected arrivals (PTX `.noinc`).
    /// Who waits sees these copies, but not what the thread stored by itself.
    #[track_caller]
    pub fn arrive_with_copies(self, index: impl IndexValue) {
        intrinsic("cp.async.mbarrier.arrive.noinc").address(&self.at(index)).run();
    }
}

/// Makes initialised mbarriers visible to the cluster and to asynchronous copies (sm_90).
#[track_caller]
pub fn mbarrier_init_fence() {
    intrinsic("mbarrier.init.fence").run();
}
