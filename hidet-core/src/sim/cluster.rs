//! A thread block cluster: blocks that are resident together and interleaved, and the cluster barrier.
//!
//! The running block is taken out of the cluster's table; the others are in the table, where the running block accesses
//! their shared memory ([`crate::sim::interp::cluster_memory`]). A phase of the barrier ends when every thread that has
//! not ended has arrived (PTX `barrier.cluster`); each block applies that before its next time slice.

use super::block::{BlockRun, BlockStatus};
use super::random::Random;
use super::report::FaultKind;
use super::run::{Resident, Run};
use crate::intrinsics::Order;
use crate::sim::checks::clocks::{Epoch, Knowledge, Published, add};
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::{State, Strand};
use crate::sim::sync::deadlock::Whereabouts;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The most time slices of a block before another one may run.
const MAX_SLICES: u32 = 8;

/// A cluster of blocks.
pub struct Cluster<'l> {
    /// The blocks by rank; the entry of the running block is empty.
    pub blocks: Vec<RefCell<Option<Box<BlockRun<'l>>>>>,
    random: RefCell<Random>,
    /// Threads that have not ended.
    alive: Cell<u32>,
    /// Threads that have arrived in this phase and have not ended.
    arrived: Cell<u32>,
    /// Number of phases that have ended.
    phase: Cell<u32>,
    /// The knowledge published by the threads that arrived in this phase, and in the last one.
    arriving: RefCell<Option<Published>>,
    complete: RefCell<Option<Published>>,
}

/// The state of a block as a member of its cluster.
pub struct Member<'l> {
    pub cluster: Rc<Cluster<'l>>,
    pub rank: u32,
    /// Set by a peer that changed an mbarrier here: the threads that wait look again.
    pub look_again: bool,
    /// By warp: the lanes that have arrived in this phase.
    arrived: Vec<u32>,
    /// By warp: the lanes that arrived in a phase that has ended, and have not waited for it yet.
    passed: Vec<u32>,
    /// Number of phases that the block has applied.
    phase: u32,
    /// Lanes that arrived in this phase and wait: their accesses are published when the last thread of the block
    /// arrives.
    waiting: Vec<(usize, u32)>,
    /// Accesses of peers to the shared memory of this block, the last one of each thread and agent.
    pub visits: BTreeMap<(u32, u32), Epoch>,
    /// The knowledge of the threads of this block when they ended.
    ending: Option<Published>,
}

