//! [`Replay`]: kernels that compute tensors of inputs, prepared once and repeated as a graph of launches.

mod corner;

use crate::error::{Error, Result, TensorType};
use crate::memory::{self, Life, MemoryPlan, ReplayMemory};
use crate::program::Program;
use crate::run;
use crate::saved;
use crate::shared::Shared;
use crate::tensor::Tensor;
use hidet::device::{Device, Graph, RawTensor, Stream};
use hidet::kernel::PreparedLaunch;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Kernels that compute tensors of inputs, again and again, for inputs of the same types: all of them are one submission to
/// the device, and nothing of the host's work is done again.
///
/// It has memory of its own for inputs, results, and what is between, which is one arena: tensors that are not needed at the
/// same time share its bytes ([`Replay::memory`]). What else the results were made of, such as weights, must not change.
///
/// ```
/// use hidet::prelude::Device;
/// use hidet_ops::{Replay, Tensor};
///
/// let device = Device::sim();
/// let tensor = |values: &[f32]| Ok::<_, hidet_ops::Error>(Tensor::from(&device.tensor(values, [2])?));
/// let x = tensor(&[1.0, 2.0])?;
/// let (y, z) = (x.mul(2.0)?, x.exp()?.log()?.add(1.0)?);
/// let replay = Replay::of(&[&x], &[&y, &z])?;
/// let results = replay.run(&[&tensor(&[3.0, 0.0])?])?;
/// assert_eq!(results[0].to_vec::<f32>()?, [6.0, 0.0]);
/// assert_eq!(results[1].to_vec::<f32>()?, [4.0, 1.0]);
/// # Ok::<(), hidet_ops::Error>(())
/// ```
pub struct Replay {
    program: Program,
    graph: Graph,
    stream: Arc<Stream>,
    /// Held while the memory is in use; true if there are results.
    turn: Mutex<bool>,
}

impl Replay {
    /// Computes tensors once, and keeps the launches that did it. They are computed of the inputs, whose memory becomes that of
    /// the replay, and of other tensors that are computed already. While it is made, each tensor on the way has memory of its
    /// own.
    ///
    /// # Errors
    ///
    /// If there is no output, tensors are on different devices, an input is not contiguous, or as [`Tensor::compute`].
    pub fn of(inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<Replay> {
        Replay::planned(inputs, outputs, memory::plan, None)
    }

    /// The same, with the arena and the constants of other replays as far as they fit.
    pub(crate) fn sharing(inputs: &[&Tensor], outputs: &[&Tensor], shared: &mut Shared) -> Result<Replay> {
        Replay::planned(inputs, outputs, memory::plan, Some(shared))
    }

    /// The same, with a plan of memory.
    fn planned(
        inputs: &[&Tensor],
        outputs: &[&Tensor],
        planner: impl FnOnce(&[Life]) -> MemoryPlan,
        shared: Option<&mut Shared>,
    ) -> Result<Replay> {
        let types = |tensors: &[&Tensor]| tensors.iter().map(|tensor| tensor.ty().clone()).collect::<Vec<TensorType>>();
        let refused = |why: &str| Error::Operator { operator: "replay", inputs: types(inputs), why: why.to_owned() };
        let Some(device) = outputs.first().map(|output| output.device()) else {
            return Err(refused("there is no output"));
        };
        if inputs.iter().chain(outputs).any(|tensor| !tensor.device().is_same(device)) {
            return Err(refused("inputs and outputs are on different devices"));
        }
        let inputs: Vec<RawTensor> = inputs.iter().map(|input| input.compute()).collect::<Result<_>>()?;
        if inputs.iter().any(|input| !input.is_contiguous()) {
            return Err(refused("an input is not contiguous"));
        }
        let (outputs, launches) = Tensor::record(outputs)?;
        let program = Program::of(device, launches, inputs, outputs, planner, shared)?;
        Replay::repeating(program, device, true)
    }

    /// Returns a replay of a program, which perhaps has run.
    fn repeating(program: Program, device: &Device, has_run: bool) -> Result<Replay> {
        let launches = program.prepare()?;
        let stream = program.arena.stream.clone();
        // What depends on nothing before it runs beside it, except for launches whose blocks wait for each other.
        let graph = match launches.iter().any(PreparedLaunch::is_cooperative) {
            true => Graph::capture(&stream, |stream| launches.iter().try_for_each(|launch| launch.launch_on(stream)))?,
            false => Graph::of(device, launches)?,
        };
        Ok(Replay { program, graph, stream, turn: Mutex::new(has_run) })
    }

    /// Returns the replay as bytes, which [`Replay::from_bytes`] loads without compiling anything: the kernels as images
    /// for the architecture of the device, the launches, and a copy of all other tensors, such as weights.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        Replay::all_to_bytes(&[self])
    }

