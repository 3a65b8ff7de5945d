//! [`Inputs`]: random inputs of a case.

use crate::error::Result;
use crate::tensor::Tensor;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::eval;
use hidet::types::{Number, Scalar};

/// Draws the inputs of a case from a seed: shapes that are awkward, small numbers, and tensors that are in memory, computed
/// by other operators, or permuted.
pub struct Inputs {
    device: Device,
    dtype: Scalar,
    random: u64,
    drawn: Vec<String>,
}

/// Extents: nothing, one, primes, and what vectors and tiles divide or do not.
const EXTENTS: [usize; 11] = [1, 2, 3, 5, 7, 8, 16, 17, 31, 33, 64];

impl Inputs {
    /// Returns inputs on a device of elements of a type.
    pub fn new(device: &Device, dtype: Scalar, seed: u64) -> Inputs {
        Inputs { device: device.clone(), dtype, random: seed, drawn: Vec::new() }
    }

    /// Returns a number less than `end` (SplitMix64).
    pub fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end.max(1) as u64) as usize
    }

    /// Returns an awkward extent, not 0.
    pub fn extent(&mut self) -> usize {
        EXTENTS[self.below(EXTENTS.len())]
    }

    /// Returns an awkward shape of 0 to 4 axes and at most some thousand elements; a few have no elements.
    pub fn shape(&mut self) -> Vec<usize> {
        let rank = self.below(5);
        self.shape_of(rank)
    }

    /// Returns an awkward shape with this number of axes.
    pub fn shape_of(&mut self, rank: usize) -> Vec<usize> {
        let mut shape: Vec<usize> = (0..rank).map(|_| self.extent()).collect();
        while shape.iter().product::<usize>() > 3000 {
            let at = self.below(rank);
            shape[at] = shape[at].div_ceil(2);
        }
        if rank > 0 && self.below(16) == 0 {
            let at = self.below(rank);
            shape[at] = 0;
        }
        shape
    }

    /// Returns the type of the elements.
    pub fn dtype(&self) -> Scalar {
        self.dtype
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns a tensor of an awkward shape with numbers from -2 to 2, or 0 to 4 of unsigned integers.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn any(&mut self) -> Result<Tensor> {
        let shape = self.shape();
        self.tensor(&shape)
    }

    /// Returns a tensor of a shape with such numbers.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn tensor(&mut self, shape: &[usize]) -> Result<Tensor> {
        let dtype = self.dtype;
        self.filled(dtype, shape, |dtype, draw| match (dtype, dtype.is_float()) {
            (Scalar::Bool, _) => (draw % 2) as f64,
            (_, true) => draw as f64 / 16.0 - 2.0,
            _ if dtype.is_signed_int() => (draw % 5) as f64 - 2.0,
            _ => (draw % 5) as f64,
        })
    }

    /// Returns a tensor of a shape with numbers from 1/4 to 4, whole ones of integers.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn positive(&mut self, shape: &[usize]) -> Result<Tensor> {
        let dtype = self.dtype;
        self.filled(dtype, shape, |dtype, draw| match dtype.is_float() {
            true => 0.25 + draw as f64 * (3.75 / 64.0),
            false => (draw % 4 + 1) as f64,
        })
    }

    /// Returns a tensor of a shape with numbers from -`most` to `most`, of floats.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn within(&mut self, shape: &[usize], most: f64) -> Result<Tensor> {
        let dtype = self.dtype;
        self.filled(dtype, shape, |_, draw| (draw as f64 / 32.0 - 1.0) * most)
    }

    /// Returns a tensor of a shape with `i64` numbers less than `end`.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn indices(&mut self, shape: &[usize], end: usize) -> Result<Tensor> {
        let from = self.below(1 << 20);
        let mut at = from;
        self.filled(Scalar::I64, shape, |_, draw| {
            at = at.wrapping_mul(25_214_903_917).wrapping_add(draw + 11) & 0xffff_ffff;
            ((at >> 8) % end.max(1)) as f64
        })
    }

    /// Returns a tensor of `bool`.
    ///
    /// # Errors
    ///
    /// If memory is missing.
    pub fn conditions(&mut self, shape: &[usize]) -> Result<Tensor> {
        self.filled(Scalar::Bool, shape, |_, draw| (draw % 2) as f64)
    }

    /// Returns a tensor whose elements `value` makes of draws less than 65.
    fn filled(
        &mut self,
        dtype: Scalar,
        shape: &[usize],
        mut value: impl FnMut(Scalar, usize) -> f64,
    ) -> Result<Tensor> {
        // A permuted tensor is made in another order, and permuted by the operator.
        let turned = shape.len() > 1 && self.below(4) == 0;
        let stored: Vec<usize> = if turned { shape.iter().rev().copied().collect() } else { shape.to_vec() };
        let mut bytes = Vec::new();
        for _ in 0..stored.iter().product() {
            let number = Number::Float(value(dtype, self.below(65)));
            bytes.extend(&eval::nearest(dtype, number).to_le_bytes()[..dtype.bytes()]);
        }
        let storage = Storage::from_bytes(&self.device, &bytes)?;
        let tensor = Tensor::from(RawTensor::new(&self.device, storage, 0, dtype, &stored)?);
        self.drawn.push(format!("{dtype}{shape:?}{}", if turned { " permuted" } else { "" }));
        if !turned {
            return Ok(tensor);
        }
        let order: Vec<usize> = (0..shape.len()).rev().collect();
        let turned = tensor.permute(&order)?;
        if self.below(2) == 0 {
            turned.compute()?;
        }
        Ok(turned)
    }

    /// Returns the types of what was drawn.
    pub fn text(&self) -> String {
        self.drawn.join(", ")
    }
}
