//! The bytes that bulk copies bring to mbarriers (transactions), and the proxy fences for mbarriers and memory.

use super::agents::Agent;
use crate::intrinsics::Space;
use crate::sim::block::BlockRun;
use crate::sim::checks::clocks::{Knowledge, Published, add};
use crate::sim::interp::warp::Strand;
use crate::sim::lanes::lanes;
use crate::sim::report::FaultKind;
use crate::sim::sync::mbarrier::{LastCopy, Mbarrier};

/// The most bytes that an mbarrier can count in one phase.
const MAX_BYTES: i64 = (1 << 20) - 1;

impl BlockRun<'_> {
    /// `fence.proxy.async` for the writes of the thread to a memory space or, if `None`, the fence that makes
    /// initialised mbarriers visible.
    pub fn fence_proxy(&mut self, warp: usize, strand: &Strand, memory: Option<Space>) {
        let now = self.clocks.now(warp);
        for lane in lanes(strand.mask) {
            let thread = (warp * 32 + lane) as u32;
            if let Some(space) = memory
                && self.launch.options.checks.races
            {
                let copies = if self.agents.any_copies() { self.clocks.view(warp, lane).agents.clone() } else { None };
                self.proxies.fence(space, thread, now, copies);
            }
            if memory == Some(Space::Global) {
                continue;
            }
            for barrier in self.mbarriers.values_mut().filter(|barrier| barrier.owner == thread) {
                barrier.fenced = true;
            }
        }
        // Later writes have a later time.
        self.clocks.advance(warp);
    }

    /// Begins an operation whose bytes will arrive at the mbarrier. If `bulk`, the mbarrier must be visible to bulk
    /// copies. Returns false after a fault.
    pub fn begin_transaction(&mut self, at: u32, site: u32, warp: usize, lane: usize, bulk: bool) -> bool {
        let thread = (warp * 32 + lane) as u32;
        let (message, others) = match self.mbarriers.get_mut(&at) {
            None => ("an mbarrier is used before it was initialised".to_owned(), Vec::new()),
            Some(barrier) if bulk && !barrier.fenced && self.launch.options.checks.races => {
                let message = "an mbarrier may not be visible to bulk copies yet; put `mbarrier_init_fence()` after its initialisation";
                let owner = self.launch.thread_name(barrier.block, barrier.owner);
                (message.to_owned(), vec![(barrier.site, format!("{owner} initialises it"))])
            }
            Some(barrier) => {
                barrier.copies += 1;
                barrier.last_copy = Some(LastCopy { site, block: self.number, thread, phase: barrier.phase });
                return true;
            }
        };
        let what = format!("{} copies", self.thread_name(warp, lane));
        self.fault(FaultKind::Barrier, message, (site, what), others);
        self.stop();
        false
    }

    /// Completes an operation that was issued at `time`: its bytes have arrived.
    pub fn complete_transaction(&mut self, agent: Agent, bytes: u32, time: u32, site: u32, thread: u32) {
        let Agent::Loads(_, at) = agent else { return };
        let agent = self.agents.number(agent);
        let Some(barrier) = self.mbarriers.get_mut(&at) else { return };
        barrier.copies = barrier.copies.saturating_sub(1);
        barrier.bytes -= i64::from(bytes);
        let mut view = Knowledge::default();
        view.see_agent(agent, time);
        let published = Published::new(self.number, view);
        add(&mut barrier.arriving, published);
        self.progress();
        self.end_mbarrier_phase(at, site, thread as usize / 32, thread as usize % 32);
    }

    /// Expects more bytes in this phase. Returns false after a fault.
    pub fn expect_bytes(&mut self, at: u32, bytes: i64, site: u32, warp: usize, lane: usize) -> bool {
        let Some(barrier) = self.mbarriers.get_mut(&at) else { return true };
        barrier.bytes += bytes;
        if (0..=MAX_BYTES).contains(&bytes) && barrier.bytes <= MAX_BYTES {
            return true;
        }
        let message = format!("{bytes} bytes are expected at an mbarrier, which counts at most {MAX_BYTES}");
        let what = format!("{} expects them", self.thread_name(warp, lane));
        self.fault(FaultKind::Barrier, message, (site, what), Vec::new());
        self.stop();
        false
    }

    /// Reports bulk copies to shared memory that were not waited for when the last thread ends.
    pub fn loads_ended(&mut self, end: u32) {
        let mut left: Vec<(u32, u32, u32)> = self
            .mbarriers
            .values()
            .filter_map(Mbarrier::unfinished)
            .map(|copy| (copy.site, copy.block, copy.thread))
            .collect();
        left.sort_unstable();
        for (site, block, thread) in left {
            let message =
                "a bulk copy may still write shared memory when its block ends: no thread waits for its bytes";
            let what = format!("{} issues it", self.launch.thread_name(block, thread));
            self.fault(FaultKind::Unfinished, message, (site, what), vec![(end, "the block ends".to_owned())]);
        }
    }
}
