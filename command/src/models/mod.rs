//! Models of ONNX measured on a GPU: whole, beside other programs ([`bench`]), and kernel by kernel ([`profile`], drawn by
//! [`timeline`]); and looked at: as text ([`show`]) and as a picture ([`picture`], whose blocks [`layers`] places).

pub mod bench;
mod layers;
mod legend;
mod picture;
pub mod profile;
pub mod show;
mod timeline;

use crate::bench::problem::say;
use crate::command::run;
use crate::near;
use hidet::prelude::*;
use hidet::types::Scalar;
use hidet_onnx::{Arithmetic, Array, Declared, Dim, Model, Session};
use hidet_ops::{Replay, Tensor, TensorLaunch, TensorType};
use std::collections::HashMap;
use std::path::Path;

/// A model on a device, and inputs for it.
pub struct Prepared {
    session: Session,
    inputs: Vec<(String, Tensor)>,
}

/// Reads a model, and makes inputs: random numbers, and small integers. Extents that the model leaves open are those of `dims`
/// (`NAME=NUMBER`, of one without a name `INPUT.AXIS=NUMBER`), else 1.
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
    prepare_model(&run::load(path)?, device, arithmetic, dims, given)
}

/// The same of a model that was read.
fn prepare_model<'a>(
    model: &Model,
    device: &Device,
    arithmetic: Arithmetic,
    dims: &[String],
    given: impl Fn(&str) -> Option<&'a Array>,
) -> Result<Prepared, String> {
    let dims = extents(model, dims)?;
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
    fn launches(&self) -> Result<Vec<TensorLaunch>, String> {
        let outputs = self.session.lazy(&self.inputs()).map_err(say)?;
        let tensors: Vec<&Tensor> = outputs.iter().map(|(_, tensor)| tensor).collect();
        Tensor::launches(&tensors).map_err(say)
    }
}

/// Returns the name by which an extent of an input is given, if the model leaves it open: its own, or `INPUT.AXIS`.
fn open_name(input: &str, axis: usize, dim: &Dim) -> Option<String> {
    match dim {
        Dim::Known(_) => None,
        Dim::Named(name) => Some(name.clone()),
        Dim::Any => Some(format!("{input}.{axis}")),
    }
}

/// Returns the names of the extents that a model leaves open.
fn open_names(model: &Model) -> Vec<String> {
    let of = |input: &Declared| {
        let dims = input.shape.iter().flatten().enumerate();
        dims.filter_map(|(axis, dim)| open_name(&input.name, axis, dim)).collect::<Vec<String>>()
    };
    let mut names: Vec<String> = model.inputs().iter().flat_map(of).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Reads `NAME=NUMBER`.
fn extents(model: &Model, texts: &[String]) -> Result<HashMap<String, usize>, String> {
    let names = open_names(model);
    let mut extents = HashMap::new();
    for text in texts {
        let (name, number) = text.rsplit_once('=').ok_or_else(|| format!("--dim {text}: write NAME=NUMBER"))?;
        let number: usize = number.parse().map_err(|_| format!("--dim {text}: `{number}` is not an extent"))?;
        if !names.iter().any(|own| own == name) {
            let hint = near::hint(name, names.iter().map(String::as_str));
            return Err(format!("--dim {text}: the model has no such extent{hint}; it has {names:?}"));
        }
        extents.insert(name.to_owned(), number);
    }
    Ok(extents)
}

/// Makes an input.
fn random(declared: &Declared, dims: &HashMap<String, usize>) -> Result<Array, String> {
    let (Some(dtype), Some(shape)) = (declared.dtype, &declared.shape) else {
        return Err(format!("the model does not say of what type the input `{}` is", declared.name));
    };
    let extent = |(axis, dim): (usize, &Dim)| match dim {
        Dim::Known(extent) => *extent,
        open => open_name(&declared.name, axis, open).and_then(|name| dims.get(&name).copied()).unwrap_or(1),
    };
    let shape: Vec<usize> = shape.iter().enumerate().map(extent).collect();
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
