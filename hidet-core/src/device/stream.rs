//! Streams and events of both kinds of devices.
//!
//! Work on one stream runs in order, streams run concurrently, and a use of a tensor waits for earlier uses on other
//! streams. The simulated device runs everything synchronously, so all of this holds by itself.
//!
//! While a thread captures a stream ([`Graph::capture`](super::Graph::capture)), it may launch only on that stream, and
//! other threads may submit nothing to it; what cannot be captured is refused before it reaches a driver. The error
//! messages come from here, for both kinds of devices. On a GPU, the device's lock ([`cuda::DeviceLock`]) ensures that no
//! capture begins between the check and the call. Simulated work is done immediately and cannot become part of a
//! capture.

use super::{Device, DeviceKind, Storage, Tensor};
use crate::cuda;
use crate::error::{Error, Result};
use crate::sim;
use crate::types::Element;
use std::any::Any;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A stream of a device.
pub struct Stream {
    device: Device,
    /// Unique within the process; not 0.
    id: u64,
    cuda: Option<cuda::Stream>,
    /// The capture in progress, if any.
    recording: Mutex<Option<Recording>>,
}

/// The work submitted while a stream is captured.
#[derive(Default)]
pub(crate) struct Recording {
    pub(super) launches: usize,
    /// The steps that the simulated device will run.
    pub(super) steps: Vec<SimWork>,
    /// The memory that a GPU will use, and true for what it writes.
    pub(super) uses: Vec<(Arc<cuda::Memory>, bool)>,
    /// The objects that must outlive the graph.
    pub(super) kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Recording {
    /// Adds a launch or a copy of the simulated device.
    pub(crate) fn add_step(&mut self, step: SimWork) {
        self.launches += 1;
        self.steps.push(step);
    }

    /// Adds a launch or a copy of a GPU: the memory it uses, with true for what it writes, and what must outlive it.
    pub(crate) fn add_uses(
        &mut self,
        uses: impl IntoIterator<Item = (Arc<cuda::Memory>, bool)>,
        kept: Option<Arc<dyn Any + Send + Sync>>,
    ) {
        self.launches += 1;
        self.kept.extend(kept);
        for (memory, write) in uses {
            match self.uses.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &memory)) {
                Some((_, written)) => *written |= write,
                None => self.uses.push((memory, write)),
            }
        }
    }
}

/// Returns a number for a stream, or for a launch in a graph: unique within the process, and not 0.
pub(crate) fn new_id() -> u64 {
    static IDS: AtomicU64 = AtomicU64::new(1);
    IDS.fetch_add(1, Relaxed)
}

/// A unit of work of the simulated device.
pub(crate) type SimWork = Box<dyn Fn() -> Result<()> + Send + Sync>;

thread_local! {
    /// The id of the stream that this thread captures; 0 for none.
    static CAPTURING: Cell<u64> = const { Cell::new(0) };
}

/// Returns an error if this thread is capturing a stream: `what` cannot be part of a graph.
#[inline]
pub(crate) fn refuse_in_capture(device: &Device, what: &str) -> Result<()> {
    match CAPTURING.get() {
        0 => Ok(()),
        _ => Err(device.error(format!("{what} cannot be captured in a graph: do it before or after the capture"))),
    }
}

/// Returns true if work on a stream (`None`: the default stream) must be recorded instead of run, or an error if this
/// thread captures another stream.
#[inline]
pub(crate) fn is_recorded(device: &Device, stream: Option<&Stream>) -> Result<bool> {
    let (captured, id) = (CAPTURING.get(), stream.map_or(0, |stream| stream.id));
    if captured == 0 && stream.is_none_or(|stream| !stream.is_captured()) {
        return Ok(false);
    }
    if captured == id {
        return Ok(true);
    }
    let message = match (captured, id) {
        (0, _) => cuda::CAPTURED,
        (_, 0) => {
            "the default stream is used while this thread captures another in a graph: launch on the captured stream, \
             by `kernel.on(stream)`"
        }
        _ => "a stream is used while this thread captures another stream in a graph: launch on the captured stream",
    };
    Err(device.error(message))
}

