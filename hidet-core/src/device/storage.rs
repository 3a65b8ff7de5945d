//! Untyped allocations on a device.

use super::{Device, DeviceKind, refuse_in_capture};
use crate::cuda;
use crate::error::Result;
use crate::sim;
use std::collections::TryReserveError;
use std::sync::Arc;

/// An allocation on a device. Cloning shares it.
#[derive(Clone, Debug)]
pub enum Storage {
    /// On the simulated device.
    Sim(Arc<sim::Memory>),
    /// On a GPU.
    Cuda(Arc<cuda::Memory>),
}

/// Wraps an allocation of the simulated device, or returns an error if the host is out of memory.
fn simulated(device: &Device, bytes: usize, memory: Result<sim::Memory, TryReserveError>) -> Result<Storage> {
    let memory = memory.map_err(|_| {
        device.error(format!(
            "out of memory: {bytes} bytes requested, which the host does not have; drop some tensors first, or use \
             smaller ones"
        ))
    })?;
    Ok(Storage::Sim(Arc::new(memory)))
}

impl Storage {
    /// Allocates uninitialised bytes.
    pub fn uninit(device: &Device, bytes: usize) -> Result<Storage> {
        refuse_in_capture(device, "allocating a tensor")?;
        Ok(match device.kind() {
            DeviceKind::Sim(_) => simulated(device, bytes, sim::Memory::uninit(bytes))?,
            DeviceKind::Cuda(context) => Storage::Cuda(Arc::new(cuda::Memory::new(context, bytes)?)),
        })
    }

    /// Allocates a copy of these bytes.
    pub fn from_bytes(device: &Device, bytes: &[u8]) -> Result<Storage> {
        if device.is_sim() {
            refuse_in_capture(device, "allocating a tensor")?;
            return simulated(device, bytes.len(), sim::Memory::from_bytes(bytes));
        }
        let storage = Storage::uninit(device, bytes.len())?;
        storage.write(0, bytes)?;
        Ok(storage)
    }

    /// Allocates zeroed bytes.
    pub fn zeros(device: &Device, bytes: usize) -> Result<Storage> {
        if device.is_sim() {
            refuse_in_capture(device, "allocating a tensor")?;
            return simulated(device, bytes, sim::Memory::zeroed(bytes));
        }
        let storage = Storage::uninit(device, bytes)?;
        if let Storage::Cuda(memory) = &storage {
            memory.zero()?;
        }
        Ok(storage)
    }

    /// Returns its size in bytes.
    pub fn len(&self) -> usize {
        match self {
            Storage::Sim(memory) => memory.len(),
            Storage::Cuda(memory) => memory.len(),
        }
    }

    /// Returns true if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes out, after all work submitted so far.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        match self {
            Storage::Sim(memory) => {
                sim::host_synchronized();
                memory.read(offset, to);
                Ok(())
            }
            Storage::Cuda(memory) => memory.read(offset, to),
        }
    }

    /// Copies bytes in.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        match self {
            Storage::Sim(memory) => {
                sim::host_synchronized();
                memory.write(offset, from);
                Ok(())
            }
            Storage::Cuda(memory) => memory.write(offset, from),
        }
    }

    /// Returns where its first byte is: on the GPU, or on the host for the simulated device.
    pub(super) fn data(&self) -> u64 {
        match self {
            Storage::Sim(memory) => memory.host_address() as u64,
            Storage::Cuda(memory) => memory.address(),
        }
    }

    /// Returns the address of its first byte. On the simulated device only its alignment has a meaning.
    pub fn address(&self) -> u64 {
        match self {
            Storage::Sim(memory) => memory.address(),
            Storage::Cuda(memory) => memory.address(),
        }
    }
}