    /// Returns several replays on one device as bytes, which [`Replay::all_from_bytes`] loads. What several of them have, such as
    /// weights and kernels, is there once.
    ///
    /// # Errors
    ///
    /// As [`Replay::to_bytes`], and if there is no replay.
    pub fn all_to_bytes(replays: &[&Replay]) -> Result<Vec<u8>> {
        Replay::noted_to_bytes(replays, Vec::new())
    }

    /// The same, with a note.
    pub(crate) fn noted_to_bytes(replays: &[&Replay], note: Vec<u8>) -> Result<Vec<u8>> {
        let Some(first) = replays.first() else { return Err(Error::Program("there is no replay".to_owned())) };
        let programs: Vec<&Program> = replays.iter().map(|replay| &replay.program).collect();
        saved::to_bytes(&programs, note, first.stream.device())
    }

    /// Returns the replay that these bytes hold, on a device of the architecture that it was made for, with memory of its
    /// own. There are no results before its first run. Load only bytes that you would run as a program.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if the bytes are not a replay, damaged, of another version of the format or build of hidet, or for
    /// another architecture; and if there is not enough memory, or the driver refuses a kernel.
    pub fn from_bytes(device: &Device, bytes: &[u8]) -> Result<Replay> {
        let mut replays = Replay::all_from_bytes(device, bytes)?;
        match (replays.pop(), replays.len()) {
            (Some(replay), 0) => Ok(replay),
            (_, others) => {
                let why =
                    format!("there are {} programs, not one; load them with `Replay::all_from_bytes`", others + 1);
                Err(Error::Program(why))
            }
        }
    }

    /// Returns the replays that these bytes hold, in order, as [`Replay::from_bytes`]. Weights that several of them read are on the
    /// device once.
    ///
    /// # Errors
    ///
    /// As [`Replay::from_bytes`].
    pub fn all_from_bytes(device: &Device, bytes: &[u8]) -> Result<Vec<Replay>> {
        Ok(Replay::noted_from_bytes(device, bytes)?.0)
    }

    /// The same, with the note.
    pub(crate) fn noted_from_bytes(device: &Device, bytes: &[u8]) -> Result<(Vec<Replay>, Vec<u8>)> {
        let (programs, note) = saved::from_bytes(bytes, device)?;
        let replays = programs.into_iter().map(|program| Replay::repeating(program, device, false));
        Ok((replays.collect::<Result<_>>()?, note))
    }

