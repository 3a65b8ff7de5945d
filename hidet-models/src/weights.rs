//! [`Weights`]: where a model has its numbers from, by name and shape: drawn from a seed, or given.
//!
//! Numbers are `f32` on the host, because models change them before they reach a device: normalisations are folded into
//! convolutions, matrices are joined and transposed.

use crate::error::{Error, Result};
use hidet_ops::Tensor;
use std::collections::BTreeMap;

/// How the elements of a weight are distributed if they are drawn; given ones are what they are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Draw {
    /// The mean.
    pub mean: f32,
    /// The standard deviation.
    pub deviation: f32,
}

impl Draw {
    /// Returns the distribution around 0 with which sums of `terms` products of inputs of order 1 have this deviation.
    pub fn of_sums(terms: usize, deviation: f32) -> Draw {
        Draw { mean: 0.0, deviation: deviation / (terms.max(1) as f32).sqrt() }
    }

    /// Returns the distribution around a mean.
    pub fn near(mean: f32, deviation: f32) -> Draw {
        Draw { mean, deviation }
    }
}

/// The weights of a model, by the names that PyTorch gives them: `layer1.0.conv1.weight`.
pub trait Weights {
    /// Returns the elements of a weight with these extents, in row-major order.
    ///
    /// # Errors
    ///
    /// If there is no such weight, or it has another shape.
    fn tensor(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Vec<f32>>;
}

/// Weights that are drawn: uniform numbers with the mean and the deviation that the model asks for, so that what is between
/// its layers stays of order 1. A weight depends on the seed and its name alone.
#[derive(Clone, Copy, Debug)]
pub struct Random {
    /// Other seeds draw other weights.
    pub seed: u64,
}

impl Weights for Random {
    fn tensor(&mut self, name: &str, shape: &[usize], draw: Draw) -> Result<Vec<f32>> {
        // FNV-1a.
        let own = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut numbers = Numbers(own ^ self.seed);
        let half = draw.deviation * 3f32.sqrt();
        Ok((0..shape.iter().product()).map(|_| draw.mean + half * numbers.next()).collect())
    }
}

/// A generator of numbers (SplitMix64).
pub(crate) struct Numbers(pub u64);

impl Numbers {
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number from -1 to 1.
    pub(crate) fn next(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

/// Weights that are given, as PyTorch's `state_dict` has them.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// The tensors by name, and whether a model has taken them.
    tensors: BTreeMap<String, (Tensor, bool)>,
}

impl Given {
    /// Returns weights by name; their elements may be of any type, and are converted to `f32`.
    pub fn new(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Given {
        Given { tensors: tensors.into_iter().map(|(name, tensor)| (name, (tensor, false))).collect() }
    }

    /// Returns the names of the weights that no model has taken, in alphabetical order.
    pub fn unused(&self) -> Vec<&str> {
        self.tensors.iter().filter(|(_, (_, used))| !used).map(|(name, _)| name.as_str()).collect()
    }

    /// Returns what to say of a name that is not there: others end like it if a prefix is missing or too much.
    fn missing(&self, name: &str) -> String {
        let ends = |other: &&String| {
            let (long, short) = if other.len() > name.len() { (other.as_str(), name) } else { (name, other.as_str()) };
            long.strip_suffix(short).is_some_and(|front| front.ends_with('.'))
        };
        match self.tensors.keys().find(ends) {
            Some(other) => format!("it is not among the {} given ones; there is `{other}`", self.tensors.len()),
            None => format!("it is not among the {} given ones", self.tensors.len()),
        }
    }
}

impl Weights for Given {
    fn tensor(&mut self, name: &str, shape: &[usize], _: Draw) -> Result<Vec<f32>> {
        let wrong = |why: String| Error::Weight { name: name.to_owned(), why };
        let Some((tensor, used)) = self.tensors.get_mut(name) else { return Err(wrong(self.missing(name))) };
        if tensor.shape() != shape {
            return Err(wrong(format!("it is {}, but the model needs {shape:?}", tensor.ty())));
        }
        *used = true;
        Ok(tensor.elements()?.into_iter().map(|element| element as f32).collect())
    }
}
