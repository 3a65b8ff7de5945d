//! A block of threads: its warps, its shared memory, and the order in which the warps run.

use super::bytecode::slot;
use super::cluster::Member;
use super::random::Random;
use super::report::{Counters, Fault, FaultKind, Party};
use super::run::{Resident, Run};
use crate::sim::async_ops::agents::{Agent, Agents};
use crate::sim::checks::clocks::{Clocks, Published};
use crate::sim::checks::proxies::Proxies;
use crate::sim::checks::shadow::Shadow;
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::{NONE, State, Strand, Warp};
use crate::sim::interp::warp_group::RegisterPool;
use crate::sim::sync::atomics::Fences;
use crate::sim::sync::grid_barrier::GridThreads;
use crate::sim::sync::mbarrier::Mbarrier;
use crate::sim::sync::named_barrier::NamedBarrier;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// The most faults that a block reports.
const MAX_FAULTS: usize = 16;

/// The state of a block after some time slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockStatus {
    /// It can run.
    Running,
    /// All its threads wait for other blocks, or forever.
    Blocked,
    /// All threads have ended, or a fault stopped it.
    Done,
}

/// A running block. The folders beside this file add methods to it.
pub struct BlockRun<'l> {
    pub launch: &'l Run<'l>,
    pub number: u32,
    pub coordinates: [u32; 3],
    pub warps: Vec<Warp>,
    pub shared: Vec<u64>,
    pub shadow: Option<Shadow>,
    pub clocks: Clocks,
    pub resident: Rc<Resident>,
    pub random: Random,
    pub counters: Counters,
    pub faults: Vec<Fault>,
    pub more_faults: usize,
    /// The entry of a table of tensors that is being accessed.
    pub entry: Option<u32>,
    seen_faults: HashSet<(FaultKind, Vec<u32>)>,
    pub printed: Vec<String>,
    pub stopped: bool,
    /// Threads that wait at the block barrier.
    pub waiting: u32,
    /// Threads that have not ended.
    pub alive: u32,
    /// The site where the last thread ended.
    pub last_exit: u32,
    pub named: HashMap<u32, NamedBarrier>,
    /// By byte offset in shared memory.
    pub mbarriers: BTreeMap<u32, Mbarrier>,
    /// By thread.
    pub fences: HashMap<u32, Fences>,
    /// Asynchronous operations.
    pub agents: Agents<'l>,
    pub proxies: Proxies,
    pub pool: RegisterPool,
    /// The knowledge released to each address of shared memory.
    pub released_shared: HashMap<usize, Published>,
    /// Instructions that its warps have run.
    pub steps: u64,
    /// The clock that a kernel can read.
    pub ticks: u64,
    /// Its state as a member of its cluster, if it has one.
    pub member: Option<Box<Member<'l>>>,
    /// Its threads at the grid barrier.
    pub at_grid: GridThreads,
}

impl<'l> BlockRun<'l> {
    pub fn new(launch: &'l Run<'l>, number: u32, resident: Rc<Resident>) -> Self {
        let program = launch.program;
        let [x, y, z] = program.block;
        let threads = x * y * z;
        let [grid_x, grid_y, _] = program.grid;
        let coordinates = [number % grid_x, number / grid_x % grid_y, number / grid_x / grid_y];
        let watch = launch.options.checks.races || launch.options.checks.uninitialised;
        let cells = program.shared_bytes.div_ceil(program.shared_granule) as usize;
        let mut run = BlockRun {
            launch,
            number,
            coordinates,
            warps: Vec::new(),
            shared: vec![0; program.shared_bytes.div_ceil(8) as usize],
            shadow: watch.then(|| Shadow::new(cells)),
            clocks: Clocks::new(number, threads),
            resident,
            random: Random::new(launch.options.seed, number as u64),
            counters: Counters::default(),
            faults: Vec::new(),
            more_faults: 0,
            entry: None,
            seen_faults: HashSet::new(),
            printed: Vec::new(),
            stopped: false,
            waiting: 0,
            alive: threads,
            last_exit: 0,
            named: HashMap::new(),
            mbarriers: BTreeMap::new(),
            fences: HashMap::new(),
            agents: Agents::default(),
            proxies: Proxies::default(),
            pool: RegisterPool::default(),
            released_shared: HashMap::new(),
            steps: 0,
            ticks: 0,
            member: None,
            at_grid: GridThreads::default(),
        };
        if !launch.ahead.is_empty() {
            run.agents.number(Agent::Ahead);
        }
        if program.has_products {
            run.agents.products.prepare(threads.div_ceil(32) as usize);
        }
        run.warps = (0..threads.div_ceil(32)).map(|warp| run.warp(warp, threads)).collect();
        run
    }

