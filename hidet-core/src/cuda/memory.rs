//! Device memory.

use super::context::Context;
use crate::error::Result;
use std::sync::Arc;

/// An allocation on a device, given back when dropped, after all work asked for so far.
pub struct Memory {
    context: Arc<Context>,
    address: u64,
    bytes: usize,
}

impl Memory {
    /// That many bytes, unset.
    pub fn new(context: &Arc<Context>, bytes: usize) -> Result<Memory> {
        let mut memory = Memory { context: context.clone(), address: 0, bytes };
        if bytes == 0 {
            return Ok(memory);
        }
        context.bind()?;
        let driver = context.driver;
        // SAFETY: the pointer is valid for a write; the stream is the context's.
        let status = unsafe {
            if context.async_memory() {
                (driver.cuMemAllocAsync)(&mut memory.address, bytes, context.stream)
            } else {
                (driver.cuMemAlloc_v2)(&mut memory.address, bytes)
            }
        };
        if status == 2 {
            let total = context.properties.memory;
            return Err(context.error(format!("out of memory: {bytes} bytes asked for, the device has {total} in all")));
        }
        context.check("allocating device memory", status)?;
        Ok(memory)
    }

    /// Its address on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The device.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    fn within(&self, offset: usize, bytes: usize) -> Result<()> {
        if offset.checked_add(bytes).is_some_and(|end| end <= self.bytes) {
            return Ok(());
        }
        Err(self.context.error(format!("a copy of {bytes} bytes at {offset} of an allocation of {} bytes", self.bytes)))
    }

    /// Copies bytes in, and waits until `from` may be changed.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        self.within(offset, from.len())?;
        if from.is_empty() {
            return Ok(());
        }
        let context = &self.context;
        context.bind()?;
        let to = self.address + offset as u64;
        // SAFETY: both ranges are valid; the call below waits until the source is read.
        let status =
            unsafe { (context.driver.cuMemcpyHtoDAsync_v2)(to, from.as_ptr().cast(), from.len(), context.stream) };
        context.check("copying to the device", status)?;
        context.synchronize()
    }

    /// Copies bytes out, after all work asked for so far.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        self.within(offset, to.len())?;
        if to.is_empty() {
            return Ok(());
        }
        let context = &self.context;
        context.bind()?;
        let from = self.address + offset as u64;
        // SAFETY: both ranges are valid; the call below waits until the copy is done.
        let status =
            unsafe { (context.driver.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from, to.len(), context.stream) };
        context.check("copying from the device", status)?;
        context.synchronize()
    }

    /// Copies all bytes of another allocation of the same device, in the order of the stream, without waiting.
    pub fn copy_from(&self, from: &Memory) -> Result<()> {
        self.within(0, from.bytes)?;
        if from.context.ordinal != self.context.ordinal {
            return Err(self.context.error(format!("a copy from an allocation on {}", from.context.name())));
        }
        if from.bytes == 0 {
            return Ok(());
        }
        let context = &self.context;
        context.bind()?;
        // SAFETY: both ranges are valid, and given back in the order of the stream.
        let status =
            unsafe { (context.driver.cuMemcpyDtoDAsync_v2)(self.address, from.address, from.bytes, context.stream) };
        context.check("copying on the device", status)
    }

    /// Makes all bytes 0.
    pub fn zero(&self) -> Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        self.context.bind()?;
        // SAFETY: the range is the allocation.
        let status = unsafe { (self.context.driver.cuMemsetD8Async)(self.address, 0, self.bytes, self.context.stream) };
        self.context.check("clearing device memory", status)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.address == 0 || self.context.bind().is_err() {
            return;
        }
        // SAFETY: the allocation is given back once, in the order of the stream. A failure leaks it.
        unsafe {
            let _ = if self.context.async_memory() {
                (self.context.driver.cuMemFreeAsync)(self.address, self.context.stream)
            } else {
                (self.context.driver.cuMemFree_v2)(self.address)
            };
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} bytes on {:?})", self.bytes, self.context)
    }
}
