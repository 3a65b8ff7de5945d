//! The proxies of memory: what threads write by themselves becomes visible to bulk copies and tensor cores only by a
//! proxy fence of the writing thread, before it meets others (PTX ISA, "Proxies").
//!
//! The completion of asynchronous work is a proxy fence of its own. Writes of other blocks are not followed here.

use super::clocks::{Clocks, Epoch};
use crate::intrinsics::Space;
use std::collections::HashMap;

/// The proxy fences of a block.
#[derive(Debug, Default)]
pub struct Proxies {
    /// By kind of memory and thread: the times of its fences.
    times: HashMap<(Space, u32), Vec<u32>>,
}

impl Proxies {
    /// A thread has fenced at a time; what it does afterwards is of a later one.
    pub fn fence(&mut self, space: Space, thread: u32, time: u32) {
        self.times.entry((space, thread)).or_default().push(time);
    }

    /// Whether the thread that wrote has fenced afterwards, and the lane has seen that; or the write needs no fence, or
    /// is not followed.
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
