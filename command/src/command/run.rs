//! `hidet run`: a model of ONNX, or a compiled one, on inputs from files.

use super::{Outcome, cache, device, say};
use crate::input::{self, Reading, Slot};
use crate::near;
use clap::Args;
use hidet::prelude::Device;
use hidet::sim::Options;
use hidet_onnx::{Arithmetic, Array, Compiled, Declared, Error, Model, Session};
use hidet_ops::{ReplayMemory, Tensor};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The model, its inputs, and where outputs go.
#[derive(Args)]
pub struct Run {
    /// The model: a file of ONNX, or what `hidet compile` has made of one.
    model: PathBuf,
    /// An input: its name and a file: .npy as `numpy.save` writes it, .png or .jpg, resized to what the model takes, .wav, or
    /// .txt (or `NAME=text:..`) for a model that takes bytes. The name may be left out if the model has one input. A file
    /// .safetensors has the tensor of that name, or without a name those of several inputs. Without inputs, those that the model
    /// needs are listed.
    #[arg(long = "input", value_name = "NAME=FILE")]
    inputs: Vec<String>,
    #[command(flatten)]
    reading: Reading,
    /// In which floats: f32 (as the model says), tf32x3, tf32, f16, bf16.
    #[arg(long, default_value_t)]
    arithmetic: Arithmetic,
    /// Write each output to this folder, as NAME.npy.
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// The device: sim, cuda or cuda:1; best is a GPU if there is one, else sim.
    #[arg(long, default_value = "best")]
    device: String,
    /// Let the simulated device check all kernels as they run: races, bounds, memory that was not written, barriers. It takes
    /// several times as long.
    #[arg(long)]
    checks: bool,
}

/// The most elements of an output, and rows of it, that are printed.
const SHOWN: usize = 10;

/// The most elements of a row that are printed, the largest first, with their places: the classes of one picture.
const BEST: usize = 5;

/// An input of a model.
pub(super) struct Wanted {
    pub(super) name: String,
    ty: String,
    slot: Slot,
    /// False if there is a value for it that is used else.
    pub(super) required: bool,
}

/// A model that was read.
enum Read {
    Model(Model),
    Compiled(Compiled),
}

/// A model on a device.
enum Ready {
    Session(Session),
    Compiled(Compiled),
}

impl Read {
    fn inputs(&self) -> Vec<Wanted> {
        match self {
            Read::Model(model) => wanted(model),
            Read::Compiled(compiled) => {
                let (runs, mut all) = (compiled.runs(), Vec::<Wanted>::new());
                let extents: Vec<String> =
                    compiled.extents().iter().map(|extent| format!("{} = {extent}", extent.name())).collect();
                for (name, ty) in compiled.inputs() {
                    let slot = Slot::parse(&ty);
                    let ty = format!("{ty} with {}", extents.join(", "));
                    all.push(Wanted { name: name.to_owned(), ty, slot, required: runs.is_empty() });
                }
                for (name, ty) in runs.iter().flatten() {
                    match all.iter_mut().find(|own| own.name == *name) {
                        Some(own) => own.ty += &format!(" or {ty}"),
                        None => {
                            let required = runs.iter().all(|run| run.iter().any(|(own, _)| own == name));
                            let (ty, slot) = (ty.to_string(), Slot::parse(&ty.to_string()));
                            all.push(Wanted { name: (*name).to_owned(), ty, slot, required });
                        }
                    }
                }
                all
            }
        }
    }
}

impl Ready {
    fn run(&self, inputs: &[(&str, Tensor)]) -> hidet_onnx::Result<Vec<(String, Tensor)>> {
        match self {
            Ready::Session(session) => session.run(inputs),
            Ready::Compiled(compiled) => compiled.run(inputs),
        }
    }

    fn memory(&self) -> ReplayMemory {
        match self {
            Ready::Session(session) => session.memory(),
            Ready::Compiled(compiled) => compiled.memory(),
        }
    }
}

/// Reads a model of ONNX.
pub fn load(path: &Path) -> Result<Model, String> {
    Model::load(path).map_err(|error| match error {
        Error::File { .. } => error.to_string(),
        other => format!("{}: {other}", path.display()),
    })
}

