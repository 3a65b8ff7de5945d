//! [`Replay`]: kernels that compute tensors of inputs, prepared once and repeated as a graph of launches.

use crate::error::{Error, Result, TensorType};
use crate::memory::{self, Life, MemoryPlan};
use crate::program::Program;
use crate::run;
use crate::tensor::Tensor;
use hidet::device::{Device, Graph, RawTensor, Storage, Stream};
use hidet::kernel::PreparedLaunch;
use hidet::types::Scalar;
use std::iter::Sum;
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
    inputs: Vec<RawTensor>,
    outputs: Vec<RawTensor>,
    graph: Graph,
    memory: ReplayMemory,
    stream: Stream,
    /// Held while the memory is in use.
    turn: Mutex<()>,
}

/// The memory of a [`Replay`] for tensors between its launches, in bytes; each tensor counts as a multiple of 256. Inputs and
/// results are not part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplayMemory {
    /// What it takes: the arena.
    pub arena: usize,
    /// What the tensors would take if each had its own.
    pub apart: usize,
    /// What is needed at the same time, at some launch: no arena can be smaller.
    pub least: usize,
}

impl Sum for ReplayMemory {
    fn sum<I: Iterator<Item = ReplayMemory>>(all: I) -> ReplayMemory {
        all.fold(ReplayMemory::default(), |a, b| ReplayMemory {
            arena: a.arena + b.arena,
            apart: a.apart + b.apart,
            least: a.least + b.least,
        })
    }
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
        let kept: Vec<&RawTensor> = inputs.iter().chain(&outputs).collect();
        let program = Program::of(device, launches, &kept, planner)?;
        let launches = program.prepare()?;
        let MemoryPlan { arena, apart, least, .. } = program.plan;
        let stream = device.stream()?;
        // What depends on nothing before it runs beside it, except for launches whose blocks wait for each other.
        let graph = match launches.iter().any(PreparedLaunch::is_cooperative) {
            true => Graph::capture(&stream, |stream| launches.iter().try_for_each(|launch| launch.launch_on(stream)))?,
            false => Graph::of(device, launches)?,
        };
        let memory = ReplayMemory { arena, apart, least };
        Ok(Replay { inputs, outputs, graph, memory, stream, turn: Mutex::default() })
    }

    /// Returns the number of launches.
    pub fn launches(&self) -> usize {
        self.graph.len()
    }

    /// Returns the memory that it keeps for tensors between its launches.
    pub fn memory(&self) -> ReplayMemory {
        self.memory
    }

    /// Computes the outputs of other inputs. They are copied from the memory of the replay, so that they stay as they are.
    ///
    /// # Errors
    ///
    /// If the inputs have other types than the replay was made for, or are on another device; and if the device fails.
    pub fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let given = inputs.iter().map(|input| input.ty().clone()).collect::<Vec<TensorType>>();
        let own = self.inputs.iter().map(|input| TensorType::new(input.scalar(), input.shape()));
        if !given.iter().cloned().eq(own.clone()) {
            let own: Vec<String> = own.map(|ty| ty.to_string()).collect();
            let why = format!("the launches are for {}", own.join(", "));
            return Err(Error::Operator { operator: "replay", inputs: given, why });
        }
        let values =
            inputs.iter().map(|input| run::contiguous(&input.compute()?)).collect::<Result<Vec<RawTensor>>>()?;
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        for (from, to) in values.iter().zip(&self.inputs) {
            self.copy(from, to)?;
        }
        if !self.graph.is_empty() {
            self.graph.replay(&self.stream)?;
        }
        self.copies()
    }

    /// Returns the outputs of the last inputs, at first of those that the replay was made with.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn results(&self) -> Result<Vec<Tensor>> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.copies()
    }

    fn copies(&self) -> Result<Vec<Tensor>> {
        let copied = |output: &RawTensor| {
            let device = output.device();
            let storage = Storage::uninit(device, output.bytes())?;
            let copy = RawTensor::new(device, storage, 0, output.scalar(), output.shape())?;
            self.copy(output, &copy)?;
            Ok(Tensor::from(copy))
        };
        self.outputs.iter().map(copied).collect()
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
                    MemoryPlan { offsets, arena: 256 * lives.len(), ..MemoryPlan::default() }
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
