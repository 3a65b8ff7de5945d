//! Happens-before within a block: what each lane has seen of every other thread, by vector clocks.
//!
//! Time is one counter a block. It moves on whenever a lane *publishes* what it did (a barrier, a release); an access
//! carries the time of its warp. A thread has seen an access where the time in its view of the other thread is at
//! least that of the access. Most views are alike, so a view is a *floor* (everything of the whole block up to then
//! was seen) and, only where threads met in smaller circles, a vector with one time a thread. Asynchronous operations
//! of a thread are an agent with a component of its own, which barriers of threads do not raise.

use super::lanes::{LANES, lanes};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What a thread has seen.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// Everything that the threads of the block did up to this time.
    floor: u32,
    /// Beyond that, the times by thread.
    threads: Option<Rc<Vec<u32>>>,
    /// The times by number of agents: up to when their asynchronous operations were waited for.
    agents: Option<Rc<Vec<u32>>>,
    /// What was seen of other blocks.
    others: Option<Rc<BTreeMap<u32, View>>>,
}

fn join_times(into: &mut Option<Rc<Vec<u32>>>, from: &Option<Rc<Vec<u32>>>) {
    match (&mut *into, from) {
        (_, None) => {}
        (None, Some(from)) => *into = Some(from.clone()),
        (Some(into), Some(from)) => {
            if !Rc::ptr_eq(into, from) {
                let into = Rc::make_mut(into);
                into.resize(into.len().max(from.len()), 0);
                into.iter_mut().zip(from.iter()).for_each(|(a, b)| *a = (*a).max(*b));
            }
        }
    }
}

impl View {
    /// Adds what another one has seen, of the same block.
    pub fn join(&mut self, other: &View) {
        self.floor = self.floor.max(other.floor);
        join_times(&mut self.threads, &other.threads);
        join_times(&mut self.agents, &other.agents);
        match (&mut self.others, &other.others) {
            (_, None) => {}
            (None, Some(from)) => self.others = Some(from.clone()),
            (Some(into), Some(from)) => {
                if !Rc::ptr_eq(into, from) {
                    let into = Rc::make_mut(into);
                    for (block, view) in from.iter() {
                        into.entry(*block).or_default().join(view);
                    }
                }
            }
        }
    }

    /// Adds what a thread of another block has seen.
    fn join_foreign(&mut self, mine: u32, block: u32, view: &View) {
        let mut view = view.clone();
        let beyond = view.others.take();
        let others = Rc::make_mut(self.others.get_or_insert_default());
        others.entry(block).or_default().join(&view);
        for (other, theirs) in beyond.iter().flat_map(|map| map.iter()) {
            if *other != mine {
                others.entry(*other).or_default().join(theirs);
            }
        }
        // What they saw of this block.
        if let Some(back) = beyond.as_ref().and_then(|map| map.get(&mine)) {
            self.join(back);
        }
    }

    /// Whether what the thread did up to the time was seen.
    fn has_seen(&self, thread: u32, time: u32) -> bool {
        time <= self.floor || self.threads.as_ref().is_some_and(|times| times[thread as usize] >= time)
    }

    fn has_seen_agent(&self, agent: u32, time: u32) -> bool {
        self.agents.as_ref().is_some_and(|times| times.get(agent as usize).is_some_and(|seen| *seen >= time))
    }

    /// Everything that the agent did up to the time was waited for.
    pub fn see_agent(&mut self, agent: u32, time: u32) {
        let times = Rc::make_mut(self.agents.get_or_insert_default());
        times.resize(times.len().max(agent as usize + 1), 0);
        times[agent as usize] = times[agent as usize].max(time);
    }
}

/// A view together with whose it is.
#[derive(Debug, Clone)]
pub struct Published {
    pub block: u32,
    pub view: View,
}

impl Published {
    /// Adds what someone else published.
    pub fn join(&mut self, other: &Published) {
        if self.block == other.block {
            self.view.join(&other.view);
        } else {
            self.view.join_foreign(self.block, other.block, &other.view);
        }
    }
}

/// The views of a warp's lanes.
#[derive(Debug)]
struct WarpViews {
    /// The view of all lanes, where `lanes` has none.
    common: View,
    lanes: Option<Box<[View; LANES]>>,
    /// Everything the warp's own lanes did up to this time was seen by all of them.
    floor: u32,
    /// The time of what its lanes do now.
    now: u32,
}

/// The clocks of a block.
#[derive(Debug)]
pub struct Clocks {
    block: u32,
    threads: u32,
    tick: u32,
    warps: Vec<WarpViews>,
}

