//! Hands out runs of registers and takes them back.

use std::collections::HashMap;

/// Registers numbered from a first one on.
pub struct Registers {
    next: u32,
    /// Runs that are free, by length.
    free: HashMap<u32, Vec<u32>>,
}

impl Registers {
    pub fn starting_at(first: u32) -> Registers {
        Registers { next: first, free: HashMap::new() }
    }

    /// The first of `count` registers that follow each other.
    pub fn take(&mut self, count: u32) -> u32 {
        if let Some(run) = self.free.get_mut(&count).and_then(Vec::pop) {
            return run;
        }
        let run = self.next;
        self.next += count;
        run
    }

    /// Makes them free again.
    pub fn give(&mut self, first: u32, count: u32) {
        self.free.entry(count).or_default().push(first);
    }

    /// How many were in use at once, the ones before the first included.
    pub fn most(&self) -> u32 {
        self.next
    }
}
