//! Arrays of cudarc. Both crates use a device's primary context, so addresses are valid in both.

use super::super::{Device, Storage, Tensor, refuse_in_capture};
use crate::error::Result;
use crate::types::Element;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtrMut};
use std::sync::Arc;

impl<T: Element, const R: usize> Tensor<T, R> {
    /// Wraps the memory of an array as a tensor; the array is dropped when nothing uses the tensor any more. Work
    /// submitted on the array comes before work on the tensor, on all streams.
    pub fn from_cudarc(mut array: CudaSlice<T>, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let device = Device::cuda(array.ordinal())?;
        refuse_in_capture(&device, "taking an array of cudarc")?;
        let count = super::super::tensor::size::<T, R>(&device, shape)?;
        if count != array.len() {
            let len = array.len();
            return Err(
                device.error(format!("a tensor of shape {shape:?} has {count} elements, but the array has {len}"))
            );
        }
        let stream = array.stream().clone();
        // As for a write, so that the stream also waits for other reads of the array.
        let address = array.device_ptr_mut(&stream).0;
        if let Some(context) = device.as_cuda() {
            // SAFETY: the stream exists.
            unsafe { context.stream().wait_for_handle(stream.cu_stream().cast()) }?;
        }
        // SAFETY: the array has that many elements, is owned from here on, and its stream was waited for.
        unsafe { Tensor::from_foreign(&device, address, shape, Box::new(array)) }
    }

    /// Returns the memory of the tensor as an array on a stream of cudarc, after all work on the tensor. Returns an
    /// error if the tensor is part of an allocation, shares its memory with another tensor or a graph, or has foreign
    /// memory; such a tensor can be copied first ([`Tensor::to_device`]).
    pub fn into_cudarc(self, stream: &Arc<CudaStream>) -> Result<CudaSlice<T>> {
        let raw = self.raw();
        let (device, count) = (raw.device.clone(), self.len());
        refuse_in_capture(&device, "giving a tensor to cudarc")?;
        let why = |what: &str| {
            device.error(format!("the tensor cannot be passed to cudarc: {what}; copy it first with `to_device`"))
        };
        let Storage::Cuda(memory) = raw.storage.clone() else {
            return Err(device.error("the tensor cannot be passed to cudarc: it is not on a GPU"));
        };
        if memory.context().ordinal != stream.context().ordinal() {
            return Err(why(&format!("the stream belongs to cuda:{}", stream.context().ordinal())));
        }
        if raw.offset != 0 || !raw.is_contiguous() || raw.bytes() != memory.len() || count == 0 {
            return Err(why("it is not a whole allocation"));
        }
        drop(self);
        let memory = Arc::try_unwrap(memory).map_err(|_| why("another tensor or a graph uses its memory"))?;
        let address = memory.into_address()?.ok_or_else(|| why("it has foreign memory"))?;
        // SAFETY: the allocation has that many elements, nothing uses it any more, and it is freed as it was allocated:
        // stream-ordered.
        Ok(unsafe { stream.upgrade_device_ptr(address, count) })
    }
}
