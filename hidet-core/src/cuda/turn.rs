//! Turns: one thread at a time asks something of a device.
//!
//! A use of memory is three things: it is noted, the stream is let wait for what must come before, the work is asked for.
//! What another thread notes in between would wait for less than it must, and a capture that begins in between would
//! record what was meant to be done. So all three are one turn, and so are the beginning and the end of a capture.
//!
//! Nothing waits for a device in a turn. A thread has one turn at a time, of one device. The record and the tensor maps
//! of a kernel are locked before a turn is taken, never in it, and so is what a stream records.

use super::context::{Context, Entered, lock};
use super::stream::Queue;
use crate::error::Result;
use std::sync::MutexGuard;

/// A thread's turn to ask something of a device, whose context is current meanwhile.
pub struct Turn<'a> {
    /// The streams that are captured, by their bits.
    captured: MutexGuard<'a, u64>,
    _entered: Entered<'a>,
}

impl Context {
    /// A turn, after those of other threads.
    #[inline]
    pub fn turn(&self) -> Result<Turn<'_>> {
        let _entered = self.enter()?;
        Ok(Turn { captured: lock(&self.captured), _entered })
    }
}

impl Turn<'_> {
    /// Whether what is asked of a stream is recorded in a graph instead of being done.
    #[inline]
    pub(super) fn captures(&self, queue: &Queue) -> bool {
        *self.captured & queue.bit() != 0
    }

    /// From now on, what is asked of a stream is recorded, or done again.
    pub(super) fn set_captured(&mut self, queue: &Queue, captured: bool) {
        *self.captured = *self.captured & !queue.bit() | u64::from(captured) << queue.index;
    }
}

impl std::fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turn({:#b} captured)", *self.captured)
    }
}
