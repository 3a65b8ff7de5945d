//! Barriers in shared memory on which asynchronous copies can report (sm_80, bytes from sm_90).

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::index::IndexValue;
use crate::dsl::memory::shared;
use crate::dsl::view::View;

/// An array of mbarriers in shared memory. Each is named by its index.
#[derive(Clone, Copy, Debug)]
pub struct Mbarriers(View<u64, 1>);

/// So many mbarriers. One thread must initialise each, and the block must meet, before they are used.
#[track_caller]
pub fn mbarriers(count: i32) -> Mbarriers {
    let view = shared::<u64, 1>([count]);
    view.set_name("mbarriers");
    Mbarriers(view)
}

impl Mbarriers {
    /// Those of the block of that rank in the cluster, at which threads of this block can arrive.
    #[track_caller]
    pub fn at_rank(self, rank: impl IntoExpr<i32>) -> Mbarriers {
        Mbarriers(self.0.at_rank(rank))
    }

    /// The address of one.
    #[track_caller]
    pub fn at(self, index: impl IndexValue) -> Address<u64> {
        self.0.address((index.coordinate(),))
    }

    /// Initialises one for `arrivals` a phase.
    #[track_caller]
    pub fn init(self, index: impl IndexValue, arrivals: impl IntoExpr<i32>) {
        intrinsic("mbarrier.init").address(&self.at(index)).value::<i32>(arrivals).run();
    }

    /// Ends its life, so that its memory can be used again.
    #[track_caller]
    pub fn invalidate(self, index: impl IndexValue) {
        intrinsic("mbarrier.invalidate").address(&self.at(index)).run();
    }

    /// Arrives; what this thread did before is ordered before the end of the phase.
    #[track_caller]
    pub fn arrive(self, index: impl IndexValue) {
        intrinsic("mbarrier.arrive").address(&self.at(index)).run();
    }

    /// Arrives, and adds to the bytes that asynchronous copies must bring in this phase.
    #[track_caller]
    pub fn arrive_expect(self, index: impl IndexValue, bytes: impl IntoExpr<i32>) {
        intrinsic("mbarrier.arrive.expect").address(&self.at(index)).value::<i32>(bytes).run();
    }

    /// Adds to the bytes that asynchronous copies must bring in this phase.
    #[track_caller]
    pub fn expect(self, index: impl IndexValue, bytes: impl IntoExpr<i32>) {
        intrinsic("mbarrier.expect").address(&self.at(index)).value::<i32>(bytes).run();
    }

    /// Waits until the phase of that parity has ended.
    #[track_caller]
    pub fn wait(self, index: impl IndexValue, parity: impl IntoExpr<i32>) {
        intrinsic("mbarrier.wait").address(&self.at(index)).value::<i32>(parity).run();
    }

    /// Whether the phase of that parity has ended.
    #[track_caller]
    pub fn test(self, index: impl IndexValue, parity: impl IntoExpr<i32>) -> Expr<bool> {
        intrinsic("mbarrier.test").address(&self.at(index)).value::<i32>(parity).give()
    }

    /// Arrives once this thread's asynchronous copies so far are done; it counts as none of the expected arrivals.
    #[track_caller]
    pub fn arrive_after_copies(self, index: impl IndexValue) {
        intrinsic("cp.async.mbarrier.arrive").address(&self.at(index)).run();
    }
}

/// Makes initialised mbarriers visible to the cluster and to asynchronous copies (sm_90).
#[track_caller]
pub fn mbarrier_init_fence() {
    intrinsic("mbarrier.init.fence").run();
}
