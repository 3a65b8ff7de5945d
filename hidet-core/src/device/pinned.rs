//! Pinned host arrays, for asynchronous copies.

use super::stream::refuse_in_capture;
use super::tensor::bytes_of;
use super::{Device, DeviceKind, Storage, Stream, Tensor};
use crate::cuda;
use crate::error::Result;
use crate::types::{Element, Scalar};
use std::marker::PhantomData;

/// A host array in pinned (page-locked) memory. Copies between it and a tensor do not wait ([`Stream::upload`],
/// [`Stream::download`]); accessing its elements waits for them.
#[derive(Debug)]
pub struct Pinned<T> {
    device: Device,
    memory: Memory<T>,
    elem: PhantomData<T>,
}

#[derive(Debug)]
enum Memory<T> {
    Host(Vec<T>),
    Cuda(cuda::Pinned),
}

impl Device {
    /// Allocates a pinned array of zeros, for copies to and from this device.
    pub fn pinned<T: Element>(&self, len: usize) -> Result<Pinned<T>> {
        refuse_in_capture(self, "allocating pinned memory")?;
        let memory = match self.kind() {
            DeviceKind::Sim(_) => Memory::Host(vec![T::from_bits64(0); len]),
            DeviceKind::Cuda(context) => {
                let bytes = len.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX as usize);
                let bytes = bytes.ok_or_else(|| self.error(format!("an array of {len} elements is too large")))?;
                Memory::Cuda(cuda::Pinned::new(context, bytes)?)
            }
        };
        Ok(Pinned { device: self.clone(), memory, elem: PhantomData })
    }
}

impl<T: Element> Pinned<T> {
    /// Waits for all copies and returns its elements. Returns an error if they are `bool`s copied from a tensor that
    /// was never written, so that one is neither `true` nor `false`.
    pub fn as_slice(&self) -> Result<&[T]> {
        match &self.memory {
            Memory::Host(elements) => Ok(elements),
            Memory::Cuda(memory) => {
                let bytes = memory.bytes()?;
                if T::SCALAR == Scalar::Bool {
                    if let Some(index) = bytes.iter().position(|byte| *byte > 1) {
                        let byte = bytes[index];
                        return Err(self.device.error(format!(
                            "element {index} of a pinned array is {byte:#04x}, which is not a bool: the tensor it was \
                             copied from was not written there"
                        )));
                    }
                }
                // SAFETY: the bytes are aligned to a page and contain whole elements, which are numbers, or bools of 0
                // or 1.
                Ok(unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len() / size_of::<T>()) })
            }
        }
    }

    /// Waits for all copies and returns its elements, mutable. `bool`s that are neither `true` nor `false` become
    /// `true`.
    pub fn as_mut_slice(&mut self) -> Result<&mut [T]> {
        match &mut self.memory {
            Memory::Host(elements) => Ok(elements),
            Memory::Cuda(memory) => {
                let bytes = memory.bytes_mut()?;
                if T::SCALAR == Scalar::Bool {
                    bytes.iter_mut().for_each(|byte| *byte = (*byte != 0).into());
                }
                // SAFETY: as above.
                Ok(unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len() / size_of::<T>()) })
            }
        }
    }
}

impl Stream {
    /// Copies a pinned array to a tensor with as many elements, without waiting.
    pub fn upload<T: Element, const R: usize>(&self, from: &Pinned<T>, to: &mut Tensor<T, R>) -> Result<()> {
        let cuda = self.check_copy(from, to)?;
        let raw = to.raw();
        match (&from.memory, &raw.storage) {
            (Memory::Cuda(pinned), Storage::Cuda(memory)) => {
                pinned.upload(cuda.unwrap_or(memory.context().stream()), memory, raw.offset)
            }
            _ => raw.storage.write(raw.offset, bytes_of(from.as_slice()?)),
        }
    }

    /// Copies a tensor to a pinned array with as many elements, without waiting.
    pub fn download<T: Element, const R: usize>(&self, from: &Tensor<T, R>, to: &mut Pinned<T>) -> Result<()> {
        let cuda = self.check_copy(to, from)?;
        let raw = from.raw();
        match (&mut to.memory, &raw.storage) {
            (Memory::Cuda(pinned), Storage::Cuda(memory)) => {
                pinned.download(cuda.unwrap_or(memory.context().stream()), memory, raw.offset)
            }
            _ => {
                let elements = from.to_vec()?;
                to.as_mut_slice()?.copy_from_slice(&elements);
                Ok(())
            }
        }
    }

    fn check_copy<T: Element, const R: usize>(
        &self,
        pinned: &Pinned<T>,
        tensor: &Tensor<T, R>,
    ) -> Result<Option<cuda::Stream>> {
        let device = self.device();
        self.refuse_captured("a copy between host and device")?;
        for other in [&pinned.device, tensor.device()] {
            if !other.is_same(device) {
                return Err(device.error(format!("a copy of memory on {other} cannot run on a stream of {device}")));
            }
        }
        tensor.raw().check_given_away("a copy of a tensor")?;
        if !tensor.raw().is_contiguous() {
            return Err(device.error(format!(
                "a tensor with strides {:?} for the shape {:?} cannot be copied from or to a pinned array, because it is \
                 not contiguous",
                tensor.strides(),
                tensor.shape()
            )));
        }
        let len = match &pinned.memory {
            Memory::Host(elements) => elements.len() * size_of::<T>(),
            Memory::Cuda(memory) => memory.len(),
        };
        if len != tensor.raw().bytes() {
            let (len, elements) = (len / size_of::<T>(), tensor.len());
            return Err(device.error(format!(
                "an array of {len} elements cannot be copied to or from a tensor of {elements} elements"
            )));
        }
        Ok(self.as_cuda())
    }
}
