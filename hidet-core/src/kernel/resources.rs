//! What a kernel takes of the GPU it was compiled for.

use crate::cuda::Occupancy;
use crate::cuda::nvrtc::Usage;
use std::fmt;

/// What a launch of a kernel takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// Registers, stack, spills and static shared memory, by ptxas.
    pub usage: Usage,
    /// Threads a block.
    pub threads: u32,
    /// Bytes of dynamic shared memory a block.
    pub dynamic_shared: u32,
    /// How much of a multiprocessor can be used at once, by the driver.
    pub occupancy: Occupancy,
}

impl fmt::Display for Resources {
    /// `40 registers, 0 bytes spilled, 1024 + 65536 bytes of shared memory, 3 blocks (24 of 64 warps) a multiprocessor`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { registers, spill_stores, spill_loads, shared, .. } = &self.usage;
        let spilled = spill_stores + spill_loads;
        write!(f, "{registers} registers, {spilled} bytes spilled, {shared}")?;
        if self.dynamic_shared > 0 {
            write!(f, " + {}", self.dynamic_shared)?;
        }
        write!(f, " bytes of shared memory, {}", self.occupancy)
    }
}
