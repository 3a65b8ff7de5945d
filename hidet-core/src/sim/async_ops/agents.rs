//! Asynchronous operations: an agent does each of them at some time between its issue and its wait.
//!
//! For the race checker an operation reads and writes when it is issued; only a wait for the agent, and the
//! synchronization of threads after that, orders it before other accesses. The bytes themselves move at a time that the
//! scheduler chooses, so that a program that reads too early sees old data. This file has the agents of all kinds, and
//! the copies of single threads (`cp.async`).

use super::bulk::BulkCopies;
use super::st_async::RemoteStore;
use super::wgmma::Products;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::clocks::{AgentKind, Epoch, Knowledge, Published};
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::{Operands, Pause};
use crate::sim::interp::load_store::Offsets;
use crate::sim::interp::warp::Strand;
use crate::sim::lanes::{RegisterRow, lanes};
use crate::sim::memory::allocation::{load_at, store_at};
use crate::sim::report::FaultKind;
use std::collections::{HashMap, VecDeque};

/// An agent: a set of operations with a common wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Agent {
    /// The kernels ahead.
    Ahead,
    /// The copies of the threads of a warp: one agent per lane, with consecutive numbers.
    Copies(u32),
    /// The operations that signal the mbarrier at a byte of shared memory, of the block of that rank if it is another
    /// one.
    Loads(Option<u32>, u32),
    /// The reads of shared memory by the bulk stores of a thread.
    StoreReads(u32),
    /// The writes to global memory by the bulk stores of a thread.
    StoreWrites(u32),
    /// The products of a warp group.
    Products(u32),
}

impl Agent {
    fn kind(self) -> AgentKind {
        match self {
            Agent::Copies(_) => AgentKind::Copy,
            Agent::Ahead | Agent::Loads(..) => AgentKind::Load,
            Agent::StoreReads(_) | Agent::StoreWrites(_) => AgentKind::Store,
            Agent::Products(_) => AgentKind::Product,
        }
    }
}

/// The agents of a block, and their unfinished operations.
#[derive(Debug, Default)]
pub struct Agents<'l> {
    numbers: HashMap<Agent, u32>,
    next: u32,
    /// By thread, up to the last one that has issued a copy.
    copies: Vec<Copies>,
    pub bulk: BulkCopies<'l>,
    pub products: Products<'l>,
    pub remote_stores: Vec<RemoteStore>,
}

impl Agents<'_> {
    /// Returns the number of an agent in the clocks, or the first number of the copies of a warp.
    pub fn number(&mut self, agent: Agent) -> u32 {
        let next = self.next;
        let number = *self.numbers.entry(agent).or_insert(next);
        if number == next {
            self.next += if agent.kind() == AgentKind::Copy { 32 } else { 1 };
        }
        number
    }

    /// Returns [`Epoch::agent`] of an agent.
    pub fn epoch(&mut self, agent: Agent) -> u32 {
        Epoch::agent(self.number(agent), agent.kind())
    }

    /// Returns true if a thread has issued an asynchronous copy.
    pub fn any_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Returns true if there was never any agent.
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.copies.is_empty()
    }

    /// Returns the copies of a thread.
    fn copies_of(&mut self, thread: u32) -> &mut Copies {
        let number = thread as usize;
        if number >= self.copies.len() {
            self.copies.resize_with(number + 1, Copies::default);
        }
        &mut self.copies[number]
    }
}

/// An operation that a thread issued.
#[derive(Debug, Clone, Copy)]
enum Work {
    /// Copies `read` bytes from global to shared memory, and sets the rest of the destination to zero.
    Copy { from: usize, to: u32, bytes: u32, read: u32 },
    /// Arrives at an mbarrier once all earlier operations are done.
    Arrive { at: u32, site: u32, time: u32 },
}

/// The asynchronous copies of a thread, in the order of issue.
#[derive(Debug, Default)]
struct Copies {
    work: VecDeque<(u64, Work)>,
    /// The number of the next operation.
    next: u64,
    /// The number after the last operation that the thread has waited for.
    seen: u64,
    /// By group that was not waited for: the number after its last operation, and the time of its commit.
    groups: VecDeque<(u64, u32)>,
}

