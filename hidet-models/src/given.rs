//! [`Given`]: weights that are there, as tensors or in a file, by name.
//!
//! A file has the names of who wrote it. A model's `load` says by which function they become its own, and which of them belong to what
//! it does not compute, such as training or other tasks. Any other weight that it does not take is an error: of a file with
//! more layers than the configuration the first ones would be another model.

use crate::error::{Error, Result};
use crate::weights::{Draw, Weights};
use hidet::ir::eval;
use hidet::types::Scalar;
use hidet_ops::{Tensor, TensorType, file, safetensors};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The most names in a message.
const MOST_NAMES: usize = 4;

/// Weights that are given, as PyTorch's `state_dict` has them.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// By the names for which models ask.
    weights: BTreeMap<String, Weight>,
}

/// A weight.
#[derive(Clone, Debug)]
struct Weight {
    /// Its name where it is from.
    own: String,
    elements: Elements,
    /// If a model has taken it.
    used: bool,
}

/// Where the elements of a weight are.
#[derive(Clone, Debug)]
enum Elements {
    Tensor(Tensor),
    /// A part of the bytes of a file.
    File(Arc<Vec<u8>>, TensorType, Range<usize>),
}

impl Elements {
    fn ty(&self) -> &TensorType {
        match self {
            Elements::Tensor(tensor) => tensor.ty(),
            Elements::File(_, ty, _) => ty,
        }
    }

    /// Returns the elements, each rounded once.
    fn numbers(&self) -> Result<Vec<f32>> {
        match self {
            Elements::Tensor(tensor) => Ok(tensor.elements()?.into_iter().map(|element| element as f32).collect()),
            Elements::File(file, ty, place) => Ok(numbers(ty.dtype, &file[place.clone()])),
        }
    }
}

/// Returns elements of a type, little-endian, as `f32`.
fn numbers(dtype: Scalar, bytes: &[u8]) -> Vec<f32> {
    let bits = |element: &[u8]| element.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    bytes.chunks_exact(dtype.bytes()).map(|element| eval::to_f64(dtype, bits(element)) as f32).collect()
}

impl Given {
    /// Returns weights by name; their elements may be floats of any type, and are converted to `f32`.
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Given {
        Given::of(tensors.into_iter().map(|(name, tensor)| (name, Elements::Tensor(tensor))))
    }

    /// Returns the weights of a `.safetensors` file, by the names that it has for them.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is cut off or damaged.
    pub fn open(path: impl AsRef<Path>) -> Result<Given> {
        let path = path.as_ref();
        let failed = |why: String| Error::File { path: path.to_owned(), why };
        let bytes = file::read(path).map_err(|error| failed(error.to_string()))?;
        let entries = safetensors::read(&bytes).map_err(failed)?;
        let bytes = Arc::new(bytes);
        Ok(Given::of(entries.into_iter().map(|own| (own.name, Elements::File(bytes.clone(), own.ty, own.place)))))
    }

    fn of(weights: impl Iterator<Item = (String, Elements)>) -> Given {
        let weight = |(name, elements): (String, Elements)| (name.clone(), Weight { own: name, elements, used: false });
        Given { weights: weights.map(weight).collect() }
    }

    /// Returns the weights by other names, each by the one that a function makes of its own; without those for which it makes no
    /// name.
    ///
    /// # Errors
    ///
    /// If the names of two weights become the same.
    pub fn named(self, name: impl Fn(&str) -> Option<String>) -> Result<Given> {
        let mut weights = BTreeMap::new();
        for (old, weight) in self.weights {
            let Some(new) = name(&old) else { continue };
            match weights.entry(new) {
                Entry::Vacant(entry) => drop(entry.insert(weight)),
                Entry::Occupied(entry) => {
                    let other: &Weight = entry.get();
                    let why = format!("it is given twice, as `{}` and as `{}`", other.own, weight.own);
                    return Err(Error::Weight { name: entry.key().clone(), why });
                }
            }
        }
        Ok(Given { weights })
    }

    /// Returns true if there is a weight with this name.
    pub fn has(&self, name: &str) -> bool {
        self.weights.contains_key(name)
    }

    /// Returns the names, where they are from, of the weights that no model has taken.
    pub fn unused(&self) -> Vec<&str> {
        self.weights.values().filter(|weight| !weight.used).map(|weight| weight.own.as_str()).collect()
    }

    /// Returns what to say of a name that is not there: others end like it if a prefix is missing or too much.
    fn missing(&self, name: &str) -> String {
        let ends = |other: &&str| {
            let (long, short) = if other.len() > name.len() { (*other, name) } else { (name, *other) };
            long.strip_suffix(short).is_some_and(|front| front.ends_with('.'))
        };
        match self.weights.values().map(|weight| weight.own.as_str()).find(ends) {
            Some(other) => format!("it is not among the {} given ones; there is `{other}`", self.weights.len()),
            None => format!("it is not among the {} given ones", self.weights.len()),
        }
    }
}

impl Weights for Given {
    fn tensor(&mut self, name: &str, shape: &[usize], _: Draw) -> Result<Vec<f32>> {
        let wrong = |why: String| Error::Weight { name: name.to_owned(), why };
        let Some(weight) = self.weights.get_mut(name) else { return Err(wrong(self.missing(name))) };
        let ty = weight.elements.ty();
        if ty.shape != shape {
            return Err(wrong(format!("it is {ty}, but the model needs {shape:?}")));
        }
        // Integers would be quantised: what they mean is elsewhere.
        if !ty.dtype.is_float() {
            return Err(wrong(format!("it is {ty}, but the model needs floats")));
        }
        weight.used = true;
        weight.elements.numbers()
    }
}

/// Makes a model of the weights of a `.safetensors` file, all of which it must take, by the names that a function makes of those of the
/// file.
pub(crate) fn load<M>(
    path: &Path,
    name: impl Fn(&str) -> Option<String>,
    make: impl FnOnce(&mut Given) -> Result<M>,
) -> Result<M> {
    let mut given = Given::open(path)?.named(name)?;
    let model = make(&mut given)?;
    match given.unused().as_slice() {
        [] => Ok(model),
        unused => {
            let names: Vec<String> = unused.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
            let more = match unused.len() - names.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let why = format!("the model of this configuration does not take {}{more}", names.join(", "));
            Err(Error::File { path: path.to_owned(), why })
        }
    }
}