    fn warp(&self, index: u32, threads: u32) -> Warp {
        let program = self.launch.program;
        let lanes = (threads - index * 32).min(32);
        let mut warp = Warp::new(program.rows, lanes, self.launch.options.checks.uninitialised);
        let [x, y, _] = program.block;
        let rows = &self.launch.thread_rows[index as usize];
        warp.regs[..rows.len()].copy_from_slice(rows);
        let mut slots = vec![0; program.slots as usize];
        slots[slot::BLOCK_X as usize] = self.coordinates[0] as u64;
        slots[slot::BLOCK_Y as usize] = self.coordinates[1] as u64;
        slots[slot::BLOCK_Z as usize] = self.coordinates[2] as u64;
        slots[slot::WARP as usize] = index as u64;
        slots[slot::WARP_Y as usize] = (index * 32 / x % y) as u64;
        slots[slot::WARP_Z as usize] = (index * 32 / (x * y)) as u64;
        slots[slot::CLUSTER_RANK as usize] = self.cluster_rank() as u64;
        let strand = Strand { pc: 0, mask: warp.live, frame: NONE, slots, ..Strand::default() };
        warp.strands.push(strand);
        warp
    }

    /// Returns its rank in its cluster.
    pub fn cluster_rank(&self) -> u32 {
        let [cx, cy, cz] = self.launch.program.cluster.map(|extent| extent.max(1));
        let [x, y, z] = self.coordinates;
        x % cx + y % cy * cx + z % cz * cx * cy
    }

    /// Runs up to that many time slices, each of one warp.
    pub fn step(&mut self, slices: u32) -> BlockStatus {
        self.apply_remote_changes();
        for slice in 0..slices {
            if self.stopped || self.alive == 0 {
                return BlockStatus::Done;
            }
            if self.steps > self.launch.steps {
                self.report_limit();
                return BlockStatus::Done;
            }
            let Some(warp) = self.choose().filter(|_| !self.spins()) else {
                if self.unblock() {
                    continue;
                }
                return if slice == 0 { BlockStatus::Blocked } else { BlockStatus::Running };
            };
            let strands = &self.warps[warp].strands;
            let ready: u32 = strands.iter().map(|strand| (strand.state == State::Ready) as u32).sum();
            let mut pick = if ready > 1 { self.random.below(ready) } else { 0 };
            let strand = self.warps[warp].strands.iter().position(|strand| {
                let found = strand.state == State::Ready && pick == 0;
                pick = pick.wrapping_sub((strand.state == State::Ready) as u32);
                found
            });
            let Some(strand) = strand else { continue };
            if !self.agents.is_empty() && self.random.below(4) == 0 {
                self.advance_agents();
            }
            self.look_for_repetition(warp, strand);
            let time = 32 + self.random.below(480);
            if self.run(warp, strand, time) == Pause::Waiting {
                self.complete_block_barrier();
            }
        }
        if self.stopped || self.alive == 0 { BlockStatus::Done } else { BlockStatus::Running }
    }

    /// Returns a warp that can run, chosen by the seed, or `None` if no warp can.
    fn choose(&mut self) -> Option<usize> {
        let count = self.warps.len();
        let first = if count > 1 { self.random.below(count as u32) as usize } else { 0 };
        (first..count).chain(0..first).find(|warp| self.warps[*warp].is_ready())
    }