impl<'l> Cluster<'l> {
    /// Creates the cluster whose first block has that number.
    pub fn new(launch: &'l Run<'l>, number: u32, resident: &Rc<Resident>) -> Rc<Cluster<'l>> {
        let program = launch.program;
        let [cx, cy, cz] = program.cluster;
        let [x, y, _] = program.grid;
        let threads = program.block.iter().product::<u32>();
        let cluster = Rc::new(Cluster {
            blocks: (0..cx * cy * cz).map(|_| RefCell::new(None)).collect(),
            random: RefCell::new(Random::new(launch.options.seed, 1 << 40 | u64::from(number))),
            alive: Cell::new(cx * cy * cz * threads),
            arrived: Cell::new(0),
            phase: Cell::new(0),
            arriving: RefCell::new(None),
            complete: RefCell::new(None),
        });
        let warps = threads.div_ceil(32) as usize;
        for (rank, cell) in cluster.blocks.iter().enumerate() {
            let rank = rank as u32;
            let block = number + rank % cx + rank / cx % cy * x + rank / (cx * cy) * x * y;
            let mut run = Box::new(BlockRun::new(launch, block, resident.clone()));
            run.member = Some(Box::new(Member {
                cluster: cluster.clone(),
                rank,
                look_again: false,
                arrived: vec![0; warps],
                passed: vec![0; warps],
                phase: 0,
                waiting: Vec::new(),
                visits: BTreeMap::new(),
                ending: None,
            }));
            *cell.borrow_mut() = Some(run);
        }
        cluster
    }

    /// Runs a block, chosen by the seed. Returns `Blocked` if no block can run.
    pub fn step(&self) -> BlockStatus {
        let count = self.blocks.len() as u32;
        let first = self.random.borrow_mut().below(count);
        let slices = 1 + self.random.borrow_mut().below(MAX_SLICES);
        let mut alive = false;
        for rank in (first..count).chain(0..first) {
            let cell = &self.blocks[rank as usize];
            let Some(mut block) = cell.borrow_mut().take() else { continue };
            // What a block has sent arrives even if its threads have ended.
            let ran = if block.alive > 0 { block.step(slices) != BlockStatus::Blocked } else { block.advance_agents() };
            let stopped = block.stopped;
            alive |= block.alive > 0;
            *cell.borrow_mut() = Some(block);
            if stopped {
                return BlockStatus::Done;
            }
            if ran {
                return BlockStatus::Running;
            }
        }
        if alive { BlockStatus::Blocked } else { BlockStatus::Done }
    }

    /// Calls `f` for every block.
    pub fn each(&self, mut f: impl FnMut(&BlockRun<'l>)) {
        self.blocks.iter().for_each(|cell| {
            if let Some(block) = &*cell.borrow() {
                f(block);
            }
        });
    }

    /// Returns true if `f` holds for any block.
    pub fn any(&self, f: impl Fn(&BlockRun<'l>) -> bool) -> bool {
        self.blocks.iter().any(|cell| cell.borrow().as_deref().is_some_and(&f))
    }

    /// Returns true if any block was stopped by a fault.
    pub fn is_stopped(&self) -> bool {
        self.any(|block| block.stopped)
    }

    /// Reports a deadlock of the cluster, by a block whose threads are at its own barrier if there is one.
    pub fn report_stuck(&self, all: Whereabouts) {
        let stuck = |at_barrier: bool| {
            let found = |block: &BlockRun| block.alive > 0 && (block.waiting + block.at_grid.waiting > 0) == at_barrier;
            self.blocks.iter().find(|cell| cell.borrow().as_deref().is_some_and(found))
        };
        let Some(cell) = stuck(true).or_else(|| stuck(false)) else { return };
        let Some(mut block) = cell.borrow_mut().take() else { return };
        block.report_stuck(all);
        *cell.borrow_mut() = Some(block);
    }

    /// Takes the blocks out after the cluster has ended.
    pub fn take(&self) -> Vec<BlockRun<'l>> {
        self.blocks.iter().filter_map(|cell| cell.borrow_mut().take()).map(|block| *block).collect()
    }

    fn arrive(&self, threads: u32) {
        self.arrived.set(self.arrived.get() + threads);
        self.end_phase();
    }

    fn publish(&self, published: Published) {
        add(&mut self.arriving.borrow_mut(), published);
    }

    fn leave(&self, threads: u32, arrived: u32) {
        self.alive.set(self.alive.get() - threads);
        self.arrived.set(self.arrived.get() - arrived);
        self.end_phase();
    }

    /// Ends the phase if all threads have arrived.
    fn end_phase(&self) {
        if self.arrived.get() > 0 && self.arrived.get() == self.alive.get() {
            self.arrived.set(0);
            self.phase.set(self.phase.get() + 1);
            *self.complete.borrow_mut() = self.arriving.borrow_mut().take();
        }
    }

    /// Returns how many threads have arrived, for reports.
    pub fn state(&self) -> String {
        format!("{} of {} threads have arrived", self.arrived.get(), self.alive.get())
    }
}

