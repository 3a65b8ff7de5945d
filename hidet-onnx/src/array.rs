//! [`Array`]: a tensor on the host.

use crate::error::NodeResult;
use hidet::device::{Device, RawTensor, Storage};
use hidet::ir::eval;
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

    fn bits(&self) -> impl Iterator<Item = u64> {
        let bits = |element: &[u8]| element.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
        self.bytes.chunks_exact(self.ty.dtype.bytes()).map(bits)
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
