//! [`Replay`]: kernels that compute tensors of inputs, prepared once and repeated as a graph of launches.

use crate::error::{Error, Result, TensorType};
use crate::run;
use crate::tensor::Tensor;
use hidet::device::{Device, Graph, RawTensor, Storage, Stream};
use hidet::kernel::PreparedLaunch;
use hidet::types::Scalar;
use std::sync::{Mutex, PoisonError};

/// Kernels that compute tensors of inputs, again and again, for inputs of the same types: all of them are one submission to
/// the device, and nothing of the host's work is done again.
///
/// It has memory of its own for inputs, results, and what is between. What else the results were made of, such as weights,
/// must not change.
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
    stream: Stream,
    /// Held while the memory is in use.
    turn: Mutex<()>,
}

impl Replay {
    /// Computes tensors once, and keeps the launches that did it. They are computed of the inputs, whose memory becomes that of
    /// the replay, and of other tensors that are computed already.
    ///
    /// # Errors
    ///
    /// If there is no output, tensors are on different devices, an input is not contiguous, or as [`Tensor::compute`].
    pub fn of(inputs: &[&Tensor], outputs: &[&Tensor]) -> Result<Replay> {
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
        let (outputs, launches) = Tensor::prepare_all(outputs)?;
        let stream = device.stream()?;
        // What depends on nothing before it runs beside it, except for launches whose blocks wait for each other.
        let graph = match launches.iter().any(PreparedLaunch::is_cooperative) {
            true => Graph::capture(&stream, |stream| launches.iter().try_for_each(|launch| launch.launch_on(stream)))?,
            false => Graph::of(device, launches)?,
        };
        Ok(Replay { inputs, outputs, graph, stream, turn: Mutex::default() })
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