impl BlockRun<'_> {
    /// `barrier.cluster`: arrives, waits, or does both.
    pub fn cluster_barrier(
        &mut self,
        warp: usize,
        strand: &mut Strand,
        site: u32,
        arrive: Option<Order>,
        wait: bool,
    ) -> Option<Pause> {
        if let Some(order) = arrive
            && !self.cluster_arrive(warp, strand.mask, site, order, wait)
        {
            return Some(self.stop());
        }
        if wait { self.cluster_wait(warp, strand, site) } else { None }
    }

    fn cluster_arrive(&mut self, warp: usize, mask: u32, site: u32, order: Order, waits: bool) -> bool {
        let Some(member) = &mut self.member else { return true };
        let twice = mask & (member.arrived[warp] | member.passed[warp]);
        if twice != 0 {
            let what = format!("{} arrives", self.thread_name(warp, twice.trailing_zeros() as usize));
            let message = "a thread arrives at the cluster barrier again before it has waited for the previous phase";
            self.fault(FaultKind::Barrier, message, (site, what), Vec::new());
            return false;
        }
        member.arrived[warp] |= mask;
        let cluster = member.cluster.clone();
        if order == Order::Relaxed {
            cluster.publish(Published::new(self.number, Knowledge::default()));
        } else if waits {
            member.waiting.push((warp, mask));
        } else {
            cluster.publish(self.clocks.publish(warp, mask));
        }
        self.publish_waiting();
        cluster.arrive(mask.count_ones());
        self.sync_phase(if waits { mask } else { 0 });
        true
    }

    /// Publishes the accesses of the waiting threads once all threads of the block that have not ended have arrived.
    fn publish_waiting(&mut self) {
        let Some(member) = &mut self.member else { return };
        let arrived = member.arrived.iter().map(|mask| mask.count_ones()).sum::<u32>();
        if arrived < self.alive || arrived == 0 {
            return;
        }
        let (cluster, waiting) = (member.cluster.clone(), std::mem::take(&mut member.waiting));
        let threads = waiting.iter().map(|(_, mask)| mask.count_ones()).sum::<u32>();
        if threads == self.launch.program.block.iter().product::<u32>() {
            // A block barrier says the same and takes less memory.
            self.clocks.block_barrier();
            cluster.publish(self.clocks.after_barrier());
            return;
        }
        for (warp, mask) in waiting {
            cluster.publish(self.clocks.publish(warp, mask));
        }
    }

    fn cluster_wait(&mut self, warp: usize, strand: &mut Strand, site: u32) -> Option<Pause> {
        let member = self.member.as_mut()?;
        let neither = strand.mask & !(member.arrived[warp] | member.passed[warp]);
        if neither != 0 {
            let what = format!("{} waits", self.thread_name(warp, neither.trailing_zeros() as usize));
            let message = "a thread waits at the cluster barrier without having arrived";
            self.fault(FaultKind::Barrier, message, (site, what), Vec::new());
            return Some(self.stop());
        }
        let passed = strand.mask & member.passed[warp];
        if passed != 0 && passed != strand.mask {
            let (others, pc) = (strand.mask & !passed, strand.pc);
            self.warps[warp].split(strand, others, pc);
        }
        if passed == 0 {
            strand.state = State::Cluster { site };
            return Some(Pause::Waiting);
        }
        self.pass_cluster(warp, passed);
        None
    }

    /// Lets lanes go on from the barrier.
    fn pass_cluster(&mut self, warp: usize, mask: u32) {
        let Some(member) = &mut self.member else { return };
        member.passed[warp] &= !mask;
        if let Some(complete) = &*member.cluster.complete.borrow() {
            self.clocks.acquire(warp, mask, self.warps[warp].live, complete);
        }
    }

    /// Applies the changes of the other blocks of the cluster.
    pub fn sync_with_cluster(&mut self) {
        self.sync_phase(0);
    }

    /// The same while the `running` lanes, which are not in a strand, wait at the cluster barrier.
    fn sync_phase(&mut self, running: u32) {
        let Some(member) = &mut self.member else { return };
        if std::mem::take(&mut member.look_again) {
            for strand in self.warps.iter_mut().flat_map(|warp| &mut warp.strands) {
                if matches!(strand.state, State::Mbarrier { .. }) {
                    strand.state = State::Ready;
                }
            }
        }
        if member.phase == member.cluster.phase.get() {
            return;
        }
        member.phase = member.cluster.phase.get();
        for (passed, arrived) in member.passed.iter_mut().zip(&mut member.arrived) {
            *passed |= std::mem::take(arrived);
        }
        let mut waiting = Vec::new();
        for (index, warp) in self.warps.iter_mut().enumerate() {
            for strand in &mut warp.strands {
                if matches!(strand.state, State::Cluster { .. }) {
                    strand.state = State::Ready;
                    strand.pc += 1;
                    strand.polls = 0;
                    waiting.push((index, strand.mask));
                }
            }
        }
        let released = waiting.iter().map(|(_, mask)| mask.count_ones()).sum::<u32>() + running.count_ones();
        if released == self.launch.program.block.iter().product::<u32>() {
            let cluster = member.cluster.clone();
            waiting.into_iter().for_each(|(warp, mask)| member.passed[warp] &= !mask);
            if let Some(complete) = &*cluster.complete.borrow() {
                self.clocks.acquire_all(complete);
            }
        } else {
            waiting.into_iter().for_each(|(warp, mask)| self.pass_cluster(warp, mask));
        }
        self.progress();
    }

    /// Removes lanes that end from the barrier.
    pub fn leave_cluster(&mut self, warp: usize, mask: u32, site: u32) {
        let published = self.launch.options.checks.races.then(|| self.clocks.publish(warp, mask));
        let Some(member) = &mut self.member else { return };
        let arrived = member.arrived[warp] & mask;
        member.arrived[warp] &= !mask;
        member.passed[warp] &= !mask;
        if let Some(published) = published {
            add(&mut member.ending, published);
        }
        let cluster = member.cluster.clone();
        self.publish_waiting();
        cluster.leave(mask.count_ones(), arrived.count_ones());
        self.sync_with_cluster();
        if self.alive == 0 {
            self.check_visits(site);
        }
    }

    /// Reports accesses of peers to the shared memory of a block that has ended, unless it has waited for them.
    fn check_visits(&mut self, site: u32) {
        let Some(member) = &mut self.member else { return };
        let (rank, visits, ending) = (member.rank, std::mem::take(&mut member.visits), member.ending.take());
        for epoch in visits.into_values() {
            if ending.as_ref().is_some_and(|ending| ending.has_seen(&epoch)) {
                continue;
            }
            let verb = self.launch.program.sites[epoch.site as usize].verb;
            let who = self.launch.thread_name(epoch.block, epoch.thread());
            let message = format!(
                "the block of rank {rank} may have ended, and its shared memory with it, when another block accesses it; \
                 call `cluster_sync()` in all blocks after the last access"
            );
            let others = vec![(site, format!("{} may have ended here", self.launch.block_name(self.number)))];
            self.fault(FaultKind::ClusterPeer, message, (epoch.site, format!("{who} {verb}")), others);
        }
    }
}
