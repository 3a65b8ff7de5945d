//! [`Array`]: a tensor on the host.

use crate::error::NodeResult;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::eval;
use hidet::prelude::{bf16, f16};
use hidet::types::{Number, Scalar};
use hidet_ops::{Tensor, TensorType};
use prost::bytes::Bytes;

/// The most axes of a tensor in a file.
pub(crate) const MOST_AXES: usize = 64;

/// A tensor on the host: elements in row-major order. Cloning shares them.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    ty: TensorType,
    bytes: Bytes,
}

impl Array {
    /// Returns the tensor with these elements, little-endian, or nothing if they are not as many as the type has.
    pub fn new(ty: TensorType, bytes: impl Into<Bytes>) -> Option<Array> {
        let bytes = bytes.into();
        let elements = ty.shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent))?;
        (elements.checked_mul(ty.dtype.bytes())? == bytes.len()).then_some(Array { ty, bytes })
    }

    fn of_bits(dtype: Scalar, shape: &[usize], bits: impl Iterator<Item = u64>) -> Array {
        let mut bytes = Vec::new();
        bits.for_each(|bits| bytes.extend_from_slice(&bits.to_le_bytes()[..dtype.bytes()]));
        // A list that is too short or too long would be a bug of an operator: no element may be invented.
        debug_assert_eq!(bytes.len(), shape.iter().product::<usize>() * dtype.bytes());
        Array { ty: TensorType::new(dtype, shape), bytes: bytes.into() }
    }

    /// Returns the tensor whose elements are nearest to these numbers, of which there are as many as the shape has.
    pub(crate) fn of_floats(dtype: Scalar, shape: &[usize], numbers: &[f64]) -> Array {
        Array::of_bits(dtype, shape, numbers.iter().map(|number| eval::nearest(dtype, Number::Float(*number))))
    }

    /// Returns the tensor with these integers, of which there are as many as the shape has.
    pub(crate) fn of_integers(dtype: Scalar, shape: &[usize], numbers: &[i64]) -> Array {
        Array::of_bits(dtype, shape, numbers.iter().map(|number| eval::cast(Scalar::I64, dtype, *number as u64)))
    }

    /// Returns a list of `i64`.
    pub(crate) fn list(numbers: &[i64]) -> Array {
        Array::of_integers(Scalar::I64, &[numbers.len()], numbers)
    }

    /// Computes a tensor, and returns a copy on the host.
    ///
    /// # Errors
    ///
    /// As [`Tensor::compute`].
    pub fn of(tensor: &Tensor) -> hidet_ops::Result<Array> {
        Ok(Array { ty: tensor.ty().clone(), bytes: tensor.compute()?.to_bytes()?.into() })
    }

    /// Returns a copy on a device.
    ///
    /// # Errors
    ///
    /// If there is not enough memory.
    pub fn on(&self, device: &Device) -> hidet_ops::Result<Tensor> {
        let storage = Storage::from_bytes(device, &self.bytes)?;
        Ok(Tensor::from(RawTensor::new(device, storage, 0, self.ty.dtype, &self.ty.shape)?))
    }

    /// Returns the type of the elements, and the extents.
    pub fn ty(&self) -> &TensorType {
        &self.ty
    }

    /// Returns the extents.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }

    /// Returns the type of the elements.
    pub fn dtype(&self) -> Scalar {
        self.ty.dtype
    }

    /// Returns the elements, little-endian.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the same, which are shared.
    pub(crate) fn shared(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Returns the elements as their bits.
    pub(crate) fn bits(&self) -> impl Iterator<Item = u64> {
        let bits = |element: &[u8]| element.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        self.bytes.chunks_exact(self.ty.dtype.bytes()).map(bits)
    }

    /// Returns arrays beside each other along their last axis. They have one type of elements, and the same other axes.
    pub(crate) fn beside(arrays: &[&Array]) -> Array {
        let last = |array: &Array| array.shape().last().copied().unwrap_or(1);
        let Some(first) = arrays.first() else { return Array::list(&[]) };
        let mut shape = first.shape().to_vec();
        if let Some(extent) = shape.last_mut() {
            *extent = arrays.iter().map(|array| last(array)).sum();
        }
        let rows = first.ty.len().checked_div(last(first)).unwrap_or(0);
        let mut bytes = Vec::new();
        for row in 0..rows {
            for array in arrays {
                let size = last(array) * array.ty.dtype.bytes();
                bytes.extend_from_slice(&array.bytes[row * size..(row + 1) * size]);
            }
        }
        Array { ty: TensorType::new(first.ty.dtype, &shape), bytes: bytes.into() }
    }

    /// Returns a matrix with its axes exchanged.
    pub(crate) fn transposed(&self) -> Array {
        let [rows, cols] = *self.shape() else { return self.clone() };
        let size = self.ty.dtype.bytes();
        let mut bytes = vec![0; self.bytes.len()];
        // In squares, which stay in the cache of a core.
        const SIDE: usize = 32;
        for (top, left) in (0..rows).step_by(SIDE).flat_map(|top| (0..cols).step_by(SIDE).map(move |left| (top, left)))
        {
            for row in top..rows.min(top + SIDE) {
                for col in left..cols.min(left + SIDE) {
                    let (from, to) = ((row * cols + col) * size, (col * rows + row) * size);
                    bytes[to..to + size].copy_from_slice(&self.bytes[from..from + size]);
                }
            }
        }
        Array { ty: TensorType::new(self.ty.dtype, &[cols, rows]), bytes: bytes.into() }
    }

    /// Returns elements of `f32` rounded to a float of 16 bits; others stay. Numbers that are too large become the largest ones:
    /// masks have them in the place of infinity, which would make NaN of differences.
    pub(crate) fn narrowed(&self, dtype: Scalar) -> Array {
        let round: fn(f32) -> [u8; 2] = match (self.ty.dtype, dtype) {
            (Scalar::F32, Scalar::F16) => |number| f16::from_f32(limited(number, f16::MAX.to_f32())).to_le_bytes(),
            (Scalar::F32, Scalar::BF16) => |number| bf16::from_f32(limited(number, bf16::MAX.to_f32())).to_le_bytes(),
            _ => return self.clone(),
        };
        let (elements, _) = self.bytes.as_chunks::<4>();
        let bytes: Vec<u8> = elements.iter().flat_map(|element| round(f32::from_le_bytes(*element))).collect();
        Array { ty: TensorType::new(dtype, &self.ty.shape), bytes: bytes.into() }
    }

    /// Returns the elements of any type as `f64`; integers beyond 2^53 are rounded.
    pub fn floats(&self) -> Vec<f64> {
        self.bits().map(|bits| eval::to_f64(self.ty.dtype, bits)).collect()
    }

    /// Returns the elements, which are integers or `bool`.
    pub(crate) fn integers(&self) -> NodeResult<Vec<i64>> {
        let dtype = self.ty.dtype;
        if dtype.is_float() {
            return Err(format!("{} is given where integers are needed", self.ty).into());
        }
        let numbers = self.bits().map(|bits| eval::cast(dtype, Scalar::I64, bits) as i64);
        Ok(numbers.collect())
    }
}

/// Returns a number that is not beyond the largest one, unless it is infinite.
fn limited(number: f32, largest: f32) -> f32 {
    if number.is_infinite() { number } else { number.clamp(-largest, largest) }
}