/// Returns the inputs of a model.
pub(super) fn wanted(model: &Model) -> Vec<Wanted> {
    let is_required = |name: &str| model.required().any(|input| input.name == name);
    let wanted = |input: &Declared| Wanted {
        name: input.name.clone(),
        ty: input.to_string(),
        slot: Slot::from(input),
        required: is_required(&input.name),
    };
    model.inputs().iter().map(wanted).collect()
}

/// Says what a model keeps between its kernels.
pub(super) fn print_memory(memory: ReplayMemory) {
    if memory.apart > 0 {
        let [arena, apart] = [memory.arena, memory.apart].map(|bytes| cache::size(bytes as u64));
        println!("memory between kernels: {arena}, instead of {apart} if each tensor had its own");
    }
}

impl Run {
    /// Runs the model, prints what its outputs are, and writes them if asked to.
    pub fn run(&self) -> Outcome {
        let is_compiled = Compiled::is_at(&self.model).map_err(say)?;
        let begin = Instant::now();
        let device = self.device()?;
        let ready = begin.elapsed();
        let begin = Instant::now();
        let read = match is_compiled {
            true => Read::Compiled(Compiled::load(&self.model, &device).map_err(say)?),
            false => Read::Model(load(&self.model)?),
        };
        let wanted = read.inputs();
        let files = self.files(&wanted)?;
        self.reading.check(files.iter().map(|(_, file)| *file))?;
        let mut arrays = Vec::new();
        for (input, file) in &files {
            let name = &input.name;
            let (array, done) =
                self.reading.read(file, name, &input.slot).map_err(|why| format!("input `{name}`: {file}: {why}"))?;
            if let Some(done) = done {
                println!("input `{name}`: {file}: {done}: {}", array.ty());
            }
            arrays.push(array);
        }
        if let Some(folder) = &self.output {
            // Created before anything is computed, so that a path that cannot be written is reported at once.
            std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        println!("device: {device}, ready in {ready:.2?}");
        let (model, compilation) = match read {
            Read::Model(model) => {
                let session = model.on_by(&device, self.arithmetic).map_err(say)?;
                (Ready::Session(session), ", with the compilation of kernels that are not in the cache")
            }
            Read::Compiled(compiled) => (Ready::Compiled(compiled), ""),
        };
        let mut inputs = Vec::new();
        for ((input, _), array) in files.iter().zip(&arrays) {
            inputs.push((input.name.as_str(), array.on(&device).map_err(say)?));
        }
        println!("loaded in {:.2?}", begin.elapsed());
        let begin = Instant::now();
        let outputs = model.run(&inputs).map_err(|error| match &error {
            Error::Input { name, why } => {
                let file = files.iter().find(|(own, _)| own.name == *name);
                let file = file.map_or(String::new(), |(_, file)| format!("{file}: "));
                format!("input `{name}`: {file}{why}")
            }
            _ => error.to_string(),
        })?;
        let arrays = on_host(&outputs)?;
        println!("first run in {:.2?}{compilation}", begin.elapsed());
        print_memory(model.memory());
        for (name, array) in &arrays {
            print!("{}", summary(name, array));
        }
        match &self.output {
            Some(folder) => write(folder, &arrays),
            None => Ok(true),
        }
    }

    /// Returns the device. Kernels of operators are checked when they are made, so that the simulated one checks them again only
    /// if it is asked to.
    fn device(&self) -> Result<Device, String> {
        let device = device(&self.device)?;
        match (device.is_sim(), self.checks) {
            (true, true) | (false, false) => Ok(device),
            (true, false) => Ok(Device::sim_with(Options::fast())),
            (false, true) => Err(format!(
                "--checks: only the simulated device checks kernels as they run, but the device is {device}; add --device sim"
            )),
        }
    }

    /// Returns each input that is given, and its file, or an error that lists those which are missing.
    fn files<'a>(&'a self, wanted: &'a [Wanted]) -> Result<Vec<(&'a Wanted, &'a str)>, String> {
        let mut files: Vec<(&Wanted, &str)> = Vec::new();
        for text in &self.inputs {
            for (name, file) in given(text, wanted)? {
                if files.iter().any(|(own, _)| own.name == name) {
                    return Err(format!("input `{name}` is given twice"));
                }
                files.extend(wanted.iter().find(|own| own.name == name).map(|own| (own, file)));
            }
        }
        let is_missing = |input: &&Wanted| input.required && files.iter().all(|(own, _)| own.name != input.name);
        let missing: Vec<&Wanted> = wanted.iter().filter(is_missing).collect();
        match missing.as_slice() {
            [] => Ok(files),
            missing => Err(format!(
                "the model needs inputs that are not given:{}\ngive each by --input NAME=FILE, of .npy, .safetensors, .png, .jpg, .wav or .txt",
                list(missing.iter().copied())
            )),
        }
    }
}

