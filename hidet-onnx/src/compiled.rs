//! [`Compiled`]: runs of a model as one file, which is loaded without the model and without compiling anything.
//!
//! The file has the names of inputs and outputs, and for each run which inputs were given, and the programs
//! (`Replay::all_to_bytes` of hidet-ops), with the initializers that they read, each once. Runs for ranges of extents are
//! `Buckets` of hidet-ops, with their own initializers.

use crate::error::{Error, Result};
use hidet::cache::Digest;
use hidet::cache::codec::{Bytes, Encode, Reader};
use hidet::device::Device;
use hidet_ops::{Buckets, Extent, Replay, ReplayMemory, Tensor, TensorType};
use std::fs;
use std::io::Read;
use std::path::Path;

/// The first bytes: the magic, with the version of the format as its last byte.
const MAGIC: [u8; 8] = *b"hidetmo\x03";

/// Runs of a model, compiled for inputs of some types and the architecture of a device, loaded from what
/// [`Session::save`](crate::Session::save) wrote.
///
/// ```no_run
/// use hidet::prelude::Device;
/// use hidet_onnx::{Compiled, Model};
/// use hidet_ops::Tensor;
///
/// let device = Device::sim();
/// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0], [1, 2])?);
/// let session = Model::load("model.onnx")?.on(&device)?;
/// session.run(&[("x", x.clone())])?;
/// session.save("model.hidet")?;
/// // In another process:
/// let outputs = Compiled::load("model.hidet", &device)?.run(&[("x", x)])?;
/// # Ok::<(), hidet_onnx::Error>(())
/// ```
pub struct Compiled {
    inputs: Vec<String>,
    outputs: Vec<String>,
    runs: Vec<Run>,
    /// Runs for ranges of extents, and by input of the model true if it is given.
    buckets: Option<(Vec<bool>, Buckets)>,
}

/// A run for inputs of some types.
struct Run {
    /// By input of the model: true if it is given.
    given: Vec<bool>,
    replay: Replay,
}

/// What a file has behind the magic and the checksum. Inputs that are given are 1, others 0.
struct Saved {
    inputs: Vec<String>,
    outputs: Vec<String>,
    /// For each run which inputs are given.
    runs: Vec<Bytes>,
    /// Which inputs are given of runs for ranges of extents, and these; nothing if there are none.
    required: Bytes,
    /// How many bytes all runs have, and those for ranges of extents, 0 if there are none. They are behind the rest, and have a
    /// checksum of their own.
    programs: [u64; 2],
}

fn damaged() -> Error {
    Error::Compiled("it is damaged or incomplete; make it again".to_owned())
}

/// Returns an error of the programs of a file as one of the file.
fn program(error: hidet_ops::Error) -> Error {
    match error {
        hidet_ops::Error::Program(why) => Error::Compiled(why),
        other => other.into(),
    }
}

/// Returns runs of a model as bytes: for each, which inputs are given, and its launches; and runs for ranges of extents.
pub(crate) fn to_bytes(
    inputs: Vec<String>,
    outputs: Vec<String>,
    runs: &[(Vec<bool>, &Replay)],
    buckets: Option<(Vec<bool>, &Buckets)>,
) -> Result<Vec<u8>> {
    let given = |given: &[bool]| Bytes(given.iter().map(|given| u8::from(*given)).collect());
    let replays: Vec<&Replay> = runs.iter().map(|(_, replay)| *replay).collect();
    let replays = if replays.is_empty() { Vec::new() } else { Replay::all_to_bytes(&replays)? };
    let (required, buckets) = match buckets {
        Some((required, buckets)) => (given(&required), buckets.to_bytes()?),
        None => (given(&[]), Vec::new()),
    };
    let runs = runs.iter().map(|(own, _)| given(own)).collect();
    let programs = [&replays, &buckets].map(|bytes| bytes.len() as u64);
    let saved = Saved { inputs, outputs, runs, required, programs };
    let mut out = [&MAGIC[..], &[0; Digest::BYTES]].concat();
    let (checksum, checked) = (MAGIC.len()..out.len(), out.len());
    saved.encode(&mut out);
    let digest = Digest::of(&[&out[checked..]]);
    out[checksum].copy_from_slice(&digest.0);
    [replays, buckets].iter().for_each(|bytes| out.extend_from_slice(bytes));
    Ok(out)
}

