//! What a kernel on a GPU reports of a launch: the first fault.
//!
//! The record is memory of the device that a launch clears and the host reads afterwards, so kernels that report are
//! waited for. Its layout is `hidet_report` of the CUDA text.

use super::Binding;
use crate::codegen::{Source, VALUES};
use crate::cuda::{Context, Memory, Stream};
use crate::error::{Error, Result};
use crate::ir::{Function, fault};

/// Bytes of state, site, block and thread (8 words of 32 bits) and of the numbers (64 bits each).
const BYTES: usize = 32 + 8 * VALUES;

/// Where a kernel reports; one launch at a time uses it.
#[derive(Debug)]
pub(super) struct Record {
    memory: Memory,
}

impl Record {
    pub(super) fn new(context: &'static Context) -> Result<Record> {
        Ok(Record { memory: Memory::new(context, BYTES)? })
    }

    /// Its address on the device.
    pub(super) fn address(&self) -> u64 {
        self.memory.address()
    }

    /// Forgets what the launch before reported.
    pub(super) fn clear(&self, stream: Stream) -> Result<()> {
        self.memory.zero_on(stream)
    }

    /// Waits for the kernel; a fault that it reported is the error.
    pub(super) fn read(&self, function: &Function, source: &Source, binding: &Binding) -> Result<()> {
        let mut bytes = [0u8; BYTES];
        self.memory.read(0, &mut bytes)?;
        let word = |index: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[index * 4 + byte]));
        let long = |index: usize| i64::from_le_bytes(std::array::from_fn(|byte| bytes[32 + index * 8 + byte]));
        if word(0) == 0 {
            return Ok(());
        }
        let values: [i64; VALUES] = std::array::from_fn(long);
        let (message, place) = match source.sites.get(word(1) as usize) {
            Some(site) => (site.message.text(&values, &binding.dims), source.place_of(site)),
            None => ("a fault at an unknown site".to_owned(), "unknown place".to_owned()),
        };
        let block = std::array::from_fn(|axis| word(2 + axis));
        let thread = std::array::from_fn(|axis| word(5 + axis));
        let thread = fault::thread(thread, function.launch.block, block, binding.grid);
        let report = format!("\n{message}\n  --> {place}: {thread}");
        Err(Error::Fault { kernel: function.name.clone(), report })
    }
}
