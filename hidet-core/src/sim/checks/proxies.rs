//! The proxies of memory: plain writes of threads, and their asynchronous copies (`cp.async`), become visible to bulk copies
//! and tensor cores only by a proxy fence (PTX ISA, "Proxies").
//!
//! After a plain write the writing thread must fence, before it synchronizes with others. After a copy any thread may that
//! has waited for it. The completion of a bulk copy or a product implies a proxy fence. Writes of other blocks are not
//! tracked here.

use super::clocks::{AgentKind, Clocks, Epoch};
use crate::intrinsics::Space;
use std::collections::HashMap;
use std::rc::Rc;

/// The proxy fences of a block.
#[derive(Debug, Default)]
pub struct Proxies {
    /// By memory space and thread: the times of its fences.
    times: HashMap<(Space, u32), Vec<u32>>,
    /// By thread, in a block with copies: the times of its fences, and the copies that it had seen then, by agent.
    seen: HashMap<u32, Vec<(u32, Rc<Vec<u32>>)>>,
}

impl Proxies {
    /// Records a fence of a thread at a time; its accesses after the fence have a later time. `copies` are the asynchronous
    /// operations that it has seen, by agent, if some are copies of threads.
    pub fn fence(&mut self, space: Space, thread: u32, time: u32, copies: Option<Rc<Vec<u32>>>) {
        self.times.entry((space, thread)).or_default().push(time);
        if let (Space::Shared, Some(copies)) = (space, copies) {
            self.seen.entry(thread).or_default().push((time, copies));
        }
    }

    /// Returns true if a write is visible to asynchronous operations of the lane: fenced, in a way that the lane has seen,
    /// or of a kind that needs no fence or is not tracked.
    pub fn is_fenced(&self, space: Space, write: &Epoch, clocks: &Clocks, warp: usize, lane: usize) -> bool {
        match write.kind() {
            _ if write.block != clocks.block => true,
            Some(AgentKind::Copy) => self.is_copy_fenced(write, clocks, warp, lane),
            Some(_) => true,
            None => {
                let Some(times) = self.times.get(&(space, write.thread())) else { return false };
                let next = times.partition_point(|time| *time < write.time);
                let fence = times.get(next).map(|time| Epoch { time: *time, ..*write });
                fence.is_some_and(|fence| clocks.is_before(&fence, warp, lane))
            }
        }
    }

    fn is_copy_fenced(&self, copy: &Epoch, clocks: &Clocks, warp: usize, lane: usize) -> bool {
        let number = copy.agent_number() as usize;
        let fenced = |thread: u32| {
            let fences = self.seen.get(&thread).map_or(&[][..], Vec::as_slice);
            let first = fences.partition_point(|(_, seen)| seen.get(number).is_none_or(|time| *time < copy.time));
            let fence = fences.get(first).map(|(time, _)| Epoch { time: *time, who: thread, ..*copy });
            fence.is_some_and(|fence| clocks.is_before(&fence, warp, lane))
        };
        // Mostly it is the thread that issues the operation, or the one that copied.
        let mine = (warp * 32 + lane) as u32;
        fenced(mine) || fenced(copy.thread()) || self.seen.keys().any(|thread| fenced(*thread))
    }
}
