//! What a multiprocessor of an architecture has, as published, and how many blocks of a kernel that holds. Both devices
//! judge by it: what must run at once, and what is told of a kernel where there is no GPU to ask.

use super::Arch;

/// What a multiprocessor has (CUDA C++ programming guide, table of technical specifications per compute capability). All
/// have 65536 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiprocessor {
    /// Warps it has room for.
    pub warps: u32,
    /// Blocks it holds at most.
    pub blocks: u32,
    /// Bytes of shared memory.
    pub shared: u32,
    arch: Arch,
}

impl Multiprocessor {
    /// Nothing for an architecture that is not known.
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

    /// How many blocks it holds of a kernel with so many threads a block, registers a thread (where those are known) and
    /// bytes of shared memory a block. Registers are given out to warps in units of 256, shared memory to blocks in units of
    /// 128 bytes (256 on 7.5) after 1 KiB that the system takes (none on 7.5).
    pub fn holds(&self, threads: u32, registers: Option<u32>, shared: u32) -> u32 {
        let warps = threads.div_ceil(32).max(1);
        let by_registers = registers.map_or(self.blocks, |registers| {
            // Warps come in fours, one for each part of the multiprocessor with its quarter of the registers.
            let of_warp = (registers.max(1) * 32).next_multiple_of(256);
            65536 / 4 / of_warp * 4 / warps
        });
        let of_block =
            if self.arch.number < 80 { shared.next_multiple_of(256) } else { shared.next_multiple_of(128) + 1024 };
        let by_memory = self.shared.checked_div(of_block).unwrap_or(self.blocks);
        self.blocks.min(self.warps / warps).min(by_registers).min(by_memory)
    }
}
