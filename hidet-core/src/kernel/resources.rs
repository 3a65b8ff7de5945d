//! The resources that a kernel uses on a GPU.

use crate::cuda::Occupancy;
use crate::cuda::nvrtc::Usage;
use std::fmt;

/// The resources of a launch.
#[derive(Clone, Debug, PartialEq)]
pub struct Resources {
    /// Registers, stack, spills and static shared memory, as ptxas reports them.
    pub usage: Usage,
    /// Threads per block.
    pub threads: u32,
    /// Bytes of dynamic shared memory per block.
    pub dynamic_shared: u32,
    /// The occupancy, as the driver reports it.
    pub occupancy: Occupancy,
}

impl fmt::Display for Resources {
    /// Writes, for example, `40 registers, 0 bytes spilled, 1024 + 65536 bytes of shared memory, 3 blocks (24 of 64
    /// warps) per multiprocessor`. `64 bytes of local memory` stands before shared memory if register arrays are there
    /// because their indices are not constant.
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
