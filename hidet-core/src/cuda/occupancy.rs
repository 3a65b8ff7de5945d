//! Occupancy of a multiprocessor: as the driver reports it, or from the published limits of architectures where there
//! is no GPU. `hidet check` compares the two on a GPU.

use crate::ir::{Arch, Multiprocessor};
use std::fmt;

/// How many blocks and warps of a kernel a multiprocessor holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Resident blocks per multiprocessor.
    pub blocks: u32,
    /// Resident warps per multiprocessor.
    pub warps: u32,
    /// Maximum warps per multiprocessor; 0 if unknown.
    pub room: u32,
    /// Resident clusters on the device, if the driver reported them for a kernel with clusters.
    pub clusters: Option<u32>,
}

/// Returns the maximum number of warps per multiprocessor, or 0 if unknown.
pub(super) fn room(arch: Arch) -> u32 {
    Multiprocessor::of(arch).map_or(0, |limits| limits.warps)
}

impl Occupancy {
    /// Estimates the occupancy of a kernel from its threads per block, registers per thread and bytes of shared memory
    /// per block. Returns `None` for an unknown architecture.
    pub fn estimate(arch: Arch, threads: u32, registers: u32, shared: u32) -> Option<Occupancy> {
        let limits = Multiprocessor::of(arch)?;
        let blocks = limits.holds(threads, Some(registers), shared);
        Some(Occupancy { blocks, warps: blocks * threads.div_ceil(32).max(1), room: limits.warps, clusters: None })
    }
}

impl fmt::Display for Occupancy {
    /// `2 blocks (16 of 64 warps) per multiprocessor`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks = if self.blocks == 1 { "block" } else { "blocks" };
        let of = if self.room > 0 { format!(" of {}", self.room) } else { String::new() };
        write!(f, "{} {blocks} ({}{of} warps) per multiprocessor", self.blocks, self.warps)?;
        self.clusters.map_or(Ok(()), |clusters| write!(f, ", {clusters} clusters at once"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn holds(threads: u32, registers: u32, shared: u32, blocks: u32) {
        let arch = Arch { number: 90, specific: true };
        assert_eq!(
            Occupancy::estimate(arch, threads, registers, shared).map(|occupancy| occupancy.blocks),
            Some(blocks)
        );
    }

    #[test]
    fn each_resource_limits_the_blocks() {
        // Warps, blocks, registers, shared memory.
        holds(256, 32, 0, 8);
        holds(32, 16, 0, 32);
        holds(256, 128, 0, 2);
        holds(384, 168, 0, 1);
        holds(128, 32, 227 << 10, 1);
        holds(128, 32, 100 << 10, 2);
        holds(128, 32, 113 << 10, 2);
        holds(128, 32, 114 << 10, 1);
        // Threads that do not fit at all.
        holds(1024, 128, 0, 0);
    }

    #[test]
    fn occupancy_is_displayed() {
        let arch = Arch { number: 90, specific: true };
        let text = Occupancy::estimate(arch, 256, 128, 0).map(|occupancy| occupancy.to_string());
        assert_eq!(text.as_deref(), Some("2 blocks (16 of 64 warps) per multiprocessor"));
        assert_eq!(Occupancy::estimate(Arch { number: 60, specific: false }, 256, 128, 0), None);
    }
}
