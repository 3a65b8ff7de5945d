//! Properties of a device.

use super::driver::Driver;
use crate::error::Result;
use crate::ir::Arch;
use cudarc::driver::sys::{CUdevice, CUdevice_attribute};

/// Properties of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Its name, as the driver reports it.
    pub name: String,
    /// Its architecture; the `a` variant from 9.0 on, because a cubin is compiled for exactly this device.
    pub arch: Arch,
    /// Number of multiprocessors.
    pub multiprocessors: u32,
    /// Bytes of device memory.
    pub memory: usize,
    /// Bytes of L2.
    pub l2: usize,
    /// Maximum bytes of shared memory per block, after opting in.
    pub shared_per_block: usize,
    /// Bytes of shared memory per multiprocessor.
    pub shared_per_multiprocessor: usize,
    /// Maximum threads per block.
    pub threads_per_block: u32,
    /// Maximum number of blocks along x, y, z.
    pub grid: [u32; 3],
    /// Clock in kHz.
    pub clock: u32,
    /// The device supports stream-ordered allocation.
    pub async_memory: bool,
}

impl Properties {
    /// # Safety
    /// `device` must come from the driver.
    pub(super) unsafe fn of(
        driver: &Driver,
        device: CUdevice,
        check: &impl Fn(&str, u32) -> Result<()>,
    ) -> Result<Properties> {
        use CUdevice_attribute::*;
        let attribute = |which: CUdevice_attribute| -> Result<u32> {
            let mut value = 0;
            // SAFETY: the pointer is valid for a write.
            check("cuDeviceGetAttribute", unsafe { (driver.cuDeviceGetAttribute)(&mut value, which, device) })?;
            Ok(value as u32)
        };
        let mut name = [0u8; 256];
        // SAFETY: the buffer has at least the given length.
        check("cuDeviceGetName", unsafe { (driver.cuDeviceGetName)(name.as_mut_ptr().cast(), 255, device) })?;
        let mut memory = 0;
        // SAFETY: the pointer is valid for a write.
        check("cuDeviceTotalMem", unsafe { (driver.cuDeviceTotalMem_v2)(&mut memory, device) })?;
        let major = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok(Properties {
            name: String::from_utf8_lossy(name).into_owned(),
            arch: Arch { number: major * 10 + minor, specific: major >= 9 },
            multiprocessors: attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
            memory,
            l2: attribute(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE)? as usize,
            shared_per_block: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)? as usize,
            shared_per_multiprocessor: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR)? as usize,
            threads_per_block: attribute(CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK)?,
            grid: [
                attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X)?,
                attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y)?,
                attribute(CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z)?,
            ],
            clock: attribute(CU_DEVICE_ATTRIBUTE_CLOCK_RATE).unwrap_or(0),
            async_memory: attribute(CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED)? != 0,
        })
    }
}