/// Who an access belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Epoch {
    /// When; 0 for no access.
    pub time: u32,
    /// The number of the thread, together with what [`Epoch::agent`] gives for an asynchronous operation it issued.
    pub who: u32,
    /// The block.
    pub block: u32,
    /// Where in the source.
    pub site: u32,
}

impl Epoch {
    /// Threads of a block are fewer than 2 to that.
    const THREAD_BITS: u32 = 10;

    /// What stands in `who` beside the thread, for an asynchronous operation of the agent of that number (for copies of
    /// threads that of the warp's first lane); not 0.
    pub const fn agent(number: u32, kind: AgentKind) -> u32 {
        ((number + 1) << 2 | kind as u32) << Epoch::THREAD_BITS
    }

    /// The thread.
    pub const fn thread(self) -> u32 {
        self.who & ((1 << Epoch::THREAD_BITS) - 1)
    }

    /// Whether it is an asynchronous operation.
    pub const fn is_agent(self) -> bool {
        self.who >> Epoch::THREAD_BITS != 0
    }

    /// The number of the agent: the lanes of a warp copy by agents that follow each other.
    const fn agent_number(self) -> u32 {
        let number = (self.who >> (Epoch::THREAD_BITS + 2)) - 1;
        match self.kind() {
            Some(AgentKind::Copy) => number + self.thread() % LANES as u32,
            _ => number,
        }
    }

    /// What kind of asynchronous operation it is, where it is one.
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

/// Who does something asynchronously.
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

impl Clocks {
    pub fn new(block: u32, threads: u32) -> Clocks {
        let warp = |_| WarpViews { common: View::default(), lanes: None, floor: 0, now: 1 };
        Clocks { block, threads, tick: 1, warps: (0..threads.div_ceil(32)).map(warp).collect() }
    }

    /// The time of what the warp does now.
    pub fn now(&self, warp: usize) -> u32 {
        self.warps[warp].now
    }

    /// The floor up to which every lane of the warp has seen every thread of the block.
    pub fn floor(&self, warp: usize) -> u32 {
        if self.warps[warp].lanes.is_some() { 0 } else { self.warps[warp].common.floor }
    }

    fn view(&self, warp: usize, lane: usize) -> &View {
        let views = &self.warps[warp];
        views.lanes.as_ref().map_or(&views.common, |lanes| &lanes[lane])
    }

    /// Whether an access of `epoch` happens before what the lane does now. `epoch` has a thread in `who`.
    pub fn is_before(&self, epoch: &Epoch, warp: usize, lane: usize) -> bool {
        let view = self.view(warp, lane);
        let (thread, time) = (epoch.thread(), epoch.time);
        if epoch.block != self.block {
            let seen = view.others.as_ref().and_then(|others| others.get(&epoch.block));
            return seen.is_some_and(|seen| {
                if epoch.is_agent() {
                    seen.has_seen_agent(epoch.agent_number(), time)
                } else {
                    seen.has_seen(thread, time)
                }
            });
        }
        if epoch.is_agent() {
            return view.has_seen_agent(epoch.agent_number(), time);
        }
        let mine = (warp * LANES + lane) as u32;
        let same_warp = thread as usize / LANES == warp;
        thread == mine || (same_warp && time <= self.warps[warp].floor) || view.has_seen(thread, time)
    }

    /// Time moves on for the warp.
    pub fn advance(&mut self, warp: usize) {
        self.tick += 1;
        self.warps[warp].now = self.tick;
    }

    /// What the lanes of the mask have seen and done, for others to acquire. Time moves on for the warp.
    pub fn publish(&mut self, warp: usize, mask: u32) -> Published {
        let mut view: Option<View> = None;
        for lane in lanes(mask) {
            let own = self.view(warp, lane);
            match &mut view {
                None => view = Some(own.clone()),
                Some(view) if self.warps[warp].lanes.is_some() => view.join(own),
                Some(_) => break,
            }
        }
        let mut view = view.unwrap_or_default();
        let (now, floor) = (self.warps[warp].now, self.warps[warp].floor);
        let mut times = match view.threads.take() {
            Some(times) => times,
            None => Rc::new(vec![0; self.threads as usize]),
        };
        let first = warp * LANES;
        let end = (first + LANES).min(self.threads as usize);
        for (lane, time) in Rc::make_mut(&mut times)[first..end].iter_mut().enumerate() {
            let seen = if mask >> lane & 1 != 0 { now } else { floor };
            *time = (*time).max(seen);
        }
        view.threads = Some(times);
        self.advance(warp);
        Published { block: self.block, view }
    }