impl Compiled {
    /// Reads a compiled model from a file, and loads its kernels and initializers to a device.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or as [`Compiled::from_bytes`].
    pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Compiled> {
        let path = path.as_ref();
        let failed = |why: String| Error::File { path: path.to_owned(), why };
        let bytes = hidet_ops::file::read(path).map_err(|error| failed(error.to_string()))?;
        Compiled::from_bytes(&bytes, device).map_err(|error| failed(error.to_string()))
    }

    /// Loads a compiled model from the bytes of a file, whose device had the same architecture as this one. Load only bytes
    /// that you would run as a program.
    ///
    /// # Errors
    ///
    /// If the bytes are not a compiled model, damaged, of another version of the format or build of hidet, or for another
    /// architecture; and if there is not enough memory.
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Compiled> {
        match bytes.get(..MAGIC.len()) {
            Some(magic) if magic == MAGIC => {}
            Some(magic) if magic[..7] == MAGIC[..7] => {
                return Err(Error::Compiled(format!(
                    "it has version {} of the format, and this build of hidet reads version {}; make it again",
                    magic[7], MAGIC[7]
                )));
            }
            _ => return Err(Error::Compiled("the bytes are not a compiled model".to_owned())),
        }
        let mut reader = Reader::new(&bytes[MAGIC.len()..]);
        let checksum: Digest = reader.read().ok_or_else(damaged)?;
        let own = reader.rest();
        let Saved { inputs, outputs, runs, required, programs } = reader.read().ok_or_else(damaged)?;
        let programs = programs.map(|bytes| usize::try_from(bytes).ok().and_then(|bytes| reader.take(bytes)));
        let [Some(replays), Some(buckets)] = programs else { return Err(damaged()) };
        let head = own.len() - reader.rest().len() - replays.len() - buckets.len();
        if Digest::of(&[&own[..head]]) != checksum || !reader.rest().is_empty() {
            return Err(damaged());
        }
        let given = |bytes: &Bytes, count: usize, results: usize| {
            let given: Vec<bool> = bytes.0.iter().map(|given| *given != 0).collect();
            let fits = given.len() == inputs.len() && given.iter().filter(|given| **given).count() == count;
            if fits && results == outputs.len() { Ok(given) } else { Err(damaged()) }
        };
        let replays =
            if runs.is_empty() { Vec::new() } else { Replay::all_from_bytes(device, replays).map_err(program)? };
        if replays.len() != runs.len() {
            return Err(damaged());
        }
        let run = |(own, replay): (&Bytes, Replay)| {
            Ok(Run { given: given(own, replay.inputs().count(), replay.outputs().count())?, replay })
        };
        let runs = runs.iter().zip(replays).map(run).collect::<Result<_>>()?;
        let buckets = match buckets.is_empty() {
            true => None,
            false => {
                let buckets = Buckets::from_bytes(device, buckets).map_err(program)?;
                Some((given(&required, buckets.inputs().len(), buckets.outputs())?, buckets))
            }
        };
        Ok(Compiled { inputs, outputs, runs, buckets })
    }

