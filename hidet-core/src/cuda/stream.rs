//! Streams: queues of work that a device does in order, and what waits for what between them.

use super::context::{Context, lock};
use super::driver::Driver;
use super::event::Event;
use super::graph::Graph;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream, CUstreamCaptureMode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// How many launches a stream remembers.
const RECENT: usize = 8;

/// A stream as the driver has it. It lives as long as its context.
pub(super) struct Queue {
    pub(super) index: usize,
    pub(super) stream: CUstream,
    /// What others wait for; recorded when one does.
    event: CUevent,
    /// Whether work is recorded in a graph instead of being done. Locked while `event` is recorded.
    capturing: Mutex<bool>,
    /// Launches so far, and how many of them have ended: an error found later is of one of the rest. Threads that launch
    /// on one stream at once may lose count, which harms a message, no more.
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
        Ok(Queue { index, stream, event, capturing: Mutex::new(false), launched, ended, recent })
    }

    /// An event that is reached when all work asked for so far is done. Of a stream that is captured, it is the work
    /// before: what is captured is not done now.
    pub(super) fn mark(&self, context: &Context) -> Result<CUevent> {
        let capturing = lock(&self.capturing);
        if !*capturing {
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
    /// Waits for everything asked of it so far.
    pub fn synchronize(&self) -> Result<()> {
        let _entered = self.context.enter()?;
        let launched = self.queue.launched.load(Relaxed);
        // SAFETY: the stream lives as long as the context.
        let status = unsafe { (self.context.driver.cuStreamSynchronize)(self.queue.stream) };
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
        let _entered = self.context.enter()?;
        // SAFETY: the stream and the event are there.
        let status = unsafe { (self.context.driver.cuStreamWaitEvent)(self.queue.stream, event.handle(), 0) };
        self.context.check("cuStreamWaitEvent", status)
    }

    /// Lets what is asked from now on wait for everything asked so far of a stream of someone else (`CUstream`).
    ///
    /// # Safety
    /// It must be a stream of this device.
    pub unsafe fn wait_for_handle(&self, other: *mut std::ffi::c_void) -> Result<()> {
        let context = self.context;
        let _entered = context.enter()?;
        // SAFETY: the caller's duty.
        self.wait(&unsafe { Event::record_at(context, other.cast()) }?)
    }

    /// The driver's handle (`CUstream`), for libraries that put their own work there; it lives as long as the process.
    pub fn handle(&self) -> *mut std::ffi::c_void {
        self.queue.stream.cast()
    }

    /// Whether work is recorded in a graph now.
    pub fn is_capturing(&self) -> bool {
        *lock(&self.queue.capturing)
    }

    /// From now on, what is asked is recorded instead of being done. One capture of a stream at a time.
    pub fn begin_capture(&self) -> Result<()> {
        let context = self.context;
        let _entered = context.enter()?;
        self.queue.mark(context)?;
        let mut capturing = lock(&self.queue.capturing);
        // Relaxed: what other libraries do in this thread meanwhile does not break the capture. What would, among the
        // calls made here, is refused before it reaches the driver.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream lives as long as the context.
        let status = unsafe { (context.driver.cuStreamBeginCapture_v2)(self.queue.stream, mode) };
        context.check("cuStreamBeginCapture", status)?;
        *capturing = true;
        Ok(())
    }

    /// Ends a capture, after which the stream works as before, whatever was captured; what was recorded.
    pub fn end_capture(&self) -> Result<Graph> {
        let context = self.context;
        let _entered = context.enter()?;
        let mut capturing = lock(&self.queue.capturing);
        *capturing = false;
        let mut graph = std::ptr::null_mut();
        // SAFETY: the pointer is valid for a write.
        let status = unsafe { (context.driver.cuStreamEndCapture)(self.queue.stream, &mut graph) };
        context.check("cuStreamEndCapture", status)?;
        Graph::instantiate(context, graph)
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "stream {} of {:?}", self.queue.index, self.context)
    }
}