    /// Writes the replay to a file, as [`Replay::to_bytes`].
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::{Replay, Tensor};
    ///
    /// let device = Device::sim();
    /// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0], [2])?);
    /// let path = std::env::temp_dir().join(format!("exp_{}.hidet", std::process::id()));
    /// Replay::of(&[&x], &[&x.exp()?])?.save(&path)?;
    ///
    /// let replay = Replay::load(&device, &path)?;
    /// let results = replay.run(&[&Tensor::from(&device.tensor(&[0.0f32, 0.0], [2])?)])?;
    /// assert_eq!(results[0].to_vec::<f32>()?, [1.0, 1.0]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the file cannot be written, or as [`Replay::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        saved::write(path.as_ref(), &self.to_bytes()?)
    }

    /// Reads a replay from a file, as [`Replay::from_bytes`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or as [`Replay::from_bytes`].
    pub fn load(device: &Device, path: impl AsRef<Path>) -> Result<Replay> {
        saved::read(path.as_ref(), |bytes| Replay::from_bytes(device, bytes))
    }

    /// Returns the types of the inputs.
    pub fn inputs(&self) -> impl Iterator<Item = TensorType> {
        self.program.inputs.iter().map(|input| TensorType::new(input.scalar(), input.shape()))
    }

    /// Returns the types of the outputs.
    pub fn outputs(&self) -> impl Iterator<Item = TensorType> {
        self.program.outputs.iter().map(|output| TensorType::new(output.scalar(), output.shape()))
    }

    /// Returns the number of launches.
    pub fn launches(&self) -> usize {
        self.graph.len()
    }

    /// Submits the launches for the inputs that it has to a stream of its device, and does not wait: what is to be measured.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn launch(&self, stream: &Stream) -> Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _arena = self.program.arena.lock();
        if self.graph.is_empty() { Ok(()) } else { Ok(self.graph.replay(stream)?) }
    }

    /// Returns the memory that it keeps for tensors between its launches.
    pub fn memory(&self) -> ReplayMemory {
        self.program.memory
    }

    /// Computes the outputs of other inputs. They are copied from the memory of the replay, so that they stay as they are.
    ///
    /// # Errors
    ///
    /// If the inputs have other types than the replay was made for, or are on another device; and if the device fails.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let given = inputs.iter().map(|input| input.ty().clone()).collect::<Vec<TensorType>>();
        if !given.iter().cloned().eq(self.inputs()) {
            let own: Vec<String> = self.inputs().map(|ty| ty.to_string()).collect();
            let why = format!("the launches are for {}", own.join(", "));
            return Err(Error::Operator { operator: "replay", inputs: given, why });
        }
        self.run_part(inputs, None)
    }

    /// Computes the outputs of inputs that are perhaps smaller: each becomes the front of an input along each axis, and behind it
    /// its elements follow again. Of the outputs the fronts of these shapes are returned.
    pub(crate) fn run_part(&self, inputs: &[&Tensor], shapes: Option<&[Vec<usize>]>) -> Result<Vec<Tensor>> {
        let values =
            inputs.iter().map(|input| run::contiguous(&input.compute()?)).collect::<Result<Vec<RawTensor>>>()?;
        let mut has_results = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (from, to) in values.iter().zip(&self.program.inputs) {
            corner::fill(&self.stream, from, to)?;
        }
        if !self.graph.is_empty() {
            let _arena = self.program.arena.lock();
            self.graph.replay(&self.stream)?;
        }
        *has_results = true;
        self.copies(shapes)
    }

    /// Returns the outputs of the last inputs, at first of those that the replay was made with.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or the replay was loaded and has not run yet.
    pub fn results(&self) -> Result<Vec<Tensor>> {
        match *self.turn.lock().unwrap_or_else(PoisonError::into_inner) {
            true => self.copies(None),
            false => {
                Err(Error::Program("it was loaded and has not run, so it has no results: run it first".to_owned()))
            }
        }
    }

    fn copies(&self, shapes: Option<&[Vec<usize>]>) -> Result<Vec<Tensor>> {
        let copied = |(at, output): (usize, &RawTensor)| {
            let shape = shapes.and_then(|shapes| shapes.get(at)).map_or(output.shape(), Vec::as_slice);
            Ok(Tensor::from(corner::cut(&self.stream, output, shape)?))
        };
        self.program.outputs.iter().enumerate().map(copied).collect()
    }
}

#[cfg(test)]
mod tests;