    /// Returns true if a file begins as compiled models do, whatever the version of the format.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn is_at(path: impl AsRef<Path>) -> Result<bool> {
        let path = path.as_ref();
        let mut begin = Vec::new();
        let read = fs::File::open(path).and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut begin));
        read.map_err(|error| Error::File { path: path.to_owned(), why: error.to_string() })?;
        Ok(begin.get(..7) == Some(&MAGIC[..7]))
    }

    /// Returns the names of the outputs.
    pub fn outputs(&self) -> &[String] {
        &self.outputs
    }

    /// Returns for each run the names and types of its inputs.
    pub fn runs(&self) -> Vec<Vec<(&str, TensorType)>> {
        self.runs.iter().map(|run| self.given(run).collect()).collect()
    }

    /// Returns the extents of which it runs for ranges or lists of sizes.
    pub fn extents(&self) -> &[Extent] {
        self.buckets.as_ref().map_or(&[], |(_, buckets)| buckets.extents())
    }

    /// Returns for all sizes of the extents the names and types of the inputs, `f32[batch, 64]`.
    pub fn inputs(&self) -> Vec<(&str, String)> {
        let Some((required, buckets)) = &self.buckets else { return Vec::new() };
        named(&self.inputs, required).zip(buckets.inputs()).collect()
    }

    /// Returns the memory for tensors between kernels of all runs, together.
    pub fn memory(&self) -> ReplayMemory {
        let buckets = self.buckets.iter().map(|(_, buckets)| buckets.memory());
        self.runs.iter().map(|run| run.replay.memory()).chain(buckets).sum()
    }

    fn given<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = (&'a str, TensorType)> {
        named(&self.inputs, &run.given).zip(run.replay.inputs())
    }

    /// Runs the model for these inputs, and returns its outputs with their names, computed.
    ///
    /// # Errors
    ///
    /// If the model was not compiled for inputs of these names and types, or the device fails.
    pub fn run(&self, inputs: &[(&str, Tensor)]) -> Result<Vec<(String, Tensor)>> {
        let find = |name: &str| inputs.iter().find(|(own, _)| *own == name).map(|(_, tensor)| tensor);
        for (name, _) in inputs {
            let why = match () {
                _ if inputs.iter().filter(|(own, _)| own == name).count() > 1 => "it is given twice".to_owned(),
                _ if self.inputs.iter().any(|own| own == name) => continue,
                _ => format!("the model has no such input; it has `{}`", self.inputs.join("`, `")),
            };
            return Err(Error::Input { name: (*name).to_owned(), why });
        }
        let is_for = |run: &&Run| {
            let mut own = self.given(run);
            let count = run.given.iter().filter(|given| **given).count();
            count == inputs.len() && own.all(|(name, ty)| find(name).is_some_and(|tensor| *tensor.ty() == ty))
        };
        let Some(run) = self.runs.iter().find(is_for) else {
            if let Some((required, buckets)) = &self.buckets {
                let tensors: Vec<&Tensor> = named(&self.inputs, required).filter_map(find).collect();
                if (tensors.len(), inputs.len()) == (buckets.inputs().len(), tensors.len()) {
                    return Ok(self.outputs.iter().cloned().zip(buckets.run(&tensors)?).collect());
                }
            }
            let line = |types: Vec<(&str, String)>| {
                let each: Vec<String> = types.iter().map(|(name, ty)| format!("{name}: {ty}")).collect();
                format!("\n  {}", each.join(", "))
            };
            let given = line(inputs.iter().map(|(name, tensor)| (*name, tensor.ty().to_string())).collect());
            let own = |run| self.given(run).map(|(name, ty)| (name, ty.to_string())).collect();
            let buckets = self.buckets.iter().map(|_| line(self.inputs()));
            let known: String = self.runs.iter().map(|run| line(own(run))).chain(buckets).collect();
            return Err(Error::Compiled(format!(
                "it is for inputs of other types:{known}\ngiven are:{given}\ncompile the model for these"
            )));
        };
        let tensors: Vec<&Tensor> = self.given(run).filter_map(|(name, _)| find(name)).collect();
        Ok(self.outputs.iter().cloned().zip(run.replay.run(&tensors)?).collect())
    }
}

/// Returns the names of those inputs that are given.
fn named<'a>(inputs: &'a [String], given: &'a [bool]) -> impl Iterator<Item = &'a str> {
    inputs.iter().zip(given).filter(|(_, given)| **given).map(|(name, _)| name.as_str())
}

impl Encode for Saved {
    fn encode(&self, out: &mut Vec<u8>) {
        self.inputs.encode(out);
        self.outputs.encode(out);
        self.runs.encode(out);
        self.required.encode(out);
        self.programs.iter().for_each(|bytes| bytes.encode(out));
    }
    fn decode(from: &mut Reader) -> Option<Self> {
        Some(Saved {
            inputs: from.read()?,
            outputs: from.read()?,
            runs: from.read()?,
            required: from.read()?,
            programs: [from.read()?, from.read()?],
        })
    }
}
