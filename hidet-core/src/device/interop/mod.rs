//! Exchange of memory with other libraries, without copies.
//!
//! | what | in | out |
//! |---|---|---|
//! | DLPack ([`dlpack`]) | GPU memory, or host memory for the simulated device | the same |
//! | `cudarc::driver::CudaSlice` ([`cudarc`]) | GPU memory | a tensor that is a whole allocation |
//! | `ndarray::Array` ([`ndarray`]) | host memory, for the simulated device; one copy to a GPU | one copy |
//!
//! Tensors are row-major and contiguous, and imported memory must be so too.

mod cudarc;
pub mod dlpack;
#[cfg(feature = "ndarray")]
mod ndarray;

use super::{Device, DeviceKind, RawTensor, Storage, Tensor};
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
        let bytes = super::tensor::size::<T, R>(device, shape)? * T::SCALAR.bytes();
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
        Ok(Tensor::new(device, storage, shape))
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
