//! Points in a stream, and the time between them.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::stream::Stream;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream};

/// A point in a stream.
pub struct Event {
    context: &'static Context,
    event: CUevent,
}

// SAFETY: events may be used from every thread.
unsafe impl Send for Event {}
unsafe impl Sync for Event {}

/// The driver's status for an event that has not completed.
const NOT_READY: u32 = 600;

impl Event {
    /// Records the point that is reached when all work submitted to the stream so far is done.
    pub fn record(stream: Stream) -> Result<Event> {
        // SAFETY: the stream is the context's.
        unsafe { Event::record_at(&stream.device_lock(false)?, stream.context, stream.queue.stream) }
    }

    /// # Safety
    /// The stream must belong to the context.
    pub(super) unsafe fn record_at(_: &DeviceLock, context: &'static Context, stream: CUstream) -> Result<Event> {
        let mut event = Event { context, event: std::ptr::null_mut() };
        // SAFETY: the pointer is valid for a write; the stream is the caller's duty. Flags 0: with timing.
        unsafe {
            context.check("cuEventCreate", (context.driver.cuEventCreate)(&mut event.event, 0))?;
            context.check("cuEventRecord", (context.driver.cuEventRecord)(event.event, stream))?;
        }
        Ok(event)
    }

    /// Waits for the point.
    pub fn synchronize(&self) -> Result<()> {
        let _entered = self.context.enter()?;
        // SAFETY: the event is recorded.
        self.context.check("waiting for the device", unsafe { (self.context.driver.cuEventSynchronize)(self.event) })
    }

    /// Returns true if the point is reached.
    pub fn is_reached(&self) -> Result<bool> {
        let _entered = self.context.enter()?;
        // SAFETY: the event is recorded.
        match unsafe { (self.context.driver.cuEventQuery)(self.event) } {
            NOT_READY => Ok(false),
            status => self.context.check("cuEventQuery", status).map(|()| true),
        }
    }

    /// Waits for a later point and returns the milliseconds from this point to it.
    pub fn until(&self, later: &Event) -> Result<f32> {
        later.synchronize()?;
        let _entered = self.context.enter()?;
        let mut milliseconds = 0.0;
        // SAFETY: both events are recorded.
        let status = unsafe { (self.context.driver.cuEventElapsedTime)(&mut milliseconds, self.event, later.event) };
        self.context.check("cuEventElapsedTime", status)?;
        Ok(milliseconds)
    }

    pub(super) fn handle(&self) -> CUevent {
        self.event
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is destroyed once.
        unsafe { self.context.destroy(self.event, self.context.driver.cuEventDestroy_v2) }
    }
}

impl std::fmt::Debug for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Event on {:?}", self.context)
    }
}

/// Returns the median time of a launch on the default stream, in milliseconds, over `rounds` rounds after one warm-up.
/// Each round has as many launches as take about a millisecond.
pub fn measure(context: &'static Context, rounds: usize, mut launch: impl FnMut() -> Result<()>) -> Result<f64> {
    let stream = context.stream();
    let mut time = |launches: u32| -> Result<f64> {
        let start = stream.record()?;
        for _ in 0..launches {
            launch()?;
        }
        let end = stream.record()?;
        Ok(f64::from(start.until(&end)?) / f64::from(launches))
    };
    time(1)?;
    let once = time(3)?;
    let launches = (1.0 / once.max(1e-4)).ceil().clamp(1.0, 10_000.0) as u32;
    let mut times = (0..rounds.max(1)).map(|_| time(launches)).collect::<Result<Vec<f64>>>()?;
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
