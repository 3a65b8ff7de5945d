//! Tensors: shaped memory on a device, with the type and the rank of its elements.

use super::raw_tensor::elements;
use super::{Device, RawTensor, Storage, refuse_in_capture};
use crate::error::{Error, Result};
use crate::types::Element;
use std::marker::PhantomData;
use std::ops::Range;

/// A tensor of `R` axes with elements of type `T` on a device: row-major, and contiguous unless it is a part of another
/// tensor ([`Tensor::slice`], [`Tensor::strided_view`]).
#[derive(Debug)]
pub struct Tensor<T, const R: usize> {
    raw: RawTensor,
    elem: PhantomData<T>,
}

/// Returns the number of elements of a shape, or an error if it or its size in bytes is too large for the host.
pub(super) fn size<T: Element, const R: usize>(device: &Device, shape: [usize; R]) -> Result<usize> {
    elements(device, T::SCALAR, &shape)
}

/// Returns the bytes of elements.
pub(super) fn bytes_of<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: the elements are numbers without padding (the trait is sealed), and every byte may be read.
    unsafe { std::slice::from_raw_parts(elements.as_ptr().cast(), std::mem::size_of_val(elements)) }
}

impl Device {
    /// Allocates a tensor with these elements, in row-major order.
    pub fn tensor<T: Element, const R: usize>(&self, elements: &[T], shape: [usize; R]) -> Result<Tensor<T, R>> {
        let count = size::<T, R>(self, shape)?;
        if count != elements.len() {
            return Err(Error::Device {
                device: self.to_string(),
                message: format!(
                    "a tensor of shape {shape:?} has {count} elements, but {} were passed",
                    elements.len()
                ),
            });
        }
        Ok(Tensor::new(self, Storage::from_bytes(self, bytes_of(elements))?, shape))
    }

    /// Allocates a tensor whose elements are uninitialised: reading one before a kernel wrote it is a fault.
    pub fn empty<T: Element, const R: usize>(&self, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let bytes = size::<T, R>(self, shape)? * T::SCALAR.bytes();
        Ok(Tensor::new(self, Storage::uninit(self, bytes)?, shape))
    }

    /// Allocates a tensor of zeros.
    pub fn zeros<T: Element, const R: usize>(&self, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let bytes = size::<T, R>(self, shape)? * T::SCALAR.bytes();
        Ok(Tensor::new(self, Storage::zeros(self, bytes)?, shape))
    }
}

impl<T: Element, const R: usize> Tensor<T, R> {
    pub(super) fn new(device: &Device, storage: Storage, shape: [usize; R]) -> Self {
        Tensor::of(RawTensor::placed(device, storage, 0, T::SCALAR, &shape))
    }

    /// Returns a tensor that is known to have this type and rank.
    pub(super) fn of(raw: RawTensor) -> Self {
        Tensor { raw, elem: PhantomData }
    }

    /// Returns its extents.
    pub fn shape(&self) -> [usize; R] {
        std::array::from_fn(|axis| self.raw.shape[axis])
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Returns true if it has no elements.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Returns the device.
    pub fn device(&self) -> &Device {
        &self.raw.device
    }

    /// Returns the same tensor without its static type and rank.
    pub fn raw(&self) -> &RawTensor {
        &self.raw
    }

    /// Returns a tensor whose type and rank were known at run time only; its memory is shared. Returns an error if they are
    /// others.
    pub fn from_raw(raw: RawTensor) -> Result<Tensor<T, R>> {
        if raw.scalar != T::SCALAR || raw.shape.len() != R {
            let message = format!(
                "a tensor of {} with the shape {:?} is used as one of {} with {R} axes",
                raw.scalar,
                raw.shape,
                T::SCALAR
            );
            return Err(raw.device.error(message));
        }
        Ok(Tensor::of(raw))
    }

    /// Returns its elements in row-major order, after all kernels launched so far. Elements that were never written are
    /// 0 on the simulated device and arbitrary on a GPU.
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.raw.read_elements()
    }

