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
    /// `40 registers, 0 bytes spilled, 1024 + 65536 bytes of shared memory, 3 blocks (24 of 64 warps) a multiprocessor`; before
    /// shared memory, `64 bytes of local memory` where register arrays lie there, as their indices are not constant.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage { registers, spill_stores, spill_loads, stack, shared, .. } = &self.usage;
        let spilled = spill_stores + spill_loads;
        write!(f, "{registers} registers, {spilled} bytes spilled, ")?;
        if *stack > 0 {
            write!(f, "{stack} bytes of local memory, ")?;
        }
        write!(f, "{shared}")?;
        if self.dynamic_shared > 0 {
            write!(f, " + {}", self.dynamic_shared)?;
        }
        write!(f, " bytes of shared memory, {}", self.occupancy)
    }
}
