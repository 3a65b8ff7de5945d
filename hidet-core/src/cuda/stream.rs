//! Streams: queues of work that a device executes in order, and the dependencies between them.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::driver::Driver;
use super::event::Event;
use super::graph::Graph;
use super::memory::Memory;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream, CUstreamCaptureMode};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// Number of launches that a stream remembers.
const RECENT: usize = 8;

/// The error of a stream that another thread captures.
pub(crate) const CAPTURED: &str =
    "another thread is capturing this stream in a graph: wait for it, or use another stream";

/// A stream of the driver. It lives as long as its context.
pub(super) struct Queue {
    pub(super) index: usize,
    pub(super) stream: CUstream,
    /// The event that others wait for; recorded when one does.
    event: CUevent,
    /// Launches so far, and how many of them have ended: an error that is found later comes from one of the others.
    launched: AtomicU64,
    ended: AtomicU64,
    recent: [AtomicU32; RECENT],
}

// SAFETY: streams and events may be used from every thread.
unsafe impl Send for Queue {}
unsafe impl Sync for Queue {}

impl Queue {
    /// # Safety
    /// The context must be current.
    pub(super) unsafe fn new(driver: &Driver, index: usize, check: &impl Fn(&str, u32) -> Result<()>) -> Result<Queue> {
        let (mut stream, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: pointers are valid for a write. Flags 1: the stream does not synchronize with the legacy stream; 2:
        // the event without timing.
        unsafe {
            check("cuStreamCreate", (driver.cuStreamCreate)(&mut stream, 1))?;
            check("cuEventCreate", (driver.cuEventCreate)(&mut event, 2))?;
        }
        let (launched, ended, recent) = (AtomicU64::new(0), AtomicU64::new(0), Default::default());
        Ok(Queue { index, stream, event, launched, ended, recent })
    }

    /// Returns an event that is reached when all work submitted so far is done. For a stream that is captured, this is
    /// the work before the capture: captured work does not run now.
    pub(super) fn mark(&self, lock: &DeviceLock, context: &Context) -> Result<CUevent> {
        if !lock.captures(self) {
            // SAFETY: both live as long as the context, which is current.
            let status = unsafe { (context.driver.cuEventRecord)(self.event, self.stream) };
            context.check("cuEventRecord", status)?;
        }
        Ok(self.event)
    }

    pub(super) fn bit(&self) -> u64 {
        1 << self.index
    }

    /// Remembers a launch of a kernel.
    #[inline]
    pub(super) fn note_launch(&self, name: u32) {
        let launched = self.launched.load(Relaxed);
        self.recent[launched as usize % RECENT].store(name, Relaxed);
        self.launched.store(launched + 1, Relaxed);
    }

    /// Returns the last launched kernels that may not have ended, oldest first.
    pub(super) fn recent(&self) -> impl Iterator<Item = u32> {
        let (ended, launched) = (self.ended.load(Relaxed), self.launched.load(Relaxed));
        let first = ended.max(launched.saturating_sub(RECENT as u64));
        (first..launched).map(|at| self.recent[at as usize % RECENT].load(Relaxed))
    }
}

/// A stream of a device.
#[derive(Clone, Copy)]
pub struct Stream {
    /// The device.
    pub context: &'static Context,
    pub(super) queue: &'static Queue,
}

impl Stream {
    /// Locks the device to submit work to the stream: work that runs or, if `captured`, work that is captured. Returns
    /// an error if the stream is in the other state.
    #[inline]
    pub fn device_lock(&self, captured: bool) -> Result<DeviceLock<'static>> {
        let lock = self.context.device_lock()?;
        if lock.captures(self.queue) == captured {
            return Ok(lock);
        }
        Err(self.context.error(if captured { "the stream is not captured" } else { CAPTURED }))
    }

