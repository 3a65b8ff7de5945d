//! Happens-before within a block: the accesses that each lane has seen of every other thread, by vector clocks.
//!
//! Each block has one counter for time. It advances whenever a lane *publishes* its accesses (a barrier, a release); an
//! access carries the time of its warp. A thread has seen an access if the time in its view of the other thread is at
//! least that of the access. Most views are equal, so a view consists of a *floor* (all accesses of the whole block up
//! to that time were seen) and, only if some threads synchronized without the others, a vector with one time per
//! thread. The asynchronous operations of a thread belong to an agent with a component of its own, which barriers of
//! threads do not raise.

use crate::sim::lanes::{LANES, lanes};
use std::rc::Rc;

pub use super::knowledge::{AgentKind, Epoch, Knowledge, Published, add};

/// The views of a warp's lanes.
#[derive(Debug)]
struct WarpViews {
    /// The view of all lanes, if `lanes` is `None`.
    common: Knowledge,
    lanes: Option<Box<[Knowledge; LANES]>>,
    /// All lanes have seen all accesses of the lanes of this warp up to this time.
    floor: u32,
    /// The time of the current accesses of its lanes.
    now: u32,
}

/// The clocks of a block.
#[derive(Debug)]
pub struct Clocks {
    pub block: u32,
    threads: u32,
    tick: u32,
    warps: Vec<WarpViews>,
}

impl Clocks {
    pub fn new(block: u32, threads: u32) -> Clocks {
        let warp = |_| WarpViews { common: Knowledge::default(), lanes: None, floor: 0, now: 1 };
        Clocks { block, threads, tick: 1, warps: (0..threads.div_ceil(32)).map(warp).collect() }
    }

    /// Returns the time of the current accesses of the warp.
    pub fn now(&self, warp: usize) -> u32 {
        self.warps[warp].now
    }

    /// Returns the time up to which every lane of the warp has seen every thread of the block.
    pub fn floor(&self, warp: usize) -> u32 {
        if self.warps[warp].lanes.is_some() { 0 } else { self.warps[warp].common.floor }
    }

    /// Returns the view of the lane.
    pub fn view(&self, warp: usize, lane: usize) -> &Knowledge {
        let views = &self.warps[warp];
        views.lanes.as_ref().map_or(&views.common, |lanes| &lanes[lane])
    }

    /// Returns true if the access of `epoch`, whose `who` is a thread, happens before the current accesses of the lane.
    pub fn is_before(&self, epoch: &Epoch, warp: usize, lane: usize) -> bool {
        self.is_over(epoch, false, warp, lane)
    }

    /// The same, or if it is a read, it is known to be over.
    pub fn is_over(&self, epoch: &Epoch, read: bool, warp: usize, lane: usize) -> bool {
        let view = self.view(warp, lane);
        if epoch.block != self.block {
            let seen = view.others.as_ref().and_then(|others| others.get(&epoch.block));
            return seen.is_some_and(|seen| seen.is_over(epoch, read));
        }
        let thread = epoch.thread() as usize;
        let mine = thread == warp * LANES + lane || (thread / LANES == warp && epoch.time <= self.warps[warp].floor);
        !epoch.is_agent() && mine || view.is_over(epoch, read)
    }

    /// Returns for which threads of a warp, the first of which is that of `epoch`, [`Clocks::is_over`] is true for every lane
    /// of a warp, and false for every lane if it is not; `None` if the lanes may differ.
    pub fn over_for_all(&self, epoch: &Epoch, read: bool, warp: usize) -> Option<u32> {
        let views = &self.warps[warp];
        if epoch.block != self.block || epoch.is_agent() || views.lanes.is_some() {
            return None;
        }
        let (view, first) = (&views.common, epoch.thread() as usize);
        if epoch.time <= view.floor {
            return Some(u32::MAX);
        }
        if first / LANES == warp {
            return (epoch.time <= views.floor).then_some(u32::MAX);
        }
        let since = |times: &Option<Rc<Vec<u32>>>| {
            let times = times.as_ref().and_then(|times| times.get(first..)).unwrap_or_default();
            let seen = |(lane, seen): (usize, &u32)| u32::from(*seen >= epoch.time) << lane;
            times.iter().take(LANES).enumerate().map(seen).fold(0, |all, one| all | one)
        };
        Some(since(&view.threads) | if read { since(&view.reads) } else { 0 })
    }

    /// Returns what the lane may publish without ordering its accesses.
    pub fn over(&self, warp: usize, lane: usize) -> Published {
        Published::new(self.block, self.view(warp, lane).of_what_is_over(self.threads))
    }

    /// Returns true if the lane has seen anything of that block, even only that it has begun.
    pub fn knows(&self, warp: usize, lane: usize, block: u32) -> bool {
        block == self.block || self.view(warp, lane).others.as_ref().is_some_and(|others| others.contains_key(&block))
    }

    /// Returns the knowledge of the block, right after a block barrier.
    pub fn after_barrier(&self) -> Published {
        let view = self.warps.first().map(|warp| warp.common.clone());
        Published::new(self.block, view.unwrap_or_default())
    }

    /// Advances the time of the warp.
    pub fn advance(&mut self, warp: usize) {
        self.tick += 1;
        self.warps[warp].now = self.tick;
    }

    /// Returns what the lanes of the mask have seen and done, for others to acquire, and advances the time of the warp.
    pub fn publish(&mut self, warp: usize, mask: u32) -> Published {
        let mut view: Option<Knowledge> = None;
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
        Published::new(self.block, view)
    }

    /// Adds published knowledge to the views of the lanes of the mask. `live` are the lanes of the warp that have not
    /// ended.
    pub fn acquire(&mut self, warp: usize, mask: u32, live: u32, published: &Published) {
        let mine = self.block;
        self.change(warp, mask, live, |view| view.acquire(mine, published));
    }

    /// Adds published knowledge to the views of all threads of the block.
    pub fn acquire_all(&mut self, published: &Published) {
        let same = self.warps.windows(2).all(|pair| pair[0].common.is_like(&pair[1].common));
        if same && self.warps.iter().all(|warp| warp.lanes.is_none()) {
            if let Some(first) = self.warps.first() {
                let mut common = first.common.clone();
                common.acquire(self.block, published);
                self.warps.iter_mut().for_each(|warp| warp.common = common.clone());
            }
            return;
        }
        for warp in 0..self.warps.len() {
            self.acquire(warp, u32::MAX, u32::MAX, published);
        }
    }

    /// Changes the views of the lanes of the mask.
    pub fn change(&mut self, warp: usize, mask: u32, live: u32, mut change: impl FnMut(&mut Knowledge)) {
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

    /// Records that the lanes of the mask have waited for all operations of the agent up to `time`.
    pub fn see_agent(&mut self, warp: usize, mask: u32, live: u32, agent: u32, time: u32) {
        self.change(warp, mask, live, |view| view.see_agent(agent, time));
    }

    /// Synchronizes all threads of the block.
    pub fn block_barrier(&mut self) {
        let mut all = Knowledge::default();
        for warp in &self.warps {
            match &warp.lanes {
                None => all.join(&Knowledge { threads: None, ..warp.common.clone() }),
                Some(lanes) => lanes.iter().for_each(|view| all.join(&Knowledge { threads: None, ..view.clone() })),
            }
        }
        all.floor = self.tick;
        self.tick += 1;
        for warp in &mut self.warps {
            *warp = WarpViews { common: all.clone(), lanes: None, floor: self.tick - 1, now: self.tick };
        }
    }

    /// Synchronizes the lanes of the mask. `all` is true if the mask is the whole warp and none of its lanes has ended.
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