    /// Completes the block barrier once all threads that have not ended wait there.
    pub fn complete_block_barrier(&mut self) {
        if self.at_grid.waiting > 0 {
            self.complete_grid_barrier();
        }
        let threads = self.launch.program.block.iter().product::<u32>();
        if self.waiting == 0 || self.waiting < self.alive {
            return;
        }
        let mut site = None;
        let mut same = self.alive == threads;
        for strand in self.warps.iter().flat_map(|warp| &warp.strands) {
            if let State::Block { site: at } = strand.state {
                same &= *site.get_or_insert(at) == at;
            }
        }
        if !same && self.launch.options.checks.divergence {
            self.report_divergence(self.whereabouts());
            return;
        }
        self.waiting = 0;
        self.clocks.block_barrier();
        self.progress();
        for strand in self.warps.iter_mut().flat_map(|warp| &mut warp.strands) {
            if matches!(strand.state, State::Block { .. }) {
                strand.state = State::Ready;
                strand.polls = 0;
            }
        }
    }

    /// Applies changes that other blocks made in the meantime.
    fn apply_remote_changes(&mut self) {
        if self.member.is_some() {
            self.sync_with_cluster();
        }
        if self.at_grid.waiting > 0 {
            self.sync_with_grid();
        }
    }

    /// Called if no strand can run, or all that can only repeat themselves: advances an asynchronous operation, or lets
    /// lanes go on that wait for others of their warp. Returns false if there are neither.
    fn unblock(&mut self) -> bool {
        self.advance_agents() || self.warps.iter_mut().any(Warp::send_on)
    }

    /// Records a change that a thread may have waited for.
    pub fn progress(&mut self) {
        self.resident.changes.set(self.resident.changes.get() + 1);
    }

    /// Records that a strand has polled memory that others may change.
    pub fn poll(&mut self, warp: usize, strand: &mut Strand) {
        strand.polls += 1;
        strand.repetition.polled = Some(strand.pc);
        if strand.polls.is_multiple_of(16) && self.warps[warp].has_parked() {
            self.warps[warp].send_on();
        }
    }

    /// Ends the lanes of a strand.
    pub fn end(&mut self, warp: usize, strand: &mut Strand, site: u32) {
        self.alive -= strand.mask.count_ones();
        self.warps[warp].exit(strand, site);
        self.last_exit = site;
        self.bulk_ended(warp, strand.mask);
        self.products_ended(warp);
        if self.alive == 0 {
            self.loads_ended(site);
        }
        self.progress();
        self.lanes_ended(warp);
        if self.member.is_some() {
            self.leave_cluster(warp, strand.mask, site);
        }
    }

    /// Returns the name of a thread in reports.
    pub fn thread_name(&self, warp: usize, lane: usize) -> String {
        self.launch.thread_name(self.number, (warp * 32 + lane) as u32)
    }

    /// Returns the party of a fault at a site.
    pub fn party(&self, site: u32, what: String) -> Party {
        let span = self.launch.program.sites[site as usize].span;
        Party { span, place: self.launch.function.place_of(span), what }
    }

    /// Records a fault, once per set of sites.
    pub fn fault(
        &mut self,
        kind: FaultKind,
        message: impl Into<String>,
        (site, what): (u32, String),
        others: Vec<(u32, String)>,
    ) {
        // Two parties of a race may be found in either order.
        let mut sites: Vec<u32> = std::iter::once(site).chain(others.iter().map(|other| other.0)).collect();
        sites.sort_unstable();
        if self.seen_faults.contains(&(kind, sites.clone())) {
            return;
        }
        self.seen_faults.insert((kind, sites));
        if self.faults.len() >= MAX_FAULTS {
            self.more_faults += 1;
            return;
        }
        let fault = Fault {
            kind,
            kernel: self.launch.function.name.clone(),
            message: message.into(),
            party: self.party(site, what),
            others: others.into_iter().map(|(site, what)| self.party(site, what)).collect(),
        };
        self.faults.push(fault);
    }
}
