//! Inputs that look random: images and tokens.

use crate::error::Result;
use crate::load::{placed, stored};
use crate::weights::Numbers;
use hidet::device::Device;
use hidet::types::Scalar;
use hidet_ops::Tensor;

/// Returns `batch` images with 3 channels, `[batch, 3, extent, extent]`, of numbers with the mean 0 and the deviation 1,
/// as images are after they are normalised. `dtype` is `f32`, `f16` or `bf16`.
///
/// # Errors
///
/// If it is another one, or memory is missing.
pub fn images(device: &Device, dtype: Scalar, batch: usize, extent: usize, seed: u64) -> Result<Tensor> {
    let shape = [batch, 3, extent, extent];
    let mut numbers = Numbers(seed);
    let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| numbers.next() * 3f32.sqrt()).collect();
    stored(device, dtype, &numbers, &shape)
}

/// Returns `batch` sequences of tokens less than `vocabulary`, `i64[batch, tokens]`.
///
/// # Errors
///
/// If memory is missing.
pub fn tokens(device: &Device, batch: usize, tokens: usize, vocabulary: usize, seed: u64) -> Result<Tensor> {
    let mut numbers = Numbers(seed);
    let ids: Vec<i64> = (0..batch * tokens).map(|_| (numbers.bits() % vocabulary.max(1) as u64) as i64).collect();
    placed(device, &ids, &[batch, tokens])
}