/// Returns the names of inputs that are given, and the file of each: of one as [`named`], of several if a file without a name has
/// tensors with the names of inputs.
fn given<'a>(text: &'a str, wanted: &'a [Wanted]) -> Result<Vec<(&'a str, &'a str)>, String> {
    let several = if text.contains('=') { None } else { input::names(text).map_err(|why| format!("{text}: {why}"))? };
    let Some(names) = several else { return Ok(vec![named(text, "--input", "FILE", wanted)?]) };
    let own = |name: &String| match wanted.iter().find(|input| input.name == *name) {
        Some(input) => Ok((input.name.as_str(), text)),
        None => Err(format!("{text}: {}", unknown(name, wanted))),
    };
    names.iter().map(own).collect()
}

/// Says that the model has no such input, and which it has.
fn unknown(name: &str, wanted: &[Wanted]) -> String {
    let hint = near::hint(name, wanted.iter().map(|input| input.name.as_str()));
    format!("the model has no input `{name}`{hint}\nit has{}", list(wanted))
}

/// Returns the name of an input and what is given for it: `NAME=WHAT`, or `WHAT` for the only input.
pub(super) fn named<'a>(
    text: &'a str,
    option: &str,
    what: &str,
    wanted: &'a [Wanted],
) -> Result<(&'a str, &'a str), String> {
    let after = |input: &'a Wanted| Some((input.name.as_str(), text.strip_prefix(&input.name)?.strip_prefix('=')?));
    if let Some(found) = wanted.iter().find_map(after) {
        return Ok(found);
    }
    let required: Vec<&Wanted> = wanted.iter().filter(|input| input.required).collect();
    match (text.split_once('='), required.as_slice()) {
        (None, [input]) => Ok((&input.name, text)),
        (None, _) => {
            let example = if what == "FILE" { text } else { what };
            Err(format!("{option} {text}: it has no name; write NAME={example}, where NAME is of{}", list(wanted)))
        }
        (Some((name, _)), _) => Err(unknown(name, wanted)),
    }
}

/// Returns lines of names and types.
pub(super) fn list<'a>(inputs: impl IntoIterator<Item = &'a Wanted>) -> String {
    inputs.into_iter().map(|input| format!("\n  {}: {}", input.name, input.ty)).collect()
}

fn on_host(outputs: &[(String, Tensor)]) -> Result<Vec<(&str, Array)>, String> {
    let copy = |(name, tensor): &'_ (String, Tensor)| Array::of(tensor).map_err(|error| format!("`{name}`: {error}"));
    outputs.iter().map(|output| Ok((output.0.as_str(), copy(output)?))).collect()
}

/// Returns the type of an output, its first elements, and where the largest of its first rows are.
fn summary(name: &str, array: &Array) -> String {
    let numbers = array.floats();
    let write = |number: &f64| match number.abs() {
        _ if !array.dtype().is_float() => format!("{number}"),
        size if size < 1e5 && number.fract() == 0.0 => format!("{number}"),
        1e-3..1e5 => format!("{number:.4}"),
        _ => format!("{number:.3e}"),
    };
    let more = |count: usize| if count > SHOWN { " .." } else { "" };
    let first: Vec<String> = numbers.iter().take(SHOWN).map(write).collect();
    let mut text = format!("{name}: {}\n  {}{}\n", array.ty(), first.join(" "), more(numbers.len()));
    let columns = match array.shape() {
        [columns] | [_, columns] if array.dtype().is_float() && *columns > 1 => *columns,
        _ => return text,
    };
    // Of equal ones the first.
    let largest = |row: &[f64]| {
        let mut places: Vec<usize> = (0..row.len()).filter(|at| !row[*at].is_nan()).collect();
        places.sort_by(|a, b| row[*b].total_cmp(&row[*a]));
        places
    };
    let first = |row: &[f64]| largest(row).first().copied().unwrap_or(0).to_string();
    let rows: Vec<String> = numbers.chunks(columns).take(SHOWN).map(first).collect();
    if numbers.len() == columns && columns > BEST {
        let best = largest(&numbers).into_iter().take(BEST).map(|at| format!("{at} ({})", write(&numbers[at])));
        text += &format!("  largest at: {}\n", best.collect::<Vec<String>>().join(", "));
    } else if !rows.is_empty() {
        text += &format!("  largest of each row at: {}{}\n", rows.join(" "), more(numbers.len() / columns));
    }
    text
}

