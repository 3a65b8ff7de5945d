//! Models of ONNX measured on a GPU: whole, beside other programs ([`bench`]), and kernel by kernel ([`profile`]).

pub mod bench;
pub mod profile;

use crate::bench::problem::say;
use crate::command::run;
use crate::near;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_onnx::{Arithmetic, Array, Declared, Dim, Model, Session};
use hidet_ops::{Replay, Tensor, TensorType};
use std::collections::HashMap;
use std::path::Path;

/// A model on a device, and inputs for it.
pub struct Prepared {
    session: Session,
    inputs: Vec<(String, Tensor)>,
}

/// Reads a model, and makes inputs: random numbers, and small integers. Extents that the model leaves open are those of `dims`
/// (`NAME=NUMBER`), else 1.
pub fn prepare(path: &Path, device: &Device, arithmetic: Arithmetic, dims: &[String]) -> Result<Prepared, String> {
    prepare_of(path, device, arithmetic, dims, |_| None)
}

/// The same; inputs for which there are arrays are not random.
pub fn prepare_of<'a>(
    path: &Path,
    device: &Device,
    arithmetic: Arithmetic,
    dims: &[String],
    given: impl Fn(&str) -> Option<&'a Array>,
) -> Result<Prepared, String> {
    let model = run::load(path)?;
    let dims = extents(&model, dims)?;
    let mut inputs = Vec::new();
    for declared in model.required() {
        let array = match given(&declared.name) {
            Some(array) => array.clone(),
            None => random(declared, &dims)?,
        };
        inputs.push((declared.name.clone(), array.on(device).map_err(say)?));
    }
    Ok(Prepared { session: model.on_by(device, arithmetic).map_err(say)?, inputs })
}

impl Prepared {
    fn inputs(&self) -> Vec<(&str, Tensor)> {
        self.inputs.iter().map(|(name, tensor)| (name.as_str(), tensor.clone())).collect()
    }

    /// Returns the launches of a run, which ran once, and the names of its outputs.
    pub fn replay(&self) -> Result<(Replay, Vec<String>), String> {
        let inputs: Vec<&Tensor> = self.inputs.iter().map(|(_, tensor)| tensor).collect();
        let outputs = self.session.lazy(&self.inputs()).map_err(say)?;
        let (names, outputs): (Vec<String>, Vec<Tensor>) = outputs.into_iter().unzip();
        let replay = Replay::of(&inputs, &outputs.iter().collect::<Vec<&Tensor>>()).map_err(say)?;
        Ok((replay, names))
    }

    /// Returns the launches of a run, after they ran once.
    fn launches(&self) -> Result<Vec<hidet::kernel::PreparedLaunch>, String> {
        let outputs = self.session.lazy(&self.inputs()).map_err(say)?;
        let tensors: Vec<&Tensor> = outputs.iter().map(|(_, tensor)| tensor).collect();
        Ok(Tensor::prepare_all(&tensors).map_err(say)?.1)
    }
}

/// Reads `NAME=NUMBER`.
fn extents<'a>(model: &'a Model, texts: &[String]) -> Result<HashMap<&'a str, usize>, String> {
    let shapes = model.inputs().iter().filter_map(|input| input.shape.as_ref());
    let mut names: Vec<&str> = shapes
        .flatten()
        .filter_map(|dim| match dim {
            Dim::Named(name) => Some(name.as_str()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut extents = HashMap::new();
    for text in texts {
        let (name, number) = text.split_once('=').ok_or_else(|| format!("--dim {text}: write NAME=NUMBER"))?;
        let number: usize = number.parse().map_err(|_| format!("--dim {text}: `{number}` is not an extent"))?;
        let Some(own) = names.iter().find(|own| **own == name) else {
            let hint = near::hint(name, names.iter().copied());
            return Err(format!("--dim {text}: the model has no such extent{hint}; it has {names:?}"));
        };
        extents.insert(*own, number);
    }
    Ok(extents)
}

/// Makes an input.
fn random(declared: &Declared, dims: &HashMap<&str, usize>) -> Result<Array, String> {
    let (Some(dtype), Some(shape)) = (declared.dtype, &declared.shape) else {
        return Err(format!("the model does not say of what type the input `{}` is", declared.name));
    };
    let extent = |dim: &Dim| match dim {
        Dim::Known(extent) => *extent,
        Dim::Named(name) => dims.get(name.as_str()).copied().unwrap_or(1),
        Dim::Any => 1,
    };
    let shape: Vec<usize> = shape.iter().map(extent).collect();
    let count: usize = shape.iter().product();
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut bytes = Vec::new();
    for _ in 0..count {
        let number = next();
        match dtype {
            Scalar::F32 => bytes.extend_from_slice(&(number as f32 / u32::MAX as f32 * 2.0 - 1.0).to_le_bytes()),
            Scalar::I64 => bytes.extend_from_slice(&i64::from(number % 1000).to_le_bytes()),
            Scalar::I32 => bytes.extend_from_slice(&((number % 1000) as i32).to_le_bytes()),
            other => bytes.resize(bytes.len() + other.bytes(), u8::from(other == Scalar::Bool)),
        }
    }
    Array::new(TensorType::new(dtype, &shape), bytes).ok_or_else(|| format!("`{}` is too large", declared.name))
}