    /// The lanes of the mask have seen what was published. `live` are the lanes of the warp that have not ended.
    pub fn acquire(&mut self, warp: usize, mask: u32, live: u32, published: &Published) {
        let mine = self.block;
        let join = |view: &mut View| {
            if published.block == mine {
                view.join(&published.view);
            } else {
                view.join_foreign(mine, published.block, &published.view);
            }
        };
        self.change(warp, mask, live, join);
    }

    /// Changes the views of the lanes.
    pub fn change(&mut self, warp: usize, mask: u32, live: u32, mut change: impl FnMut(&mut View)) {
        let views = &mut self.warps[warp];
        if views.lanes.is_none() && mask & live == live {
            change(&mut views.common);
            return;
        }
        let common = &views.common;
        let each = views.lanes.get_or_insert_with(|| Box::new(std::array::from_fn(|_| common.clone())));
        for lane in lanes(mask) {
            change(&mut each[lane]);
        }
    }

    /// The lanes of the mask have waited for everything that the agent did up to `time`.
    pub fn see_agent(&mut self, warp: usize, mask: u32, live: u32, agent: u32, time: u32) {
        self.change(warp, mask, live, |view| view.see_agent(agent, time));
    }

    /// All threads of the block meet.
    pub fn block_barrier(&mut self) {
        let mut all = View::default();
        for warp in &self.warps {
            match &warp.lanes {
                None => all.join(&View { threads: None, ..warp.common.clone() }),
                Some(lanes) => lanes.iter().for_each(|view| all.join(&View { threads: None, ..view.clone() })),
            }
        }
        all.floor = self.tick;
        self.tick += 1;
        for warp in &mut self.warps {
            *warp = WarpViews { common: all.clone(), lanes: None, floor: self.tick - 1, now: self.tick };
        }
    }

    /// The lanes of the mask meet. `all` where no lane of the warp is missing and none has ended.
    pub fn warp_barrier(&mut self, warp: usize, mask: u32, live: u32, all: bool) {
        if all && self.warps[warp].lanes.is_none() {
            self.warps[warp].floor = self.warps[warp].now;
            self.advance(warp);
            return;
        }
        let published = self.publish(warp, mask);
        if mask & live == live {
            let views = &mut self.warps[warp];
            views.common = published.view;
            views.lanes = None;
        } else {
            self.acquire(warp, mask, live, &published);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clocks: &Clocks, thread: u32) -> Epoch {
        Epoch { time: clocks.now(thread as usize / LANES), who: thread, block: 0, site: 0 }
    }

    #[test]
    fn barriers_order_what_came_before_them() {
        let mut clocks = Clocks::new(0, 64);
        let write = at(&clocks, 40);
        assert!(!clocks.is_before(&write, 0, 0));
        assert!(!clocks.is_before(&write, 1, 9));
        assert!(clocks.is_before(&write, 1, 8));
        clocks.block_barrier();
        assert!(clocks.is_before(&write, 0, 0));
        assert!(!clocks.is_before(&at(&clocks, 40), 0, 0));
        let write = at(&clocks, 3);
        clocks.warp_barrier(0, u32::MAX, u32::MAX, true);
        assert!(clocks.is_before(&write, 0, 5));
        assert!(!clocks.is_before(&write, 1, 5));
    }

    #[test]
    fn a_release_carries_what_its_lane_has_seen_only() {
        let mut clocks = Clocks::new(0, 64);
        let (own, neighbour) = (at(&clocks, 0), at(&clocks, 1));
        let published = clocks.publish(0, 1);
        let later = at(&clocks, 0);
        clocks.acquire(1, 1 << 4, u32::MAX, &published);
        assert!(clocks.is_before(&own, 1, 4));
        assert!(!clocks.is_before(&neighbour, 1, 4));
        assert!(!clocks.is_before(&later, 1, 4));
        assert!(!clocks.is_before(&own, 1, 5));
    }

    #[test]
    fn agents_are_not_ordered_by_barriers_alone() {
        let mut clocks = Clocks::new(0, 32);
        let copy = Epoch { who: 7 | Epoch::agent(3, AgentKind::Copy), ..at(&clocks, 7) };
        clocks.block_barrier();
        assert!(!clocks.is_before(&copy, 0, 7));
        clocks.see_agent(0, 1 << 7, u32::MAX, 3 + 7, copy.time);
        assert!(clocks.is_before(&copy, 0, 7));
        assert!(!clocks.is_before(&copy, 0, 8));
        clocks.block_barrier();
        assert!(clocks.is_before(&copy, 0, 8));
    }
}
