//! [`Weights`]: where a model has its numbers from, by name and shape: drawn from a seed, or [given](crate::Given).
//!
//! Numbers are `f32` on the host, because models change them before they reach a device: normalisations are folded into
//! convolutions, matrices are joined and transposed.

use crate::error::Result;

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
