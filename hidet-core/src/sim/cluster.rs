//! A cluster: blocks that are resident together and take turns, and the barrier at which they meet.
//!
//! The block whose turn it is lies outside of the cluster's table; the others lie in it, where that one reaches their
//! shared memory ([`crate::sim::interp::cluster_memory`]). A phase of the barrier ends when every thread that has not ended has arrived (PTX
//! `barrier.cluster`); each block takes that up when its turn comes.

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

/// Turns of a block before another one may run.
const MOST_SLICES: u32 = 8;

/// A cluster of blocks.
pub struct Cluster<'l> {
    /// The blocks by rank; that of the one that runs is empty.
    pub blocks: Vec<RefCell<Option<Box<BlockRun<'l>>>>>,
    random: RefCell<Random>,
    /// Threads that have not ended.
    alive: Cell<u32>,
    /// Threads that have arrived in this phase and have not ended.
    arrived: Cell<u32>,
    /// Phases that have ended.
    phase: Cell<u32>,
    /// What those that arrived in this phase published, and in the last one.
    arriving: RefCell<Option<Published>>,
    complete: RefCell<Option<Published>>,
}

/// What a block is in its cluster.
pub struct Member<'l> {
    pub cluster: Rc<Cluster<'l>>,
    pub rank: u32,
    /// Set by a peer that changed an mbarrier here: those who wait look again.
    pub look_again: bool,
    /// By warp: the lanes that have arrived in this phase.
    arrived: Vec<u32>,
    /// By warp: the lanes that arrived in a phase that has ended, and have not waited for it.
    passed: Vec<u32>,
    /// Phases that the block has taken up.
    phase: u32,
    /// Lanes that arrived in this phase and wait: what they have done is published when the block's last thread
    /// arrives.
    waiting: Vec<(usize, u32)>,
    /// Accesses of peers to the shared memory of this block, the last one of each thread and agent.
    pub visits: BTreeMap<(u32, u32), Epoch>,
    /// What threads of this block had seen when they ended.
    ending: Option<Published>,
}

impl<'l> Cluster<'l> {
    /// The cluster that the block of that number, its first one, belongs to.
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

    /// Lets a block run, chosen by the seed. Blocked where none can.
    pub fn step(&self) -> BlockStatus {
        let count = self.blocks.len() as u32;
        let first = self.random.borrow_mut().below(count);
        let slices = 1 + self.random.borrow_mut().below(MOST_SLICES);
        let mut alive = false;
        for rank in (first..count).chain(0..first) {
            let cell = &self.blocks[rank as usize];
            let Some(mut block) = cell.borrow_mut().take() else { continue };
            // What a block has sent arrives even when its threads have ended.
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

    /// Does something with every block.
    pub fn each(&self, mut f: impl FnMut(&BlockRun<'l>)) {
        self.blocks.iter().for_each(|cell| {
            if let Some(block) = &*cell.borrow() {
                f(block);
            }
        });
    }

    /// Whether something holds for a block.
    pub fn any(&self, f: impl Fn(&BlockRun<'l>) -> bool) -> bool {
        self.blocks.iter().any(|cell| cell.borrow().as_deref().is_some_and(&f))
    }

    /// Whether a block was stopped by a fault.
    pub fn is_stopped(&self) -> bool {
        self.any(|block| block.stopped)
    }

    /// No block can ever go on: one of them says so, best one with threads at a barrier of its own.
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

    /// Takes the blocks out, when the cluster is done.
    pub fn take(&self) -> Vec<BlockRun<'l>> {
        self.blocks.iter().filter_map(|cell| cell.borrow_mut().take()).map(|block| *block).collect()
    }

    fn arrive(&self, threads: u32) {
        self.arrived.set(self.arrived.get() + threads);
        self.meet();
    }

    fn publish(&self, published: Published) {
        add(&mut self.arriving.borrow_mut(), published);
    }

    fn leave(&self, threads: u32, arrived: u32) {
        self.alive.set(self.alive.get() - threads);
        self.arrived.set(self.arrived.get() - arrived);
        self.meet();
    }

    fn meet(&self) {
        if self.arrived.get() > 0 && self.arrived.get() == self.alive.get() {
            self.arrived.set(0);
            self.phase.set(self.phase.get() + 1);
            *self.complete.borrow_mut() = self.arriving.borrow_mut().take();
        }
    }

    /// How far the barrier is.
    pub fn state(&self) -> String {
        format!("{} of {} threads have arrived", self.arrived.get(), self.alive.get())
    }
}

impl BlockRun<'_> {
    /// `barrier.cluster`: arrives, waits, or both.
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
            let message = "a thread arrives at the barrier of the cluster again before it has waited for it";
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
        self.settle_with(if waits { mask } else { 0 });
        true
    }

    /// All threads of the block that have not ended have arrived: publishes what those did that wait.
    fn publish_waiting(&mut self) {
        let Some(member) = &mut self.member else { return };
        let arrived = member.arrived.iter().map(|mask| mask.count_ones()).sum::<u32>();
        if arrived < self.alive || arrived == 0 {
            return;
        }
        let (cluster, waiting) = (member.cluster.clone(), std::mem::take(&mut member.waiting));
        let threads = waiting.iter().map(|(_, mask)| mask.count_ones()).sum::<u32>();
        if threads == self.launch.program.block.iter().product::<u32>() {
            // They have met, which is cheaper to remember.
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
            let message = "a thread waits at the barrier of the cluster without having arrived there";
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

    /// Lanes go on from the barrier.
    fn pass_cluster(&mut self, warp: usize, mask: u32) {
        let Some(member) = &mut self.member else { return };
        member.passed[warp] &= !mask;
        if let Some(complete) = &*member.cluster.complete.borrow() {
            self.clocks.acquire(warp, mask, self.warps[warp].live, complete);
        }
    }

    /// Takes up what the other blocks of the cluster did.
    pub fn settle_cluster(&mut self) {
        self.settle_with(0);
    }

    /// The same, while `running` lanes that are in no list wait at the barrier of the cluster.
    fn settle_with(&mut self, running: u32) {
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
        let met = waiting.iter().map(|(_, mask)| mask.count_ones()).sum::<u32>() + running.count_ones();
        if met == self.launch.program.block.iter().product::<u32>() {
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

    /// Lanes of the block end.
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
        self.settle_cluster();
        if self.alive == 0 {
            self.check_visits(site);
        }
    }

    /// The memory of the block goes: whoever accessed it must have been waited for.
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
                "the block of rank {rank} may have ended, and its shared memory with it, when another one accesses it; \
                 let the blocks meet at `cluster_sync()` after the last access"
            );
            let others = vec![(site, format!("{} may have ended here", self.launch.block_name(self.number)))];
            self.fault(FaultKind::ClusterPeer, message, (epoch.site, format!("{who} {verb}")), others);
        }
    }
}
