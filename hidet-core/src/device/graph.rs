//! Graphs: launches captured once and replayed any number of times by one call.

use super::Device;
use super::stream::{SimWork, Stream};
use crate::cuda;
use crate::error::Result;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Captured work, ready to be replayed. It keeps the kernels and the memory of the tensors it uses alive. A replay
/// reads and writes the tensors that were passed to the launches, with the numbers that were passed then.
///
/// ```
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n.div_ceil(32), block = 32)]
///     pub fn add_one(x: InOut<f32, [n]>) {
///         let i = block_idx().x * 32 + thread_idx().x;
///         if i < n { x[[i]] += 1.0; }
///     }
/// }
///
/// let device = Device::sim();
/// let (stream, mut x) = (device.stream()?, device.zeros([5])?);
/// let kernel = add_one().compile(&device)?;
/// let graph = Graph::capture(&stream, |stream| (0..10).try_for_each(|_| kernel.on(stream).launch(&mut x)))?;
/// graph.replay(&stream)?;
/// graph.replay(&stream)?;
/// assert_eq!(x.to_vec()?, [20.0; 5]);
/// # Ok::<(), hidet::Error>(())
/// ```
pub struct Graph {
    device: Device,
    launches: usize,
    steps: Vec<SimWork>,
    uses: Vec<(Arc<cuda::Memory>, bool)>,
    cuda: Option<cuda::Graph>,
    _kept: Vec<Arc<dyn Any + Send + Sync>>,
}

impl Graph {
    /// Captures what `body` submits to the stream it is given, without running it. In `body`, reading and writing
    /// tensors from the host, allocating them, waiting, using other streams, and launching kernels that are waited for
    /// (those with checks, assertions or prints) are errors. After an error nothing is captured, and the stream is as
    /// before.
    pub fn capture(stream: &Stream, body: impl FnOnce(&Stream) -> Result<()>) -> Result<Graph> {
        let capture = stream.capture()?;
        body(stream)?;
        let (recording, cuda) = capture.end()?;
        Ok(Graph {
            device: stream.device().clone(),
            launches: recording.launches,
            steps: recording.steps,
            uses: recording.uses,
            cuda,
            _kept: recording.kept,
        })
    }

    /// Submits the captured work to a stream of the same device, after the work that its tensors must wait for.
    pub fn replay(&self, stream: &Stream) -> Result<()> {
        stream.refuse_captured("the replay of a graph")?;
        if !stream.device().is_same(&self.device) {
            let message = format!("a graph captured on {} cannot be replayed on {}", self.device, stream.device());
            return Err(stream.device().error(message));
        }
        self.steps.iter().try_for_each(|step| step())?;
        if let (Some(graph), Some(stream)) = (&self.cuda, stream.as_cuda()) {
            let lock = stream.device_lock(false)?;
            self.uses.iter().try_for_each(|(memory, write)| memory.use_on(&lock, stream, *write))?;
            graph.launch(&lock, stream)?;
        }
        Ok(())
    }

    /// Returns the number of captured launches and copies.
    pub fn len(&self) -> usize {
        self.launches
    }

    /// Returns true if nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.launches == 0
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a graph of {} launches on {}", self.launches, self.device)
    }
}
