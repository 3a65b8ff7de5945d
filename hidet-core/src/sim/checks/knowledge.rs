//! The knowledge of a thread about the accesses of others, published knowledge, and the times of accesses.
//!
//! [`super::clocks`] describes how time advances.

use crate::sim::lanes::LANES;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The time of an access, who made it, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// The time; 0 for no access.
    pub time: u32,
    /// The number of the thread, combined with [`Epoch::agent`] for an asynchronous operation that it issued.
    pub who: u32,
    /// The block.
    pub block: u32,
    /// The position in the source.
    pub site: u32,
}

impl Epoch {
    /// A block has at most 2 to the power of this threads.
    const THREAD_BITS: u32 = 10;

    /// Returns the bits to combine with the thread in `who` for an asynchronous operation of the agent of that number
    /// (for copies of threads, the number of the warp's first lane). They are not 0.
    pub const fn agent(number: u32, kind: AgentKind) -> u32 {
        ((number + 1) << 2 | kind as u32) << Epoch::THREAD_BITS
    }

    /// Returns the thread.
    pub const fn thread(self) -> u32 {
        self.who & ((1 << Epoch::THREAD_BITS) - 1)
    }

    /// Returns true if it is an asynchronous operation.
    pub const fn is_agent(self) -> bool {
        self.who >> Epoch::THREAD_BITS != 0
    }

    /// Returns the number of the agent. The copies of the lanes of a warp have consecutive agents.
    pub const fn agent_number(self) -> u32 {
        let number = (self.who >> (Epoch::THREAD_BITS + 2)) - 1;
        match self.kind() {
            Some(AgentKind::Copy) => number + self.thread() % LANES as u32,
            _ => number,
        }
    }

    /// Returns the kind of asynchronous operation, or `None` if it is an access of a thread.
    pub const fn kind(self) -> Option<AgentKind> {
        match (self.is_agent(), self.who >> Epoch::THREAD_BITS & 3) {
            (false, _) => None,
            (true, 0) => Some(AgentKind::Copy),
            (true, 1) => Some(AgentKind::Load),
            (true, 2) => Some(AgentKind::Store),
            (true, _) => Some(AgentKind::Product),
        }
    }
}

/// The kind of an asynchronous operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentKind {
    /// A copy of a thread (`cp.async`).
    Copy,
    /// A bulk copy to shared memory.
    Load,
    /// A bulk copy from shared memory.
    Store,
    /// A product of the tensor cores of a warp group.
    Product,
}

/// The accesses that a thread has seen.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// All accesses of the threads of the block up to this time.
    pub floor: u32,
    /// By thread: the time up to which its accesses were seen, if later than the floor.
    pub threads: Option<Rc<Vec<u32>>>,
    /// By thread: the time up to which its reads are known to be over, if later than all of its accesses.
    pub reads: Option<Rc<Vec<u32>>>,
    /// By agent: the time up to which its asynchronous operations were waited for.
    pub agents: Option<Rc<Vec<u32>>>,
    /// The accesses seen of other blocks.
    pub others: Option<Rc<BTreeMap<u32, Knowledge>>>,
}

/// Joins two shared values: keeps them shared if they are the same, and calls `join` if both sides differ.
fn join_shared<T: Clone>(into: &mut Option<Rc<T>>, from: &Option<Rc<T>>, join: impl FnOnce(&mut T, &T)) {
    match (&mut *into, from) {
        (_, None) => {}
        (None, Some(from)) => *into = Some(from.clone()),
        (Some(into), Some(from)) => {
            if !Rc::ptr_eq(into, from) {
                join(Rc::make_mut(into), from);
            }
        }
    }
}

fn join_times(into: &mut Vec<u32>, from: &Vec<u32>) {
    into.resize(into.len().max(from.len()), 0);
    into.iter_mut().zip(from).for_each(|(a, b)| *a = (*a).max(*b));
}

fn join_blocks(into: &mut BTreeMap<u32, Knowledge>, from: &BTreeMap<u32, Knowledge>) {
    for (block, view) in from {
        into.entry(*block).or_default().join(view);
    }
}

impl Knowledge {
    /// Adds the knowledge of another thread of the same block.
    pub fn join(&mut self, other: &Knowledge) {
        self.floor = self.floor.max(other.floor);
        join_shared(&mut self.threads, &other.threads, join_times);
        join_shared(&mut self.reads, &other.reads, join_times);
        join_shared(&mut self.agents, &other.agents, join_times);
        join_shared(&mut self.others, &other.others, join_blocks);
    }

    /// Adds published knowledge to that of a thread of the block `mine`.
    pub fn acquire(&mut self, mine: u32, published: &Published) {
        self.acquire_public(mine, published);
        if let Some(view) = published.within.as_ref().and_then(|within| within.get(&mine)) {
            self.join(view);
        }
    }

    /// The same without the part that is published for the threads of one block alone.
    fn acquire_public(&mut self, mine: u32, published: &Published) {
        if published.block == mine {
            self.join(&published.view);
        } else {
            self.join_foreign(mine, published.block, &published.view);
        }
    }

    /// Returns true if both are known to be equal because they share their contents.
    pub fn is_like(&self, other: &Knowledge) -> bool {
        fn same<T>(a: &Option<Rc<T>>, b: &Option<Rc<T>>) -> bool {
            match (a, b) {
                (None, None) => true,
                (Some(a), Some(b)) => Rc::ptr_eq(a, b),
                _ => false,
            }
        }
        self.floor == other.floor
            && same(&self.threads, &other.threads)
            && same(&self.reads, &other.reads)
            && same(&self.agents, &other.agents)
            && same(&self.others, &other.others)
    }