/// Writes outputs to a folder.
fn write(folder: &Path, outputs: &[(&str, Array)]) -> Outcome {
    let names: Vec<&str> = outputs.iter().map(|(name, _)| *name).collect();
    for (file, (_, array)) in file_names(&names).iter().zip(outputs) {
        let path = folder.join(file);
        std::fs::write(&path, array.to_npy()).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(true)
}

/// Returns names of files, all different, in which what is unsafe in names of files is `_`.
fn file_names(names: &[&str]) -> Vec<String> {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let mut files: Vec<String> = Vec::new();
    for name in names {
        let safe: String = name.chars().take(60).map(plain).collect();
        // No file is hidden, or a folder.
        let safe = if safe.starts_with('.') || safe.is_empty() { format!("_{safe}") } else { safe };
        let mut file = format!("{safe}.npy");
        let mut number = 1;
        while files.iter().any(|own| own.to_lowercase() == file.to_lowercase()) {
            number += 1;
            file = format!("{safe}_{number}.npy");
        }
        files.push(file);
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::types::Scalar;
    use hidet_ops::TensorType;

    #[test]
    fn names_of_files_are_safe_and_different() {
        let names = file_names(&["y", "Y", "a/b:0", "a_b_0", "..", "", "größe", "../../etc/x"]);
        let wanted =
            ["y.npy", "Y_2.npy", "a_b_0.npy", "a_b_0_2.npy", "_...npy", "_.npy", "größe.npy", "_.._.._etc_x.npy"];
        assert_eq!(names, wanted);
    }

    #[test]
    fn a_summary_is_short() {
        let floats: Vec<u8> = (0..24).flat_map(|i| (i as f32 * 0.1).to_le_bytes()).collect();
        let text =
            |shape: &[usize]| summary("y", &Array::new(TensorType::new(Scalar::F32, shape), floats.clone()).unwrap());
        let first = "0 0.1000 0.2000 0.3000 0.4000 0.5000 0.6000 0.7000 0.8000 0.9000 ..";
        assert_eq!(text(&[2, 12]), format!("y: f32[2, 12]\n  {first}\n  largest of each row at: 11 11\n"));
        assert!(text(&[12, 2]).ends_with("  largest of each row at: 1 1 1 1 1 1 1 1 1 1 ..\n"));
        assert_eq!(text(&[2, 3, 4]), format!("y: f32[2, 3, 4]\n  {first}\n"));
        let one = |dtype, bytes: &[u8]| summary("y", &Array::new(TensorType::new(dtype, &[]), bytes.to_vec()).unwrap());
        assert_eq!(one(Scalar::F64, &1e-7f64.to_le_bytes()), "y: f64[]\n  1.000e-7\n");
        assert_eq!(one(Scalar::F32, &f32::MAX.to_le_bytes()), "y: f32[]\n  3.403e38\n");
        assert_eq!(one(Scalar::F32, &f32::NAN.to_le_bytes()), "y: f32[]\n  NaN\n");
        assert_eq!(one(Scalar::I32, &(-7i32).to_le_bytes()), "y: i32[]\n  -7\n");
        let empty = Array::new(TensorType::new(Scalar::F32, &[0, 10]), vec![]).unwrap();
        assert_eq!(summary("y", &empty), "y: f32[0, 10]\n  \n");
    }
}
