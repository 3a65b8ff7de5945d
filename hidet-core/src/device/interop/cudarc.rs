//! Arrays of cudarc. Both use a device's primary context, so addresses are good on either side.

use super::super::{Device, Storage, Tensor, refuse_in_capture};
use crate::error::Result;
use crate::types::Element;
use cudarc::driver::{CudaSlice, CudaStream, DevicePtrMut};
use std::sync::Arc;

impl<T: Element, const R: usize> Tensor<T, R> {
    /// A tensor over the memory of an array, which is dropped when nothing uses the tensor any more. What was asked of the
    /// array comes before what is asked of the tensor, on whatever stream it reads or writes it.
    pub fn from_cudarc(mut array: CudaSlice<T>, shape: [usize; R]) -> Result<Tensor<T, R>> {
        let device = Device::cuda(array.ordinal())?;
        refuse_in_capture(&device, "taking an array of cudarc")?;
        let count = super::super::tensor::size::<T, R>(&device, shape)?;
        if count != array.len() {
            let len = array.len();
            return Err(device.error(format!("a tensor of shape {shape:?} has {count} elements; the array has {len}")));
        }
        let stream = array.stream().clone();
        // As for a write: the stream waits for what reads the array elsewhere too.
        let address = array.device_ptr_mut(&stream).0;
        if let Some(context) = device.as_cuda() {
            // SAFETY: the stream is alive.
            unsafe { context.stream().wait_for_handle(stream.cu_stream().cast()) }?;
        }
        // SAFETY: the array has that many elements, is owned from here on, and its stream was waited for.
        unsafe { Tensor::from_foreign(&device, address, shape, Box::new(array)) }
    }

    /// The memory of the tensor as an array on a stream of cudarc, after all work on the tensor. An error where the tensor
    /// is a part of an allocation, shares it with another tensor or a graph, or got it from someone else; such a tensor can
    /// be copied first ([`Tensor::to_device`]).
    pub fn into_cudarc(self, stream: &Arc<CudaStream>) -> Result<CudaSlice<T>> {
        let raw = self.raw();
        let (device, count) = (raw.device.clone(), self.len());
        refuse_in_capture(&device, "giving a tensor to cudarc")?;
        let why = |what: &str| {
            device.error(format!("the tensor cannot be given to cudarc: {what}; a copy can, made by `to_device`"))
        };
        let Storage::Cuda(memory) = raw.storage.clone() else {
            return Err(device.error("the tensor cannot be given to cudarc: it is not on a GPU"));
        };
        if memory.context().ordinal != stream.context().ordinal() {
            return Err(why(&format!("the stream is one of cuda:{}", stream.context().ordinal())));
        }
        if raw.offset != 0 || raw.bytes() != memory.len() || count == 0 {
            return Err(why("it is not a whole allocation"));
        }
        drop(self);
        let memory = Arc::try_unwrap(memory).map_err(|_| why("another tensor or a graph uses its memory"))?;
        let address = memory.into_address()?.ok_or_else(|| why("its memory was someone else's"))?;
        // SAFETY: the allocation has that many elements, nothing uses it any more, and it is given back as it was taken:
        // in the order of a stream.
        Ok(unsafe { stream.upgrade_device_ptr(address, count) })
    }
}
