//! Allocates blocks of registers.

use std::collections::HashMap;

/// The size of a block of registers: consecutive values, each of some registers.
///
/// A block is reused only for one of the same size. Strands of a warp may be at different instructions; each must leave
/// the lanes of the others alone, which holds only if all use the same bytes of a block for a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RegisterBlock {
    pub values: u32,
    pub each: u32,
}

impl RegisterBlock {
    fn registers(self) -> u32 {
        self.values * self.each
    }
}

/// Allocates registers from a first number on.
pub struct RegisterAllocator {
    next: u32,
    free: HashMap<RegisterBlock, Vec<u32>>,
}

impl RegisterAllocator {
    pub fn starting_at(first: u32) -> RegisterAllocator {
        RegisterAllocator { next: first, free: HashMap::new() }
    }

    /// Allocates a block, and returns its first register.
    pub fn take(&mut self, block: RegisterBlock) -> u32 {
        if let Some(first) = self.free.get_mut(&block).and_then(Vec::pop) {
            return first;
        }
        let first = self.next;
        self.next += block.registers();
        first
    }

    /// Releases a block.
    pub fn release(&mut self, first: u32, block: RegisterBlock) {
        self.free.entry(block).or_default().push(first);
    }

    /// Returns the number of registers used, including those before the first.
    pub fn count(&self) -> u32 {
        self.next
    }
}
