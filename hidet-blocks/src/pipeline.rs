//! The barriers of a ring of stages, which one thread fills and warp groups read.

use hidet_core::dsl::intrinsics::{
    Mbarriers, cluster_sync, mbarrier_arrive_cluster_relaxed, mbarrier_init_fence, mbarriers, sync_threads, thread_id,
};
use hidet_core::dsl::{Address, Expr, Var, unroll};
use hidet_macros::device;
use std::cell::RefCell;

/// A ring of stages in shared memory. Each has a barrier for the bytes that arrive, and one for the warp groups that have
/// read them.
#[derive(Clone, Copy, Debug)]
pub struct Pipeline {
    stages: i32,
    cluster: i32,
    full: Mbarriers,
    empty: Mbarriers,
}

/// Barriers at which a warp group that changes the tiles of stages hands them to those that multiply them.
#[derive(Clone, Copy, Debug)]
pub struct Handover {
    changed: Mbarriers,
}

impl Handover {
    /// Makes them for so many stages. All threads of the block must call it together, before they make the pipeline.
    #[device(crate = hidet_core)]
    pub fn new(stages: i32) -> Handover {
        let changed = mbarriers(stages);
        if thread_id() == 0 {
            for stage in unroll(0..stages) {
                changed.init(stage, 1);
            }
        }
        Handover { changed }
    }
}

/// A thread's position in a pipeline.
#[derive(Debug)]
pub struct Position {
    pipeline: Pipeline,
    stage: RefCell<Var<i32>>,
    phase: RefCell<Var<i32>>,
}

impl Pipeline {
    /// Makes a pipeline of empty stages, each read by `consumers` warp groups of every block of the cluster, since blocks
    /// of a cluster may fill stages of each other. All threads of the block must call it together.
    #[track_caller]
    pub fn new(stages: i32, consumers: i32, cluster: i32) -> Pipeline {
        Pipeline::filled_by(1, stages, consumers, cluster)
    }

    /// The same of stages that `producers` threads of a block fill together: see [`Position::fill_together`].
    #[device(crate = hidet_core)]
    pub fn filled_by(producers: i32, stages: i32, consumers: i32, cluster: i32) -> Pipeline {
        let (full, empty) = (mbarriers(stages), mbarriers(stages));
        if thread_id() == 0 {
            for stage in unroll(0..stages) {
                full.init(stage, producers);
                empty.init(stage, consumers * cluster);
            }
            mbarrier_init_fence();
        }
        if cluster == 1 {
            sync_threads()
        } else {
            cluster_sync()
        }
        Pipeline { stages, cluster, full, empty }
    }

    /// Returns a position at the first stage.
    #[track_caller]
    pub fn start(self) -> Position {
        let (stage, phase) = (Var::new("stage", 0), Var::new("phase", 0));
        Position { pipeline: self, stage: RefCell::new(stage), phase: RefCell::new(phase) }
    }

    /// Ends the use of the pipeline, as the last statement of a kernel: a block must not exit while another may still write
    /// to its shared memory or signal its barriers.
    #[device(crate = hidet_core)]
    pub fn finish(self) {
        if self.cluster > 1 {
            cluster_sync();
        }
    }
}

impl Position {
    /// Returns the number of stages of the pipeline.
    pub fn stages(&self) -> i32 {
        self.pipeline.stages
    }

    /// Returns the number of the stage.
    #[track_caller]
    pub fn stage(&self) -> Expr<i32> {
        self.stage.borrow().read()
    }

    /// Returns the barrier at which bytes of this stage arrive.
    #[track_caller]
    pub fn arrivals(&self) -> Address<u64> {
        self.pipeline.full.at(self.stage())
    }

    /// Waits until the stage may be overwritten, and expects that many bytes in it.
    #[device(crate = hidet_core)]
    pub fn fill(&self, bytes: i32) {
        self.claim();
        self.pipeline.full.arrive_expect(self.stage(), bytes);
    }

    /// Waits until the stage may be overwritten.
    #[device(crate = hidet_core)]
    pub fn claim(&self) {
        self.pipeline.empty.wait(self.stage(), self.phase.borrow().read() ^ 1);
    }

    /// Says that the stage is not full before that many bytes have arrived, which this thread is about to copy by TMA. It
    /// must signal afterwards that the stage is full.
    #[device(crate = hidet_core)]
    pub fn expect(&self, bytes: i32) {
        self.pipeline.full.expect(self.stage(), bytes);
    }

    /// Signals, as each producer must, that the stage is full once this thread's asynchronous copies are complete.
    #[device(crate = hidet_core)]
    pub fn fill_together(&self) {
        self.pipeline.full.arrive_with_copies(self.stage());
    }

    /// Waits for the bytes of the stage.
    #[device(crate = hidet_core)]
    pub fn wait(&self) {
        self.pipeline.full.wait(self.stage(), self.phase.borrow().read());
    }

    /// Signals that this warp group, of which this is thread `t`, has changed the stage: its threads have met at a barrier
    /// since, each behind a fence for tensor cores.
    #[device(crate = hidet_core)]
    pub fn hand_over(&self, handover: Handover, t: Expr<i32>) {
        if t == 0 {
            handover.changed.arrive(self.stage());
        }
    }

    /// Waits until the stage is changed.
    #[device(crate = hidet_core)]
    pub fn wait_for(&self, handover: Handover) {
        handover.changed.wait(self.stage(), self.phase.borrow().read());
    }

    /// Signals that this warp group, of which this is thread `t`, has read that stage: by tensor cores, or by threads that
    /// have met at a barrier since.
    #[device(crate = hidet_core)]
    pub fn release(&self, stage: Expr<i32>, t: Expr<i32>) {
        let (cluster, empty) = (self.pipeline.cluster, self.pipeline.empty);
        if cluster == 1 {
            if t == 0 {
                empty.arrive(stage);
            }
        } else {
            if t < cluster {
                // Without a device-wide fence: there is nothing to order, since what was read is in registers.
                mbarrier_arrive_cluster_relaxed(empty.at(stage), t);
            }
        }
    }

    /// Signals that the stage was read, as [`release`](Self::release) does, and goes to the next.
    #[track_caller]
    pub fn pass(&self, t: Expr<i32>) {
        self.release(self.stage(), t);
        self.advance();
    }

    /// Goes to the next stage.
    #[device(crate = hidet_core)]
    pub fn advance(&self) {
        let next = self.stage() + 1;
        self.stage.borrow_mut().set(next);
        if next == self.pipeline.stages {
            self.stage.borrow_mut().set(0);
            let phase = self.phase.borrow().read() ^ 1;
            self.phase.borrow_mut().set(phase);
        }
    }
}
