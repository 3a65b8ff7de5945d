//! Graphs: launches captured or put together once, and replayed any number of times by one call.

use super::Device;
use super::stream::{Recording, SimWork, Stream};
use crate::cuda;
use crate::error::Result;
use crate::sim;
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// Work that is ready to be replayed: captured ([`Graph::capture`]), where each launch waits for the one before, or put
/// together from launches that wait only for what they use (`Graph::of`). It keeps the kernels and the memory of the tensors it uses alive. A replay
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
    dependencies: Vec<Vec<usize>>,
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
        let chain = (0..recording.launches).map(|number| number.checked_sub(1).into_iter().collect());
        Ok(Graph::made(stream.device(), chain.collect(), recording, cuda))
    }

    /// Returns a graph of this work.
    pub(crate) fn made(
        device: &Device,
        dependencies: Vec<Vec<usize>>,
        work: Recording,
        cuda: Option<cuda::Graph>,
    ) -> Graph {
        let Recording { launches, steps, uses, kept } = work;
        Graph { device: device.clone(), launches, dependencies, steps, uses, cuda, _kept: kept }
    }

    /// Submits the work to a stream of the same device, after the work that its tensors must wait for.
    pub fn replay(&self, stream: &Stream) -> Result<()> {
        stream.refuse_captured("the replay of a graph")?;
        if !stream.device().is_same(&self.device) {
            let message = format!("a graph for {} cannot be replayed on {}", self.device, stream.device());
            return Err(stream.device().error(message));
        }
        // A graph begins when all before it on the stream has ended, and what follows waits for all of it.
        sim::stream_waits(stream.id());
        self.steps.iter().try_for_each(|step| step())?;
        if let (Some(graph), Some(stream)) = (&self.cuda, stream.as_cuda()) {
            let lock = stream.device_lock(false)?;
            self.uses.iter().try_for_each(|(memory, write)| memory.use_on(&lock, stream, *write))?;
            graph.launch(&lock, stream)?;
        }
        Ok(())
    }

    /// Returns, by launch or copy, the earlier ones that it directly waits for.
    pub fn dependencies(&self) -> &[Vec<usize>] {
        &self.dependencies
    }

    /// Returns the number of launches and copies.
    pub fn len(&self) -> usize {
        self.launches
    }

    /// Returns true if there are no launches.
    pub fn is_empty(&self) -> bool {
        self.launches == 0
    }
}

impl fmt::Debug for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a graph of {} launches on {}", self.launches, self.device)
    }
}
