//! Pinned host memory, which devices copy directly and asynchronously.

use super::Memory;
use super::context::Context;
use super::staging::StagingBuffer;
use super::stream::Stream;
use crate::error::Result;

/// Pinned (page-locked) host memory. Copies between it and a device do not wait; accessing its bytes waits for them,
/// and for nothing else. Copies are ordered one after the other, even on different streams.
pub struct Pinned {
    context: &'static Context,
    /// `None` if it has no bytes.
    buffer: Option<StagingBuffer>,
    bytes: usize,
}

impl Pinned {
    /// Allocates zeroed bytes, aligned to a page.
    pub fn new(context: &'static Context, bytes: usize) -> Result<Pinned> {
        if bytes == 0 {
            return Ok(Pinned { context, buffer: None, bytes });
        }
        let _entered = context.enter()?;
        let buffer = match StagingBuffer::new(context, bytes) {
            Ok(buffer) => buffer,
            Err(2) => {
                return Err(context.error(format!("out of pinned host memory: {bytes} bytes requested")));
            }
            Err(status) => return Err(context.failure("allocating pinned host memory", status)),
        };
        // SAFETY: the buffer has that many bytes.
        unsafe { std::ptr::write_bytes(buffer.address, 0, bytes) };
        Ok(Pinned { context, buffer: Some(buffer), bytes })
    }

    /// Returns its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Returns true if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Waits for all copies from and to it and returns its bytes.
    pub fn bytes(&self) -> Result<&[u8]> {
        let Some(buffer) = self.waited()? else { return Ok(&[]) };
        // SAFETY: the buffer has that many bytes, all initialised; copies into it need a mutable borrow.
        Ok(unsafe { std::slice::from_raw_parts(buffer.address, self.bytes) })
    }

    /// Waits for all copies from and to it and returns its bytes, mutable.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        let Some(buffer) = self.waited()? else { return Ok(&mut []) };
        // SAFETY: as above, and the borrow is exclusive.
        Ok(unsafe { std::slice::from_raw_parts_mut(buffer.address, self.bytes) })
    }

    /// Waits for all copies and returns the buffer.
    fn waited(&self) -> Result<Option<&StagingBuffer>> {
        let Some(buffer) = &self.buffer else { return Ok(None) };
        let _entered = self.context.enter()?;
        buffer.wait(self.context).map(|()| Some(buffer))
    }

    /// Copies all its bytes to a device, in the order of a stream, without waiting.
    pub fn upload(&self, stream: Stream, to: &Memory, offset: usize) -> Result<()> {
        self.copy(stream, to, offset, true)
    }

    /// Fills it with bytes of a device, in the order of a stream, without waiting.
    pub fn download(&mut self, stream: Stream, from: &Memory, offset: usize) -> Result<()> {
        self.copy(stream, from, offset, false)
    }

    fn copy(&self, stream: Stream, memory: &Memory, offset: usize, up: bool) -> Result<()> {
        let context = memory.context();
        memory.within(offset, self.bytes)?;
        if self.context.ordinal != context.ordinal {
            return Err(context.error(format!("the host memory was allocated for {}", self.context.name())));
        }
        let Some(buffer) = &self.buffer else { return Ok(()) };
        let lock = stream.device_lock(false)?;
        memory.use_on(&lock, stream, up)?;
        // Copies are ordered, so that the end of the last one is the end of all.
        stream.wait_in(&lock, buffer.event)?;
        // SAFETY: both have that many bytes and are freed after this use; every access to the buffer waits for the
        // copy.
        unsafe { buffer.copy(&lock, stream, memory.address() + offset as u64, self.bytes, up) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // If waiting fails, a copy may still use it, so it is leaked.
        if let Ok(Some(buffer)) = self.waited() {
            buffer.free(self.context);
        }
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pinned({} bytes for {:?})", self.bytes, self.context)
    }
}
