//! Hands out runs of registers and takes them back.

use std::collections::HashMap;

/// So many values that follow each other, each of so many registers.
///
/// A run is used again only for one alike: strands of one warp may be in different places, and what one holds in its
/// lanes of a run is left alone by others only while all put a lane at the same bytes of it.
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

/// Registers numbered from a first one on.
pub struct RegisterAllocator {
    next: u32,
    free: HashMap<RegisterBlock, Vec<u32>>,
}

impl RegisterAllocator {
    pub fn starting_at(first: u32) -> RegisterAllocator {
        RegisterAllocator { next: first, free: HashMap::new() }
    }

    /// The first register of a run.
    pub fn take(&mut self, run: RegisterBlock) -> u32 {
        if let Some(first) = self.free.get_mut(&run).and_then(Vec::pop) {
            return first;
        }
        let first = self.next;
        self.next += run.registers();
        first
    }

    /// Makes the run free again.
    pub fn give(&mut self, first: u32, run: RegisterBlock) {
        self.free.entry(run).or_default().push(first);
    }

    /// How many were in use at once, the ones before the first included.
    pub fn most(&self) -> u32 {
        self.next
    }
}
