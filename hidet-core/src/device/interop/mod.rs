//! Exchange of memory with other libraries, without copies.
//!
//! | what | in | out |
//! |---|---|---|
//! | DLPack ([`dlpack`]) | GPU memory, or host memory for the simulated device | the same |
//! | `cudarc::driver::CudaSlice` ([`cudarc`]) | GPU memory | a tensor that is a whole allocation |
//! | `ndarray::Array` ([`ndarray`]) | host memory, for the simulated device; one copy to a GPU | one copy |
//!
//! Tensors of DLPack keep their strides, in and out, if the stride of the last axis is 1 and none is negative; those of
//! cudarc and ndarray are row-major and contiguous.

mod cudarc;
pub mod dlpack;
#[cfg(feature = "ndarray")]
mod ndarray;

use super::{Device, DeviceKind, RawTensor, Storage, Tensor, strides};
use crate::cuda;
use crate::error::Result;
use crate::sim;
use crate::types::Element;
use std::any::Any;
use std::sync::Arc;

/// Alignment in bytes of host memory for the simulated device, whose accesses are atomic.
const HOST_ALIGN: usize = 8;

impl<T: Element, const R: usize> Tensor<T, R> {
    /// Wraps foreign memory, from `address` on, as a tensor: memory of the GPU, or host memory aligned to 8 bytes for
    /// the simulated device. `owner` is dropped when nothing uses the memory any more.
    ///
    /// # Safety
    /// There must be elements of this type at the address until `owner` is dropped. Accesses of others to them must
    /// have ended, and must not begin again while a kernel uses the tensor.
    pub unsafe fn from_foreign(
        device: &Device,
        address: u64,
        shape: [usize; R],
        owner: Box<dyn Any + Send + Sync>,
    ) -> Result<Tensor<T, R>> {
        super::tensor::size::<T, R>(device, shape)?;
        let mut strides = shape;
        strides::make_row_major(&mut strides);
        // SAFETY: the caller's duty.
        unsafe { Tensor::from_foreign_strided(device, address, shape, strides, owner) }
    }

    /// The same for memory whose consecutive coordinates along an axis are a stride of elements apart; see
    /// [`RawTensor::strided`].
    ///
    /// # Safety
    /// As for [`Tensor::from_foreign`]; elements between the rows are not accessed.
    pub unsafe fn from_foreign_strided(
        device: &Device,
        address: u64,
        shape: [usize; R],
        strides: [usize; R],
        owner: Box<dyn Any + Send + Sync>,
    ) -> Result<Tensor<T, R>> {
        let reach = strides::reach(&shape, &strides::settled(&shape, &strides));
        let bytes = reach.and_then(|reach| reach.checked_mul(T::SCALAR.bytes()));
        let bytes = bytes.filter(|bytes| *bytes <= isize::MAX as usize).ok_or_else(|| {
            device.error(format!("a tensor of shape {shape:?} with strides {strides:?} is too large"))
        })?;
        let storage = match device.kind() {
            DeviceKind::Cuda(context) => {
                // SAFETY: the caller's duty.
                Storage::Cuda(Arc::new(unsafe { cuda::Memory::foreign(context, address, bytes, owner) }))
            }
            DeviceKind::Sim(_) if !(address as usize).is_multiple_of(HOST_ALIGN) => {
                return Err(device.error(format!(
                    "memory at {address:#x} is not aligned to {HOST_ALIGN} bytes, which the simulated device needs: \
                     copy it, by `device.tensor(..)`"
                )));
            }
            // SAFETY: the caller's duty.
            DeviceKind::Sim(_) => {
                Storage::Sim(Arc::new(unsafe { sim::Memory::foreign(address as *mut u8, bytes, owner) }))
            }
        };
        let raw = RawTensor::strided(device, storage, 0, T::SCALAR, &shape, &strides)?;
        Ok(Tensor::of(raw))
    }
}

impl RawTensor {
    /// Returns the address of its first element: on the GPU, or on the host for the simulated device. The address is
    /// valid as long as a tensor exists that shares its memory.
    pub fn data(&self) -> u64 {
        self.span().0
    }

    /// Waits for all work submitted so far that uses its memory.
    pub fn wait(&self) -> Result<()> {
        match &self.storage {
            Storage::Sim(_) => Ok(()),
            Storage::Cuda(memory) => memory.wait(),
        }
    }
}
