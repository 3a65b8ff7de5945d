//! The published resources of a multiprocessor of each architecture, and its occupancy: the number of blocks of a
//! kernel it can hold. Used for the check that a cooperative grid is resident, and for reports without a GPU.

use super::Arch;

/// The resources of a multiprocessor (CUDA C++ programming guide, table of technical specifications per compute
/// capability). All have 65536 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiprocessor {
    /// Maximum number of resident warps.
    pub warps: u32,
    /// Maximum number of resident blocks.
    pub blocks: u32,
    /// Bytes of shared memory.
    pub shared: u32,
    arch: Arch,
}

impl Multiprocessor {
    /// Maximum number of registers per thread.
    pub const MAX_REGISTERS: u32 = 255;

    /// Returns the resources, or `None` if the architecture is unknown.
    pub fn of(arch: Arch) -> Option<Multiprocessor> {
        let (warps, blocks, shared) = match arch.number {
            75 => (32, 16, 64 << 10),
            80 => (64, 32, 164 << 10),
            86 => (48, 16, 100 << 10),
            87 => (48, 16, 164 << 10),
            89 => (48, 24, 100 << 10),
            90 | 100 | 103 => (64, 32, 228 << 10),
            120 | 121 => (48, 24, 100 << 10),
            _ => return None,
        };
        Some(Multiprocessor { warps, blocks, shared, arch })
    }

    /// Returns the number of resident blocks of a kernel with that many threads per block, registers per thread (if
    /// known) and bytes of shared memory per block. Registers are allocated per warp in units of 256, shared memory per
    /// block in units of 128 bytes (256 on 7.5) plus 1 KiB reserved by the system (none on 7.5).
    pub fn holds(&self, threads: u32, registers: Option<u32>, shared: u32) -> u32 {
        let warps = threads.div_ceil(32).max(1);
        let by_registers = registers.map_or(self.blocks, |registers| {
            // Warps are allocated in fours, one for each partition of the multiprocessor with a quarter of the
            // registers.
            let of_warp = (registers.max(1) * 32).next_multiple_of(256);
            65536 / 4 / of_warp * 4 / warps
        });
        let of_block =
            if self.arch.number < 80 { shared.next_multiple_of(256) } else { shared.next_multiple_of(128) + 1024 };
        let by_memory = self.shared.checked_div(of_block).unwrap_or(self.blocks);
        self.blocks.min(self.warps / warps).min(by_registers).min(by_memory)
    }
}
