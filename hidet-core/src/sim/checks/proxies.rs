//! The proxies of memory: plain writes of threads become visible to bulk copies and tensor cores only by a proxy fence
//! of the writing thread, before it synchronizes with others (PTX ISA, "Proxies").
//!
//! The completion of an asynchronous operation implies a proxy fence. Writes of other blocks are not tracked here.

use super::clocks::{Clocks, Epoch};
use crate::intrinsics::Space;
use std::collections::HashMap;

/// The proxy fences of a block.
#[derive(Debug, Default)]
pub struct Proxies {
    /// By memory space and thread: the times of its fences.
    times: HashMap<(Space, u32), Vec<u32>>,
}

impl Proxies {
    /// Records a fence of a thread at a time; its accesses after the fence have a later time.
    pub fn fence(&mut self, space: Space, thread: u32, time: u32) {
        self.times.entry((space, thread)).or_default().push(time);
    }

    /// Returns true if the writing thread has fenced afterwards and the lane has seen the fence, or if the write needs
    /// no fence or is not tracked.
    pub fn is_fenced(&self, space: Space, write: &Epoch, clocks: &Clocks, warp: usize, lane: usize) -> bool {
        if write.is_agent() || write.block != clocks.block {
            return true;
        }
        let Some(times) = self.times.get(&(space, write.thread())) else { return false };
        let next = times.partition_point(|time| *time < write.time);
        let fence = times.get(next).map(|time| Epoch { time: *time, ..*write });
        fence.is_some_and(|fence| clocks.is_before(&fence, warp, lane))
    }
}