impl Device {
    /// Creates a stream beside the default stream, which runs all work that names no stream.
    pub fn stream(&self) -> Result<Stream> {
        let cuda = self.as_cuda().map(cuda::Context::take_stream).transpose()?;
        Ok(Stream { device: self.clone(), id: new_id(), cuda, recording: Mutex::new(None) })
    }
}

impl Stream {
    /// Returns its id, which is unique within the process and not 0.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the stream of the GPU, or `None` on the simulated device.
    pub fn as_cuda(&self) -> Option<cuda::Stream> {
        self.cuda
    }

    /// Waits for all work submitted so far.
    pub fn synchronize(&self) -> Result<()> {
        self.refuse_captured("waiting for a stream")?;
        match self.cuda {
            Some(stream) => stream.synchronize(),
            None => {
                sim::host_synchronized();
                Ok(())
            }
        }
    }

    /// Records the point that is reached when all work submitted so far is done.
    pub fn record(&self) -> Result<Event> {
        self.refuse_captured("an event")?;
        Event::on(&self.device, self.cuda)
    }

    /// Makes work submitted from now on wait for a point in another stream. Not needed for tensors, which track their
    /// last use.
    pub fn wait(&self, event: &Event) -> Result<()> {
        self.refuse_captured("waiting for an event")?;
        match (&self.cuda, &event.0) {
            (Some(stream), Point::Cuda(event)) => stream.wait(event),
            // Simulated work is already done.
            _ => Ok(()),
        }
    }

    /// Copies a tensor to another of the same shape, without waiting. They must not share memory.
    pub fn copy<T: Element, const R: usize>(&self, from: &Tensor<T, R>, to: &mut Tensor<T, R>) -> Result<()> {
        if from.shape() != to.shape() {
            let (from, to) = (from.shape(), to.shape());
            return Err(self
                .device
                .error(format!("a tensor of shape {from:?} cannot be copied to one of shape {to:?}")));
        }
        let (source, target) = (from.raw(), to.raw());
        for tensor in [source, target] {
            if !tensor.device.is_same(&self.device) {
                let (own, other) = (&self.device, &tensor.device);
                return Err(own.error(format!("a tensor on {other} cannot be copied on a stream of {own}")));
            }
        }
        if let (Storage::Cuda(_), Some(tensor)) =
            (&source.storage, [source, target].into_iter().find(|tensor| !tensor.is_contiguous()))
        {
            return Err(self.device.error(format!(
                "a tensor with strides {:?} for the shape {:?} cannot be copied on a stream of a GPU, because it is not \
                 contiguous: copy it with a kernel, or with `to_device`",
                tensor.strides, tensor.shape
            )));
        }
        if target.may_repeat() {
            return Err(self
                .device
                .error("a tensor cannot be copied to one in which several coordinates are one element"));
        }
        if source.overlaps(target) {
            return Err(self.device.error("a tensor cannot be copied to one that shares memory with it"));
        }
        let recorded = is_recorded(&self.device, Some(self))?;
        match (&source.storage, &target.storage) {
            (Storage::Cuda(a), Storage::Cuda(b)) => {
                let stream = self.cuda.unwrap_or(a.context().stream());
                if recorded {
                    self.record_uses([(a.clone(), false), (b.clone(), true)], None);
                }
                b.copy_on(stream, target.offset, a, source.offset, source.bytes(), recorded)
            }
            _ => {
                let (a, b) = (source.clone(), target.clone());
                let step = move || {
                    [&a, &b].into_iter().try_for_each(|tensor| tensor.check_given_away("a copy of a tensor"))?;
                    let mut copy = vec![0; a.bytes()];
                    a.read(&mut copy)?;
                    b.write(&copy)
                };
                if recorded {
                    self.record_step(Box::new(step));
                    Ok(())
                } else {
                    step()
                }
            }
        }
    }

