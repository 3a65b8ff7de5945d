//! Streams: queues of work that a device does in order, and what waits for what between them.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::driver::Driver;
use super::event::Event;
use super::graph::Graph;
use super::memory::Memory;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream, CUstreamCaptureMode};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How many launches a stream remembers.
const RECENT: usize = 8;

/// Why a stream takes nothing now.
pub(crate) const CAPTURED: &str = "another thread captures this stream in a graph: wait for it, or use another stream";

/// A stream as the driver has it. It lives as long as its context.
pub(super) struct Queue {
    pub(super) index: usize,
    pub(super) stream: CUstream,
    /// What others wait for; recorded when one does.
    event: CUevent,
    /// Launches so far, and how many of them have ended: an error found later is of one of the rest.
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
        // SAFETY: pointers are valid for a write. 1: the stream does not wait for the legacy stream, nor that for it.
        // 2: the event tells no time.
        unsafe {
            check("cuStreamCreate", (driver.cuStreamCreate)(&mut stream, 1))?;
            check("cuEventCreate", (driver.cuEventCreate)(&mut event, 2))?;
        }
        let (launched, ended, recent) = (AtomicU64::new(0), AtomicU64::new(0), Default::default());
        Ok(Queue { index, stream, event, launched, ended, recent })
    }

    /// An event that is reached when all work asked for so far is done. Of a stream that is captured, it is the work
    /// before: what is captured is not done now.
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

    /// Remembers that a kernel was launched.
    #[inline]
    pub(super) fn note_launch(&self, name: u32) {
        let launched = self.launched.load(Relaxed);
        self.recent[launched as usize % RECENT].store(name, Relaxed);
        self.launched.store(launched + 1, Relaxed);
    }

    /// The kernels launched last that may not have ended, oldest first.
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
    /// Takes the device lock for work on the stream, to be done now or, if `captured`, to be captured; returns an error
    /// if the stream does the other.
    #[inline]
    pub fn device_lock(&self, captured: bool) -> Result<DeviceLock<'static>> {
        let lock = self.context.device_lock()?;
        if lock.captures(self.queue) == captured {
            return Ok(lock);
        }
        Err(self.context.error(if captured { "the stream is not captured" } else { CAPTURED }))
    }

    /// Makes the stream wait for earlier uses before it reads or writes these, and records the uses. The work is submitted
    /// under the same lock.
    #[inline]
    pub fn use_all<'a>(&self, lock: &DeviceLock, each: impl Iterator<Item = (&'a Memory, bool)>) -> Result<()> {
        let bit = self.queue.bit();
        match each.fold(0, |others, (memory, write)| others | memory.uses.note(lock, bit, write)) {
            0 => Ok(()),
            others => self.context.order(lock, self.queue, others),
        }
    }

    /// Waits for everything asked of it so far; where it is captured, for what was asked before that.
    pub fn synchronize(&self) -> Result<()> {
        let lock = self.context.device_lock()?;
        let launched = self.queue.launched.load(Relaxed);
        let event = self.queue.mark(&lock, self.context)?;
        drop(lock);
        let _entered = self.context.enter()?;
        // SAFETY: the event lives as long as the context. Where it is recorded anew meanwhile, that is later on the stream.
        let status = unsafe { (self.context.driver.cuEventSynchronize)(event) };
        self.context.check("waiting for the device", status)?;
        self.queue.ended.fetch_max(launched, Relaxed);
        Ok(())
    }

    /// The point reached when everything asked for so far is done.
    pub fn record(&self) -> Result<Event> {
        Event::record(*self)
    }

    /// Lets what is asked from now on wait for a point in another stream.
    pub fn wait(&self, event: &Event) -> Result<()> {
        self.wait_in(&self.device_lock(false)?, event.handle())
    }

    pub(super) fn wait_in(&self, _: &DeviceLock, event: CUevent) -> Result<()> {
        // SAFETY: the stream and the event are there, and the context is current.
        let status = unsafe { (self.context.driver.cuStreamWaitEvent)(self.queue.stream, event, 0) };
        self.context.check("cuStreamWaitEvent", status)
    }

    /// Lets what is asked from now on wait for everything asked so far of a stream of someone else (`CUstream`).
    ///
    /// # Safety
    /// It must be a stream of this device.
    pub unsafe fn wait_for_handle(&self, other: *mut std::ffi::c_void) -> Result<()> {
        let lock = self.device_lock(false)?;
        // SAFETY: the caller's duty.
        let event = unsafe { Event::record_at(&lock, self.context, other.cast()) }?;
        self.wait_in(&lock, event.handle())
    }

    /// The driver's handle (`CUstream`), for libraries that put their own work there; it lives as long as the process.
    pub fn handle(&self) -> *mut std::ffi::c_void {
        self.queue.stream.cast()
    }

    /// From now on, what is asked is recorded instead of being done. One capture of a stream at a time.
    pub(crate) fn begin_capture(&self) -> Result<()> {
        let context = self.context;
        let mut lock = self.device_lock(false)?;
        self.queue.mark(&lock, context)?;
        // Relaxed: what other libraries do in this thread meanwhile does not break the capture. What would, among the
        // calls made here, is refused before it reaches the driver.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream lives as long as the context.
        let status = unsafe { (context.driver.cuStreamBeginCapture_v2)(self.queue.stream, mode) };
        context.check("cuStreamBeginCapture", status)?;
        lock.set_captured(self.queue, true);
        Ok(())
    }

    /// Ends a capture, after which the stream works as before, whatever was captured; what was recorded.
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