    /// Makes the stream wait for earlier uses before it reads or writes (`true`) these, and notes the uses. The lock
    /// must be held until the uses themselves are submitted.
    #[inline]
    pub fn use_all<'a>(&self, lock: &DeviceLock, each: impl Iterator<Item = (&'a Memory, bool)>) -> Result<()> {
        let bit = self.queue.bit();
        match each.fold(0, |others, (memory, write)| others | memory.uses.note(lock, bit, write)) {
            0 => Ok(()),
            others => self.context.order(lock, self.queue, others),
        }
    }

    /// Waits for all work submitted so far; if the stream is captured, for the work before the capture.
    pub fn synchronize(&self) -> Result<()> {
        let lock = self.context.device_lock()?;
        let launched = self.queue.launched.load(Relaxed);
        let event = self.queue.mark(&lock, self.context)?;
        drop(lock);
        let _entered = self.context.enter()?;
        // SAFETY: the event lives as long as the context. If it is recorded again meanwhile, that is later on the
        // stream.
        let status = unsafe { (self.context.driver.cuEventSynchronize)(event) };
        self.context.check("waiting for the device", status)?;
        self.queue.ended.fetch_max(launched, Relaxed);
        Ok(())
    }

    /// Records the point that is reached when all work submitted so far is done.
    pub fn record(&self) -> Result<Event> {
        Event::record(*self)
    }

    /// Makes work submitted from now on wait for a point in another stream.
    pub fn wait(&self, event: &Event) -> Result<()> {
        self.wait_in(&self.device_lock(false)?, event.handle())
    }

    pub(super) fn wait_in(&self, _: &DeviceLock, event: CUevent) -> Result<()> {
        // SAFETY: the stream and the event exist, and the context is current.
        let status = unsafe { (self.context.driver.cuStreamWaitEvent)(self.queue.stream, event, 0) };
        self.context.check("cuStreamWaitEvent", status)
    }

    /// Makes work submitted from now on wait for all work submitted so far to a stream of another library (`CUstream`).
    ///
    /// # Safety
    /// `other` must be a stream of this device.
    pub unsafe fn wait_for_handle(&self, other: *mut std::ffi::c_void) -> Result<()> {
        let lock = self.device_lock(false)?;
        // SAFETY: the caller's duty.
        let event = unsafe { Event::record_at(&lock, self.context, other.cast()) }?;
        self.wait_in(&lock, event.handle())
    }

    /// Returns the driver's handle (`CUstream`), for libraries that submit their own work to it. It lives as long as
    /// the process.
    pub fn handle(&self) -> *mut std::ffi::c_void {
        self.queue.stream.cast()
    }

    /// Begins a capture: work submitted from now on is recorded instead of run. A stream has one capture at a time.
    pub(crate) fn begin_capture(&self) -> Result<()> {
        let context = self.context;
        let mut lock = self.device_lock(false)?;
        self.queue.mark(&lock, context)?;
        // Relaxed: calls of other libraries in this thread do not break the capture. Calls of this crate that would
        // break it are refused before they reach the driver.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream lives as long as the context.
        let status = unsafe { (context.driver.cuStreamBeginCapture_v2)(self.queue.stream, mode) };
        context.check("cuStreamBeginCapture", status)?;
        lock.set_captured(self.queue, true);
        Ok(())
    }

    /// Ends a capture and returns the recorded graph. The stream then works as before, even if the capture failed.
    pub(crate) fn end_capture(&self) -> Result<Graph> {
        let context = self.context;
        let mut lock = self.device_lock(true)?;
        lock.set_captured(self.queue, false);
        let mut graph = std::ptr::null_mut();
        // SAFETY: the pointer is valid for a write.
        let status = unsafe { (context.driver.cuStreamEndCapture)(self.queue.stream, &mut graph) };
        context.check("cuStreamEndCapture", status)?;
        drop(lock);
        Graph::instantiate(context, graph)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {} of {:?}", self.queue.index, self.context)
    }
}
