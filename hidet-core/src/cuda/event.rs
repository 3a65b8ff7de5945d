//! Points in a stream, and the time between them.

use super::context::Context;
use crate::error::Result;
use cudarc::driver::sys::CUevent;
use std::sync::Arc;

/// A point in the stream of a device.
pub struct Event {
    context: Arc<Context>,
    event: CUevent,
}

// SAFETY: events may be used from every thread.
unsafe impl Send for Event {}
unsafe impl Sync for Event {}

impl Event {
    /// The point reached when everything asked for so far is done.
    pub fn record(context: &Arc<Context>) -> Result<Event> {
        context.bind()?;
        let mut event = Event { context: context.clone(), event: std::ptr::null_mut() };
        // SAFETY: the pointer is valid for a write; the stream is the context's. 0: with time.
        unsafe {
            context.check("cuEventCreate", (context.driver.cuEventCreate)(&mut event.event, 0))?;
            context.check("cuEventRecord", (context.driver.cuEventRecord)(event.event, context.stream))?;
        }
        Ok(event)
    }

    /// Waits for the point.
    pub fn synchronize(&self) -> Result<()> {
        self.context.bind()?;
        // SAFETY: the event is recorded.
        self.context.check("waiting", unsafe { (self.context.driver.cuEventSynchronize)(self.event) })
    }

    /// Milliseconds from this point to a later one; waits for the later one.
    pub fn until(&self, later: &Event) -> Result<f32> {
        later.synchronize()?;
        let mut milliseconds = 0.0;
        // SAFETY: both events are recorded.
        let status = unsafe { (self.context.driver.cuEventElapsedTime)(&mut milliseconds, self.event, later.event) };
        self.context.check("cuEventElapsedTime", status)?;
        Ok(milliseconds)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        if !self.event.is_null() && self.context.bind().is_ok() {
            // SAFETY: the event is given back once.
            let _ = unsafe { (self.context.driver.cuEventDestroy_v2)(self.event) };
        }
    }
}

/// The median time of a launch in milliseconds over `rounds` rounds, each of so many launches that a round takes about
/// a millisecond or more, after one to warm up.
pub fn measure(context: &Arc<Context>, rounds: usize, mut launch: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut time = |launches: u32| -> Result<f64> {
        let start = Event::record(context)?;
        for _ in 0..launches {
            launch()?;
        }
        let end = Event::record(context)?;
        Ok(f64::from(start.until(&end)?) / f64::from(launches))
    };
    time(1)?;
    let once = time(3)?;
    let launches = (1.0 / once.max(1e-4)).ceil().clamp(1.0, 10_000.0) as u32;
    let mut times = (0..rounds.max(1)).map(|_| time(launches)).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
