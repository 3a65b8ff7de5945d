//! `hidet compile`: a model of ONNX as one file of kernels, for inputs of some types, which runs without compiling anything.

use super::run::{load, named, print_memory, wanted};
use super::{Outcome, cache, device, say};
use clap::Args;
use hidet::device::{Device, RawTensor, Storage};
use hidet::types::Scalar;
use hidet_onnx::{Arithmetic, Declared, Dim, Extent, Model};
use hidet_ops::{Tensor, TensorType};
use std::path::PathBuf;
use std::time::Instant;

/// The model, the types of its inputs, and the file that is written.
#[derive(Args)]
pub struct Compile {
    /// The model, a file of ONNX.
    model: PathBuf,
    /// The type of an input, such as images=f32[1,64]. The name may be left out if the model has one input, and all of it if
    /// the model says the type.
    #[arg(long = "input-type", value_name = "NAME=TYPE")]
    inputs: Vec<String>,
    /// The sizes of an extent that the model names, such as batch=1..16, a range of rows, or tokens=16,32,64, a list. The file then
    /// runs for all of them. A range is refused if results of a row may depend on other rows.
    #[arg(long = "extent", value_name = "NAME=SIZES", conflicts_with = "inputs")]
    extents: Vec<String>,
    /// In which floats: f32 (as the model says), tf32x3, tf32, f16, bf16.
    #[arg(long, default_value_t)]
    arithmetic: Arithmetic,
    /// The file to write, which `hidet run` runs on devices of the same architecture.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The device: sim, cuda or cuda:1; best is a GPU if there is one, else sim.
    #[arg(long, default_value = "best")]
    device: String,
}

impl Compile {
    /// Runs the model for inputs of zeros, and writes what ran.
    pub fn run(&self) -> Outcome {
        let begin = Instant::now();
        let model = load(&self.model)?;
        let extents = self.extents.iter().map(|text| extent(text)).collect::<Result<Vec<Extent>, String>>()?;
        let types = if extents.is_empty() { self.types(&model)? } else { Vec::new() };
        let device = device(&self.device)?;
        println!("device: {device}");
        let mut session = model.on_by(&device, self.arithmetic).map_err(say)?;
        if extents.is_empty() {
            let mut inputs = Vec::new();
            for (name, ty) in types {
                inputs.push((name, zeros(&ty, &device).map_err(|error| format!("input `{name}`: {error}"))?));
            }
            session.run(&inputs).map_err(say)?;
        } else {
            session = session.with_extents(&extents).map_err(say)?;
        }
        session.save(&self.output).map_err(say)?;
        let size = std::fs::metadata(&self.output).map_err(say)?.len();
        println!("compiled in {:.2?}", begin.elapsed());
        for extent in session.extents() {
            println!("{} from {extent}, in buckets of {}", extent.name(), listed(extent.buckets()));
        }
        print_memory(session.memory());
        println!("wrote {}: {}", self.output.display(), cache::size(size));
        Ok(true)
    }

    /// Returns the types of the inputs.
    fn types<'a>(&self, model: &'a Model) -> Result<Vec<(&'a str, TensorType)>, String> {
        let (all, mut types) = (wanted(model), Vec::<(&str, TensorType)>::new());
        for text in &self.inputs {
            let (name, ty) = named(text, "--input-type", "TYPE", &all)?;
            let Some(input) = model.inputs().iter().find(|input| input.name == name) else { continue };
            let ty = parsed(ty).ok_or_else(|| {
                format!("--input-type {text}: `{ty}` is not a type of a tensor; write it as f32[1,64]")
            })?;
            if types.iter().any(|(own, _)| *own == name) {
                return Err(format!("the type of input `{name}` is given twice"));
            }
            types.push((&input.name, ty));
        }
        for input in model.required() {
            if types.iter().all(|(name, _)| *name != input.name) {
                let ty = declared(input).ok_or_else(|| {
                    format!(
                        "the model does not say the type of an input in whole:\n  {}: {input}\ngive it by --input-type \
                         {}=TYPE, such as f32[1,64], or sizes of extents that have a name by --extent NAME=1..16",
                        input.name, input.name
                    )
                })?;
                types.push((&input.name, ty));
            }
        }
        Ok(types)
    }
}

/// Returns the extent that is written as `batch=1..16`, or `batch=1,2,4`.
fn extent(text: &str) -> Result<Extent, String> {
    let refused = || format!("--extent {text}: write it as NAME=1..16, for a range of sizes, or as NAME=1,2,4");
    let (name, sizes) = text.split_once('=').ok_or_else(refused)?;
    let number = |text: &str| text.trim().parse::<usize>().map_err(|_| refused());
    if let Some((least, most)) = sizes.split_once("..") {
        return Ok(Extent::rows(name.trim(), number(least)?..=number(most)?));
    }
    Ok(Extent::exactly(name.trim(), sizes.split(',').map(number).collect::<Result<Vec<usize>, String>>()?))
}

fn listed(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<String>>().join(", ")
}

/// Returns a tensor of zeros.
fn zeros(ty: &TensorType, device: &Device) -> hidet::Result<Tensor> {
    let bytes = ty.shape.iter().try_fold(ty.dtype.bytes(), |bytes, extent| bytes.checked_mul(*extent));
    // More than any memory has, if there is no such number.
    let storage = Storage::zeros(device, bytes.unwrap_or(usize::MAX))?;
    Ok(Tensor::from(RawTensor::new(device, storage, 0, ty.dtype, &ty.shape)?))
}

/// Returns the type that is written as `f32[2, 3]`.
fn parsed(text: &str) -> Option<TensorType> {
    let (dtype, shape) = text.trim().strip_suffix(']')?.split_once('[')?;
    let extents = shape.split(',').map(str::trim).filter(|_| !shape.trim().is_empty());
    let shape = extents.map(|extent| extent.parse().ok()).collect::<Option<Vec<usize>>>()?;
    Some(TensorType::new(Scalar::from_name(dtype)?, &shape))
}

/// Returns the type of an input, if the model says all of it.
fn declared(input: &Declared) -> Option<TensorType> {
    let known = |dim: &Dim| if let Dim::Known(extent) = dim { Some(*extent) } else { None };
    let shape = input.shape.as_ref()?.iter().map(known).collect::<Option<Vec<usize>>>()?;
    Some(TensorType::new(input.dtype?, &shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_ranges_or_lists() {
        assert_eq!(extent("batch=1..16"), Ok(Extent::rows("batch", 1..=16)));
        assert_eq!(extent("batch = 4, 1"), Ok(Extent::exactly("batch", [1, 4])));
        for wrong in ["batch", "batch=", "batch=1..", "batch=a", "batch=1,,2", "batch=-1"] {
            assert!(extent(wrong).is_err_and(|why| why.contains("NAME=1..16")), "{wrong}");
        }
    }

    #[test]
    fn types_are_read_as_they_are_written() {
        for ty in [TensorType::new(Scalar::F32, &[1, 64]), TensorType::new(Scalar::I64, &[])] {
            assert_eq!(parsed(&ty.to_string()), Some(ty));
        }
        assert_eq!(parsed("bf16[2,3,4]"), Some(TensorType::new(Scalar::BF16, &[2, 3, 4])));
        for wrong in ["", "f32", "f32[", "f32[1,]", "f32[-1]", "x[1]", "f32[1]x", "f32[99999999999999999999]"] {
            assert_eq!(parsed(wrong), None, "{wrong}");
        }
    }
}