impl BlockRun<'_> {
    /// `cp.async`: issues a copy per lane.
    pub fn copy_async(&mut self, warp: usize, strand: &mut Strand, number: u32, bytes: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let (Some(CallArg::Address(to)), Some(CallArg::Address(from))) = (call.args.first(), call.args.get(1)) else {
            return None;
        };
        let (to, from) = (&program.accesses[*to as usize], &program.accesses[*from as usize]);
        let (MemoryBase::Shared(to_byte), MemoryBase::Global(tensor)) = (to.place, from.place) else { return None };
        let Some(to_at) = self.offsets(warp, strand, to) else { return Some(Pause::Stopped) };
        let regs = self.warps[warp].regs.as_ptr() as *mut RegisterRow;
        let operands = Operands { regs, slots: &strand.slots, consts: &program.consts };
        let mut read = [0u32; 32];
        let mut reading = 0u32;
        for lane in lanes(strand.mask) {
            let size = call.lane(&operands, 2, lane) as u32;
            if size > bytes {
                let message = format!("an asynchronous copy of {bytes} bytes cannot read {size} bytes");
                self.refuse_copy(warp, lane, call.site, FaultKind::OutOfBounds, message);
                return Some(Pause::Stopped);
            }
            read[lane] = size;
            reading |= ((size > 0) as u32) << lane;
        }
        // Only these bytes of the source are read; lanes that read none may have any address.
        let elem = from.elem.bytes() as u32;
        let mask = strand.mask;
        let mut from_at = Offsets { at: [0; 32], active: 0 };
        for count in (1..=bytes.div_ceil(elem)).rev() {
            let lanes_here: u32 =
                lanes(reading).filter(|lane| read[*lane].div_ceil(elem) == count).map(|lane| 1 << lane).sum();
            if lanes_here == 0 {
                continue;
            }
            strand.mask = lanes_here;
            let part = MemoryAccess { count, ..*from };
            let found = self.offsets(warp, strand, &part);
            strand.mask = mask;
            let Some(found) = found else { return Some(Pause::Stopped) };
            for lane in lanes(lanes_here) {
                from_at.at[lane] = found.at[lane];
            }
            self.watch_copies(warp, &part, &found, Touch::Read);
        }
        self.watch_copies(warp, to, &to_at, Touch::Write);
        if self.launch.options.counters {
            self.count(from, &from_at.at, reading, Touch::Read);
            self.count(to, &to_at.at, mask, Touch::Write);
        }
        let source = &self.launch.tensors[tensor as usize];
        for lane in lanes(mask) {
            let from = source.offset + from_at.at[lane] as usize * elem as usize;
            let to = to_byte + to_at.at[lane] * to.elem.bytes() as u32;
            let start = source.memory.base() as usize + from;
            if !(from as u32).is_multiple_of(bytes) && read[lane] > 0 || !to.is_multiple_of(bytes) {
                let message = format!("an asynchronous copy of {bytes} bytes needs addresses aligned to {bytes} bytes");
                let what = format!("{} copies from byte {from} to byte {to}", self.thread_name(warp, lane));
                self.fault(FaultKind::Misaligned, message, (call.site, what), Vec::new());
                return Some(self.stop());
            }
            self.issue(warp, lane, Work::Copy { from: start, to, bytes, read: read[lane] });
        }
        None
    }

    fn watch_copies(&mut self, warp: usize, access: &MemoryAccess, offsets: &Offsets, touch: Touch) {
        let checks = self.launch.options.checks;
        if checks.races || checks.uninitialised {
            let agent = self.agents.epoch(Agent::Copies(warp as u32));
            self.watch(warp, access, &offsets.at, offsets.active, touch, agent, touch == Touch::Read);
        }
    }

    fn issue(&mut self, warp: usize, lane: usize, work: Work) {
        let copies = self.agents.copies_of((warp * 32 + lane) as u32);
        copies.work.push_back((copies.next, work));
        copies.next += 1;
    }

    /// Commits a group of the copies of each lane.
    pub fn commit(&mut self, warp: usize, strand: &mut Strand) {
        let now = self.clocks.now(warp);
        for lane in lanes(strand.mask) {
            let copies = self.agents.copies_of((warp * 32 + lane) as u32);
            copies.groups.push_back((copies.next, now));
        }
        // Later copies have a later time than the group.
        self.clocks.advance(warp);
    }

    /// Waits until at most `left` groups of each lane are unfinished; `None` waits for all copies, committed or not.
    pub fn wait_async(&mut self, warp: usize, strand: &mut Strand, left: Option<usize>) {
        let live = self.warps[warp].live;
        let now = self.clocks.now(warp);
        let checks = self.launch.options.checks;
        let mut has_waited = false;
        for lane in lanes(strand.mask) {
            let thread = (warp * 32 + lane) as u32;
            let Some(copies) = self.agents.copies.get_mut(thread as usize) else { continue };
            let mut until = None;
            match left {
                None => {
                    until = Some((copies.next, now));
                    copies.groups.clear();
                }
                Some(left) => {
                    while copies.groups.len() > left {
                        until = copies.groups.pop_front();
                    }
                }
            }
            // What the thread has waited for before, it has seen.
            let Some((end, time)) = until.filter(|(end, _)| *end > copies.seen) else { continue };
            copies.seen = end;
            has_waited = true;
            self.finish(thread, end);
            if checks.races || checks.uninitialised {
                let agent = self.agents.number(Agent::Copies(warp as u32)) + lane as u32;
                self.clocks.see_agent(warp, 1 << lane, live, agent, time);
            }
        }
        if left.is_none() && has_waited {
            self.clocks.advance(warp);
        }
    }

    /// `cp.async.mbarrier.arrive`: issues an arrival per lane, which is one of those that the mbarrier expects, or one more.
    pub fn arrive_async(&mut self, warp: usize, strand: &mut Strand, number: u32, expected: bool) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let access = &program.accesses[*access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return Some(Pause::Stopped) };
        let MemoryBase::Shared(byte) = access.place else { return None };
        if self.launch.options.checks.races {
            self.watch(warp, access, &offsets.at, offsets.active, Touch::Atomic, 0, false);
        }
        for lane in lanes(offsets.active) {
            let at = byte + offsets.at[lane] * 8;
            if !self.mbarriers.contains_key(&at) {
                let message = "an mbarrier is used before it was initialised";
                let what = format!("{} uses it", self.thread_name(warp, lane));
                self.fault(FaultKind::Barrier, message, (call.site, what), Vec::new());
                return Some(self.stop());
            }
            if !expected {
                self.expect_arrival(at);
            }
            self.issue(warp, lane, Work::Arrive { at, site: call.site, time: self.clocks.now(warp) });
        }
        // Later copies have a later time.
        self.clocks.advance(warp);
        self.progress();
        None
    }

    /// Finishes the operations of a thread up to a number.
    fn finish(&mut self, thread: u32, end: u64) {
        while let Some(copies) = self.agents.copies.get_mut(thread as usize) {
            match copies.work.front() {
                Some((number, _)) if *number < end => {}
                _ => return,
            }
            if let Some((_, work)) = copies.work.pop_front() {
                self.perform(thread, work);
            }
        }
    }

    fn perform(&mut self, thread: u32, work: Work) {
        let (warp, lane) = (thread as usize / 32, thread as usize % 32);
        match work {
            Work::Copy { from, to, bytes, read } => {
                let shared = self.shared.as_mut_ptr().cast::<u8>();
                // SAFETY: both ranges were checked when the copy was issued: of 4, 8 or 16 bytes, and aligned to these if any is
                // read.
                unsafe {
                    let byte = |at: u32| load_at::<1>((from + at as usize) as *const u8) << (at % 4 * 8);
                    for at in (0..bytes).step_by(4) {
                        let value = match read.saturating_sub(at) {
                            0 => 0,
                            left @ 1..4 => (at..at + left).map(byte).fold(0, |word, byte| word | byte),
                            _ => load_at::<4>((from + at as usize) as *const u8),
                        };
                        store_at::<4>(shared.add((to + at) as usize), value);
                    }
                }
            }
            Work::Arrive { at, site, time } => {
                let agent = self.agents.number(Agent::Copies(warp as u32)) + lane as u32;
                let mut view = Knowledge::default();
                view.see_agent(agent, time);
                self.arrive(at, 1, Published::new(self.number, view), (site, warp, lane));
            }
        }
    }

    /// Advances an asynchronous operation, chosen by the seed. Returns false if there are none.
    pub fn advance_agents(&mut self) -> bool {
        let busy = self.agents.copies.iter().enumerate().filter(|(_, copies)| !copies.work.is_empty());
        let busy: Vec<u32> = busy.map(|(thread, _)| thread as u32).collect();
        let (bulk, remote_stores) = (self.copies_in_flight(), self.agents.remote_stores.len());
        let products = self.agents.products.busy();
        let count = busy.len() as u32 + bulk + (products.len() + remote_stores) as u32;
        if count == 0 {
            return false;
        }
        self.progress();
        let pick = self.random.below(count);
        if pick < bulk {
            self.advance_copy(pick as usize);
            return true;
        }
        let pick = (pick - bulk) as usize;
        if pick < remote_stores {
            self.advance_remote_store(pick);
            return true;
        }
        let pick = pick - remote_stores;
        if pick < products.len() {
            self.advance_products(products[pick]);
            return true;
        }
        let thread = busy[pick - products.len()];
        let copies = self.agents.copies.get_mut(thread as usize);
        if let Some((_, work)) = copies.and_then(|copies| copies.work.pop_front()) {
            self.perform(thread, work);
        }
        true
    }
}
