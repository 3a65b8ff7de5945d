//! The proxies of memory: what threads write by themselves becomes visible to bulk copies and tensor cores only by a
//! proxy fence of the writing thread, before it meets others (PTX ISA, "Proxies").
//!
//! The completion of asynchronous work is a proxy fence of its own. Writes of other blocks are not followed here.

use super::clocks::{Clocks, Epoch};
use std::collections::HashMap;

/// The proxy fences of a block.
#[derive(Debug, Default)]
pub struct Proxies {
    /// By thread: the times of its fences.
    times: HashMap<u32, Vec<u32>>,
}

impl Proxies {
    /// A thread has fenced at a time; what it does afterwards is of a later one.
    pub fn fence(&mut self, thread: u32, time: u32) {
        self.times.entry(thread).or_default().push(time);
    }

    /// Whether the thread that wrote has fenced afterwards, and the lane has seen that.
    pub fn is_fenced(&self, write: &Epoch, clocks: &Clocks, warp: usize, lane: usize) -> bool {
        let Some(times) = self.times.get(&write.thread()) else { return false };
        let next = times.partition_point(|time| *time < write.time);
        let fence = times.get(next).map(|time| Epoch { time: *time, ..*write });
        fence.is_some_and(|fence| clocks.is_before(&fence, warp, lane))
    }
}