    fn recording(&self) -> std::sync::MutexGuard<'_, Option<Recording>> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_captured(&self) -> bool {
        self.recording().is_some()
    }

    /// Returns an error if the stream is captured, or this thread captures one: `what` cannot be part of a graph.
    pub(super) fn refuse_captured(&self, what: &str) -> Result<()> {
        refuse_in_capture(&self.device, what)?;
        if self.is_captured() { Err(self.device.error(cuda::CAPTURED)) } else { Ok(()) }
    }

    /// Adds work of the simulated device to the capture.
    pub(crate) fn record_step(&self, step: SimWork) {
        if let Some(recording) = self.recording().as_mut() {
            recording.add_step(step);
        }
    }

    /// Adds work of the simulated device to the capture that is neither a launch nor a copy.
    pub(super) fn record_note(&self, step: SimWork) {
        if let Some(recording) = self.recording().as_mut() {
            recording.steps.push(step);
        }
    }

    /// Adds memory that work of a GPU uses to the capture.
    pub(crate) fn record_uses(
        &self,
        uses: impl IntoIterator<Item = (Arc<cuda::Memory>, bool)>,
        kept: Option<Arc<dyn Any + Send + Sync>>,
    ) {
        if let Some(recording) = self.recording().as_mut() {
            recording.add_uses(uses, kept);
        }
    }

    /// Begins a capture, which ends with [`Capture::end`] or when the result is dropped.
    pub(super) fn capture(&self) -> Result<Capture<'_>> {
        refuse_in_capture(&self.device, "another capture")?;
        let mut recording = self.recording();
        if recording.is_some() {
            return Err(self.device.error("another thread is capturing this stream already"));
        }
        if let Some(stream) = self.cuda {
            stream.begin_capture()?;
        }
        *recording = Some(Recording::default());
        CAPTURING.set(self.id);
        Ok(Capture { stream: self, open: true })
    }
}

/// A capture in progress in this thread.
pub(super) struct Capture<'a> {
    stream: &'a Stream,
    open: bool,
}

impl Capture<'_> {
    /// Ends the capture and returns it. The stream is as before.
    pub(super) fn end(mut self) -> Result<(Recording, Option<cuda::Graph>)> {
        self.close()
    }

    fn close(&mut self) -> Result<(Recording, Option<cuda::Graph>)> {
        self.open = false;
        CAPTURING.set(0);
        let recording = self.stream.recording().take().unwrap_or_default();
        let graph = self.stream.cuda.map(|stream| stream.end_capture()).transpose()?;
        Ok((recording, graph))
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        if self.open {
            // The error that led here is already reported.
            let _ = self.close();
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if let Some(stream) = self.cuda {
            stream.context.give_back(stream);
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream {} of {}", self.id, self.device)
    }
}

/// A point in a stream.
#[derive(Debug)]
pub struct Event(Point);

#[derive(Debug)]
enum Point {
    Sim(Instant),
    Cuda(cuda::Event),
}

impl Event {
    fn on(device: &Device, stream: Option<cuda::Stream>) -> Result<Event> {
        Ok(Event(match (device.kind(), stream) {
            (DeviceKind::Sim(_), _) => Point::Sim(Instant::now()),
            (DeviceKind::Cuda(_), Some(stream)) => Point::Cuda(stream.record()?),
            (DeviceKind::Cuda(context), None) => Point::Cuda(context.stream().record()?),
        }))
    }

    /// Waits for the point.
    pub fn synchronize(&self) -> Result<()> {
        match &self.0 {
            Point::Sim(_) => {
                sim::host_synchronized();
                Ok(())
            }
            Point::Cuda(event) => event.synchronize(),
        }
    }

    /// Returns true if the point is reached.
    pub fn is_reached(&self) -> Result<bool> {
        match &self.0 {
            Point::Sim(_) => {
                sim::host_synchronized();
                Ok(true)
            }
            Point::Cuda(event) => event.is_reached(),
        }
    }

    /// Waits for a later point of the same device and returns the milliseconds from this point to it.
    pub fn until(&self, later: &Event) -> Result<f64> {
        match (&self.0, &later.0) {
            (Point::Sim(start), Point::Sim(end)) => Ok(end.saturating_duration_since(*start).as_secs_f64() * 1e3),
            (Point::Cuda(start), Point::Cuda(end)) => Ok(f64::from(start.until(end)?)),
            _ => {
                let message = "the time between events of different devices is not defined".to_owned();
                Err(Error::Device { device: "a GPU and the simulated device".to_owned(), message })
            }
        }
    }
}

impl Device {
    /// Records the point that is reached when all work submitted to the default stream so far is done.
    pub fn record(&self) -> Result<Event> {
        refuse_in_capture(self, "an event")?;
        Event::on(self, None)
    }
}
