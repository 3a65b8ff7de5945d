//! [`Replay`]: kernels that compute tensors of inputs, prepared once and repeated as a graph of launches.

use crate::error::{Error, Result, TensorType};
use crate::memory::{self, Life, MemoryPlan, ReplayMemory};
use crate::program::Program;
use crate::run;
use crate::saved;
use crate::tensor::Tensor;
use hidet::device::{Device, Graph, RawTensor, Storage, Stream};
use hidet::kernel::PreparedLaunch;
use hidet::types::Scalar;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

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
    stream: Stream,
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
        Replay::planned(inputs, outputs, memory::plan)
    }

    /// The same, with a plan of memory.
    fn planned(inputs: &[&Tensor], outputs: &[&Tensor], planner: impl FnOnce(&[Life]) -> MemoryPlan) -> Result<Replay> {
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
        let program = Program::of(device, launches, inputs, outputs, planner)?;
        Replay::repeating(program, device, true)
    }

    /// Returns a replay of a program, which perhaps has run.
    fn repeating(program: Program, device: &Device, has_run: bool) -> Result<Replay> {
        let launches = program.prepare()?;
        let stream = device.stream()?;
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
        saved::to_bytes(&self.program, self.stream.device())
    }

    /// Returns the replay that these bytes hold, on a device of the architecture that it was made for, with memory of its
    /// own. There are no results before its first run. Load only bytes that you would run as a program.
    ///
    /// # Errors
    ///
    /// [`Error::Program`] if the bytes are not a replay, damaged, of another version of the format or build of hidet, or for
    /// another architecture; and if there is not enough memory, or the driver refuses a kernel.
    pub fn from_bytes(device: &Device, bytes: &[u8]) -> Result<Replay> {
        Replay::repeating(saved::from_bytes(bytes, device)?, device, false)
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
        let path = path.as_ref();
        let failed = |error: std::io::Error| Error::Program(format!("{}: {error}", path.display()));
        fs::write(path, self.to_bytes()?).map_err(failed)
    }

    /// Reads a replay from a file, as [`Replay::from_bytes`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or as [`Replay::from_bytes`].
    pub fn load(device: &Device, path: impl AsRef<Path>) -> Result<Replay> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|error| Error::Program(format!("{}: {error}", path.display())))?;
        Replay::from_bytes(device, &bytes).map_err(|error| match error {
            Error::Program(why) => Error::Program(format!("{}: {why}", path.display())),
            other => other,
        })
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
        let values =
            inputs.iter().map(|input| run::contiguous(&input.compute()?)).collect::<Result<Vec<RawTensor>>>()?;
        let mut has_results = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (from, to) in values.iter().zip(&self.program.inputs) {
            self.copy(from, to)?;
        }
        if !self.graph.is_empty() {
            self.graph.replay(&self.stream)?;
        }
        *has_results = true;
        self.copies()
    }

    /// Returns the outputs of the last inputs, at first of those that the replay was made with.
    ///
    /// # Errors
    ///
    /// If there is not enough memory, or the replay was loaded and has not run yet.
    pub fn results(&self) -> Result<Vec<Tensor>> {
        match *self.turn.lock().unwrap_or_else(PoisonError::into_inner) {
            true => self.copies(),
            false => {
                Err(Error::Program("it was loaded and has not run, so it has no results: run it first".to_owned()))
            }
        }
    }

    fn copies(&self) -> Result<Vec<Tensor>> {
        let copied = |output: &RawTensor| {
            let device = output.device();
            let storage = Storage::uninit(device, output.bytes())?;
            let copy = RawTensor::new(device, storage, 0, output.scalar(), output.shape())?;
            self.copy(output, &copy)?;
            Ok(Tensor::from(copy))
        };
        self.program.outputs.iter().map(copied).collect()
    }

    /// Copies the bytes of a contiguous tensor.
    fn copy(&self, from: &RawTensor, to: &RawTensor) -> Result<()> {
        let bytes = |raw: &RawTensor, device: &Device| {
            let first = raw.offset() * raw.scalar().bytes();
            let flat = RawTensor::new(device, raw.storage().clone(), first, Scalar::U8, &[raw.bytes()])?;
            hidet::device::Tensor::<u8, 1>::from_raw(flat)
        };
        let is_itself = from.overlaps(to) && from.offset() == to.offset();
        if from.is_empty() || is_itself {
            return Ok(());
        }
        let mut to = bytes(to, to.device())?;
        Ok(self.stream.copy(&bytes(from, from.device())?, &mut to)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::sim;

    /// Sorting, sums and products of rows, which are kernels of their own: a chain, with a branch from its begin to its end.
    fn graph(device: &Device) -> Result<(Tensor, Tensor)> {
        let values: Vec<f32> = (0..64).map(|at| ((at * 37 + 11) % 64) as f32 / 32.0 - 1.0).collect();
        let x = Tensor::from(&device.tensor(&values, [8, 8])?);
        let first = x.cumsum(1, false, false)?;
        let mut y = first.clone();
        for _ in 0..4 {
            y = y.matmul(&x)?.cumsum(0, false, false)?;
        }
        Ok((x, y.add(&first)?))
    }

    fn bits(tensor: &Tensor) -> Result<Vec<u32>> {
        Ok(tensor.to_vec::<f32>()?.iter().map(|value| value.to_bits()).collect())
    }

    #[test]
    fn tensors_between_launches_share_memory() -> Result<()> {
        for seed in 0..4 {
            let device = Device::sim_with(sim::Options { seed, ..sim::Options::default() });
            let (x, y) = graph(&device)?;
            let wanted = bits(&y)?;
            let (own, y) = graph(&device)?;
            let replay = Replay::of(&[&own], &[&y])?;
            assert_eq!(replay.launches(), 10);
            // Eight products and sums, and the first sum, which all others outlive; two of them are needed at a time.
            assert_eq!(replay.memory(), ReplayMemory { arena: 3 * 256, apart: 9 * 256, least: 3 * 256 });
            assert_eq!(bits(&replay.results()?[0])?, wanted);
            for _ in 0..3 {
                assert_eq!(bits(&replay.run(&[&x])?[0])?, wanted);
                assert_ne!(bits(&replay.run(&[&x.neg()?])?[0])?, wanted);
            }
        }
        Ok(())
    }

    /// Branches that may run at the same time do not share memory, so that they still may.
    #[test]
    fn shared_memory_makes_no_launch_wait_longer() -> Result<()> {
        let device = Device::sim();
        let branches = |planner: &dyn Fn(&[Life]) -> MemoryPlan| {
            let (x, _) = graph(&device)?;
            let mut sum = x.clone();
            for number in 0..4 {
                let mut y = x.mul(f64::from(number))?;
                for _ in 0..4 {
                    y = y.matmul(&x)?.cumsum(0, false, false)?;
                }
                sum = sum.add(&y)?;
            }
            Replay::planned(&[&x], &[&sum], planner)
        };
        let apart = |lives: &[Life]| {
            let memory = ReplayMemory { arena: 256 * lives.len(), ..ReplayMemory::default() };
            MemoryPlan { offsets: (0..lives.len()).map(|at| 256 * at).collect(), memory }
        };
        let longest = |replay: &Replay| {
            let mut lengths: Vec<usize> = Vec::new();
            for earlier in replay.graph.dependencies() {
                lengths.push(1 + earlier.iter().map(|at| lengths[*at]).max().unwrap_or(0));
            }
            lengths.into_iter().max()
        };
        let (shared, apart) = (branches(&memory::plan)?, branches(&apart)?);
        assert_eq!((longest(&shared), longest(&apart)), (Some(9), Some(9)));
        // Two tensors of each branch are needed at a time.
        assert_eq!(shared.memory(), ReplayMemory { arena: 8 * 256, apart: 32 * 256, least: 8 * 256 });
        Ok(())
    }

    /// Whatever two tensors that live at the same time a plan gives the same bytes, the simulated device reports it.
    #[test]
    fn wrong_plans_are_found() -> Result<()> {
        let device = Device::sim();
        let lives = {
            let (x, y) = graph(&device)?;
            let mut all = Vec::new();
            Replay::planned(&[&x], &[&y], |lives| {
                all = lives.to_vec();
                memory::plan(lives)
            })?;
            all
        };
        let mut planted = 0;
        for (a, first) in lives.iter().enumerate() {
            for (b, second) in lives.iter().enumerate().skip(a + 1) {
                if first.last < second.first || second.last < first.first {
                    continue;
                }
                let (x, y) = graph(&device)?;
                let wrong = |lives: &[Life]| {
                    let offsets = (0..lives.len()).map(|at| 256 * if at == b { a } else { at }).collect();
                    let memory = ReplayMemory { arena: 256 * lives.len(), ..ReplayMemory::default() };
                    MemoryPlan { offsets, memory }
                };
                let report = Replay::planned(&[&x], &[&y], wrong).and_then(|replay| replay.run(&[&x]));
                let report = report.map(|_| ()).unwrap_err().to_string();
                let words = ["memory was given to another one", "overlap", "argument"];
                assert!(words.iter().any(|words| report.contains(words)), "{a} and {b}: {report}");
                planted += 1;
            }
        }
        assert!(planted >= 15, "{planted}");
        Ok(())
    }

    /// Lives that end too early make plans that are found too, or do not matter.
    #[test]
    fn lives_that_end_too_early_are_found() -> Result<()> {
        let device = Device::sim();
        let (x, y) = graph(&device)?;
        let short = |lives: &[Life]| {
            let ends: Vec<Life> = lives.iter().map(|life| Life { last: life.first, ..*life }).collect();
            memory::plan(&ends)
        };
        let report = Replay::planned(&[&x], &[&y], short).and_then(|replay| replay.run(&[&x]));
        assert!(report.is_err());
        Ok(())
    }
}
