//! [`DeviceLock`]: one thread at a time submits work to a device.
//!
//! A use of memory takes three steps: it is noted, the stream is made to wait for earlier uses, the work is submitted.
//! If another thread noted a use in between, it would wait for less than it must; if a capture began in between, it
//! would record work that was meant to run. So one lock covers all three steps, and also the beginning and the end of a
//! capture.
//!
//! No thread waits for a device while it holds the lock. A thread holds the lock of one device at a time. The fault
//! record and the tensor maps of a kernel, and what a stream records, are locked before the device lock, never after
//! it.

use super::context::{Context, Entered, lock};
use super::stream::Queue;
use crate::error::Result;
use std::sync::MutexGuard;

/// The lock under which a thread submits work to a device; the device's context is current while it is held.
pub struct DeviceLock<'a> {
    /// One bit per stream that is captured.
    captured: MutexGuard<'a, u64>,
    _entered: Entered<'a>,
}

impl Context {
    /// Waits until no other thread holds the lock, and takes it.
    #[inline]
    pub fn device_lock(&self) -> Result<DeviceLock<'_>> {
        let _entered = self.enter()?;
        Ok(DeviceLock { captured: lock(&self.captured), _entered })
    }
}

impl DeviceLock<'_> {
    /// Returns true if work submitted to the stream is captured in a graph instead of run.
    #[inline]
    pub(super) fn captures(&self, queue: &Queue) -> bool {
        *self.captured & queue.bit() != 0
    }

    /// Marks a stream as captured or not.
    pub(super) fn set_captured(&mut self, queue: &Queue, captured: bool) {
        *self.captured = *self.captured & !queue.bit() | u64::from(captured) << queue.index;
    }
}

impl std::fmt::Debug for DeviceLock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DeviceLock({:#b} captured)", *self.captured)
    }
}