    /// Adds the knowledge of a thread of another block.
    pub fn join_foreign(&mut self, mine: u32, block: u32, view: &Knowledge) {
        let mut view = view.clone();
        let beyond = view.others.take();
        let others = Rc::make_mut(self.others.get_or_insert_default());
        others.entry(block).or_default().join(&view);
        for (other, theirs) in beyond.iter().flat_map(|map| map.iter()) {
            if *other != mine {
                others.entry(*other).or_default().join(theirs);
            }
        }
        // What the other block saw of this block.
        if let Some(back) = beyond.as_ref().and_then(|map| map.get(&mine)) {
            self.join(back);
        }
    }

    /// Returns true if all accesses of the thread up to the time were seen.
    pub fn has_seen(&self, thread: u32, time: u32) -> bool {
        time <= self.floor || self.threads.as_ref().is_some_and(|times| times[thread as usize] >= time)
    }

    /// Returns true if an access of the own block was seen, or at least is over if it is a read.
    pub fn is_over(&self, epoch: &Epoch, read: bool) -> bool {
        let over = |times: &Rc<Vec<u32>>| times.get(epoch.thread() as usize).is_some_and(|time| *time >= epoch.time);
        self.has_seen_epoch(epoch) || read && !epoch.is_agent() && self.reads.as_ref().is_some_and(over)
    }

    /// Returns true if an access of the own block was seen.
    pub fn has_seen_epoch(&self, epoch: &Epoch) -> bool {
        if epoch.is_agent() {
            self.has_seen_agent(epoch.agent_number(), epoch.time)
        } else {
            self.has_seen(epoch.thread(), epoch.time)
        }
    }

    /// Returns true if the operations of the agent up to the time were waited for.
    pub fn has_seen_agent(&self, agent: u32, time: u32) -> bool {
        self.agents.as_ref().is_some_and(|times| times.get(agent as usize).is_some_and(|seen| *seen >= time))
    }

    /// Returns true if a thread of any block is known to have waited for the kernels ahead, which are the agent of
    /// that number in every block.
    pub fn has_seen_ahead(&self, agent: u32) -> bool {
        let others = self.others.iter().flat_map(|others| others.values());
        self.has_seen_agent(agent, 1) || others.into_iter().any(|view| view.has_seen_agent(agent, 1))
    }

    /// Returns the part that holds without an order of memory: asynchronous operations that were waited for and reads
    /// access no memory any more. The reads are those that others have seen or a barrier has ordered, since what a thread
    /// has just issued may still be on its way.
    pub fn of_what_is_over(&self, threads: u32) -> Knowledge {
        let of_block = |(block, view): (&u32, &Knowledge)| (*block, view.of_what_is_over(threads));
        let others = self.others.as_ref().map(|others| Rc::new(others.iter().map(of_block).collect()));
        let mut reads = vec![self.floor; threads as usize];
        [&self.threads, &self.reads].into_iter().flatten().for_each(|times| join_times(&mut reads, times));
        Knowledge { floor: 0, threads: None, reads: Some(Rc::new(reads)), agents: self.agents.clone(), others }
    }

    /// Records that all operations of the agent up to the time were waited for.
    pub fn see_agent(&mut self, agent: u32, time: u32) {
        let times = Rc::make_mut(self.agents.get_or_insert_default());
        times.resize(times.len().max(agent as usize + 1), 0);
        times[agent as usize] = times[agent as usize].max(time);
    }
}

/// Knowledge that other threads can acquire, and the block it is from.
#[derive(Debug, Clone)]
pub struct Published {
    pub block: u32,
    pub view: Knowledge,
    /// By block: the knowledge published for its own threads alone.
    within: Option<Rc<BTreeMap<u32, Knowledge>>>,
}

impl Published {
    pub fn new(block: u32, view: Knowledge) -> Published {
        Published { block, view, within: None }
    }

    /// Restricts it to the threads of its block.
    pub fn within_its_block(self) -> Published {
        let within = Some(Rc::new(BTreeMap::from([(self.block, self.view)])));
        Published { block: self.block, view: Knowledge::default(), within }
    }

    /// Returns the part published for the threads of that block alone, if any.
    pub fn within_block(&self, block: u32) -> Option<Published> {
        let view = self.within.as_ref()?.get(&block)?;
        Some(Published::new(block, view.clone()))
    }

    /// Adds other published knowledge.
    pub fn join(&mut self, other: &Published) {
        self.view.acquire_public(self.block, other);
        join_shared(&mut self.within, &other.within, join_blocks);
    }

    /// Returns true if the access happens before the publication.
    pub fn has_seen(&self, epoch: &Epoch) -> bool {
        let view = if epoch.block == self.block {
            Some(&self.view)
        } else {
            self.view.others.as_ref().and_then(|others| others.get(&epoch.block))
        };
        view.is_some_and(|view| view.has_seen_epoch(epoch))
    }
}

/// Adds published knowledge to that published before, if any.
pub fn add(to: &mut Option<Published>, published: Published) {
    match to {
        None => *to = Some(published),
        Some(to) => to.join(&published),
    }
}
