//! The bulk groups in which a thread waits for its bulk stores: committed, read, done.

use super::agents::Agent;
use super::bulk::{Copy, Direction};
use crate::sim::block::BlockRun;
use crate::sim::interp::warp::Strand;
use crate::sim::lanes::lanes;
use crate::sim::report::FaultKind;
use std::collections::VecDeque;

/// The bulk groups of a thread.
#[derive(Debug, Default)]
pub struct BulkGroups {
    /// The number of committed groups.
    pub committed: u64,
    /// The number of groups whose reads of shared memory were waited for.
    read: u64,
    /// The number of groups that were waited for.
    done: u64,
    /// The times of commit of the groups that were not waited for.
    times: VecDeque<u32>,
    /// The group of the last store, and the site where it was issued.
    pub last: Option<(u64, u32)>,
}

impl BlockRun<'_> {
    /// Commits a group of the stores of each lane.
    pub fn bulk_commit(&mut self, warp: usize, strand: &Strand) {
        let now = self.clocks.now(warp);
        for lane in lanes(strand.mask) {
            let stores = self.agents.bulk.stores.entry((warp * 32 + lane) as u32).or_default();
            stores.committed += 1;
            stores.times.push_back(now);
        }
        self.clocks.advance(warp);
    }

    /// Waits until at most `left` groups of each lane are unfinished or, if `read_only`, still read shared memory.
    pub fn bulk_wait(&mut self, warp: usize, strand: &Strand, left: u64, read_only: bool) {
        let live = self.warps[warp].live;
        for lane in lanes(strand.mask) {
            let thread = (warp * 32 + lane) as u32;
            let stores = self.agents.bulk.stores.entry(thread).or_default();
            let end = stores.committed.saturating_sub(left);
            if end <= stores.done || (read_only && end <= stores.read) {
                continue;
            }
            let time = stores.times.get((end - stores.done - 1) as usize).copied().unwrap_or(0);
            stores.read = stores.read.max(end);
            if !read_only {
                stores.times.drain(..(end - stores.done) as usize);
                stores.done = end;
            }
            let belongs = |copy: &Copy| {
                copy.thread == thread && matches!(copy.direction, Direction::Store { group, .. } if group < end)
            };
            let mut index = 0;
            while index < self.agents.bulk.copies.len() {
                let copy = &self.agents.bulk.copies[index];
                let unread = matches!(copy.direction, Direction::Store { data: None, .. });
                if belongs(copy) && (unread || !read_only) {
                    self.advance_copy(index);
                } else {
                    index += 1;
                }
            }
            let reads = self.agents.number(Agent::StoreReads(thread));
            self.clocks.see_agent(warp, 1 << lane, live, reads, time);
            if !read_only {
                let writes = self.agents.number(Agent::StoreWrites(thread));
                self.clocks.see_agent(warp, 1 << lane, live, writes, time);
            }
        }
    }

    /// Reports bulk stores that may still read shared memory when their lanes end.
    pub fn bulk_ended(&mut self, warp: usize, mask: u32) {
        for lane in lanes(mask) {
            let Some(stores) = self.agents.bulk.stores.get(&((warp * 32 + lane) as u32)) else { continue };
            let Some((group, site)) = stores.last.filter(|last| last.0 >= stores.read) else { continue };
            let message = if group >= stores.committed {
                "a bulk store is not committed, so that no thread waits for it; put `bulk_commit()` after it"
            } else {
                "a bulk store may still read shared memory when its thread ends; put `bulk_wait_read(0)` before the end"
            };
            let what = format!("{} issues it", self.thread_name(warp, lane));
            let end = self.warps[warp].exits[lane];
            let others = vec![(end, format!("{} ends", self.thread_name(warp, lane)))];
            self.fault(FaultKind::Unfinished, message, (site, what), others);
        }
    }
}