    /// Replaces its elements; `elements` are in row-major order.
    pub fn write(&mut self, elements: &[T]) -> Result<()> {
        if elements.len() != self.len() {
            let (device, count) = (self.raw.device.to_string(), self.len());
            let message = format!("{} elements cannot be written to a tensor of {count} elements", elements.len());
            return Err(Error::Device { device, message });
        }
        if self.raw.may_repeat() {
            return Err(self.device().error("a tensor in which several coordinates are one element cannot be written"));
        }
        refuse_in_capture(&self.raw.device, "writing a tensor from the host")?;
        self.raw.check_given_away("writing a tensor from the host")?;
        self.raw.write(bytes_of(elements))
    }

    /// Returns a contiguous copy of it on a device, directly between two GPUs if it is contiguous itself. On the same
    /// device it is a copy too.
    pub fn to_device(&self, device: &Device) -> Result<Tensor<T, R>> {
        let target = device.empty(self.shape())?;
        match (&self.raw.storage, &target.raw.storage) {
            (Storage::Cuda(from), Storage::Cuda(to)) if self.raw.is_contiguous() => {
                to.copy_on(to.context().stream(), 0, from, self.raw.offset, self.raw.bytes(), false)?;
            }
            (_, to) => to.write(0, bytes_of(&self.to_vec()?))?,
        }
        Ok(target)
    }

    /// Returns a tensor of another shape over some of the same elements, from element number `first` on. It shares
    /// memory: writes through one are visible through the other.
    pub fn view<const S: usize>(&self, first: usize, shape: [usize; S]) -> Result<Tensor<T, S>> {
        Ok(Tensor::of(self.raw.view(first, &shape)?))
    }

    /// Returns the distance of consecutive coordinates in elements, per axis.
    pub fn strides(&self) -> [usize; R] {
        std::array::from_fn(|axis| self.raw.strides[axis])
    }

    /// Returns a tensor of another shape whose consecutive coordinates are `strides` elements apart in memory, from
    /// `first` elements behind the first one of this tensor on; see [`RawTensor::strided_view`]. A kernel can read it
    /// without a copy. A stride of 0 repeats elements; a kernel can write the tensor only if no element is repeated.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// let device = Device::sim();
    /// let x = device.tensor(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [2, 3, 2])?;
    /// assert_eq!(x.strides(), [6, 2, 1]);
    /// let exchanged = x.strided_view(0, [3, 2, 2], [2, 6, 1])?;
    /// assert_eq!(exchanged.to_vec()?, [0, 1, 6, 7, 2, 3, 8, 9, 4, 5, 10, 11]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    pub fn strided_view<const S: usize>(
        &self,
        first: usize,
        shape: [usize; S],
        strides: [usize; S],
    ) -> Result<Tensor<T, S>> {
        Ok(Tensor::of(self.raw.strided_view(first, &shape, &strides)?))
    }

    /// Returns a part of the tensor: the coordinates of these ranges. It shares memory with the tensor, and kernels
    /// read and write it without a copy.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// let device = Device::sim();
    /// let x = device.tensor(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [3, 4])?;
    /// let part = x.slice([1..3, 1..3])?;
    /// assert_eq!((part.to_vec()?, part.strides()), (vec![5, 6, 9, 10], [4, 1]));
    /// # Ok::<(), hidet::Error>(())
    /// ```
    pub fn slice(&self, ranges: [Range<usize>; R]) -> Result<Tensor<T, R>> {
        let fits = |(range, extent): (&Range<usize>, &usize)| range.start <= range.end && range.end <= *extent;
        if !ranges.iter().zip(&self.raw.shape).all(fits) {
            return Err(self
                .device()
                .error(format!("{ranges:?} is not a part of a tensor of shape {:?}", self.shape())));
        }
        let shape = ranges.clone().map(|range| range.len());
        let starts = ranges.iter().zip(&self.raw.strides).map(|(range, stride)| range.start * stride);
        // An empty part may begin behind the last element.
        let first = if shape.contains(&0) { 0 } else { starts.sum() };
        self.strided_view(first, shape, self.strides())
    }
}

/// Returns the element with these bytes.
pub(super) fn element<T: Element>(bytes: &[u8]) -> T {
    let mut word = [0u8; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    T::from_bits64(u64::from_le_bytes(word))
}
