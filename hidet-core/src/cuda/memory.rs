//! Device memory, and copies of it.

use super::context::Context;
use super::device_lock::DeviceLock;
use super::stream::Stream;
use super::uses::Uses;
use crate::error::Result;
use std::any::Any;

/// The driver's status when memory runs out.
const OUT_OF_MEMORY: u32 = 2;

/// An allocation on a device. Dropping it frees it after all work submitted so far. It knows which streams used it:
/// each use waits for those that must come before it.
pub struct Memory {
    context: &'static Context,
    address: u64,
    bytes: usize,
    pub(super) uses: Uses,
    /// The owner that frees it, if that is not the pool.
    owner: Option<Box<dyn Any + Send + Sync>>,
}

impl Memory {
    /// Allocates uninitialised bytes.
    pub fn new(context: &'static Context, bytes: usize) -> Result<Memory> {
        let mut memory =
            Memory { context, address: 0, bytes: 0, uses: Uses::by(context.stream().queue.bit()), owner: None };
        if bytes == 0 {
            return Ok(memory);
        }
        let mut status = memory.allocate(bytes)?;
        if status == OUT_OF_MEMORY {
            // Memory whose release is still pending may be enough.
            context.trim()?;
            status = memory.allocate(bytes)?;
        }
        if status == OUT_OF_MEMORY {
            let (free, total) = context.memory_info()?;
            let held = context.held();
            return Err(context.error(format!(
                "out of memory: {bytes} bytes requested, {free} of {total} bytes are free, tensors of this process \
                 hold {held}; drop some of them first, or use smaller ones"
            )));
        }
        context.check("allocating device memory", status)?;
        memory.bytes = bytes;
        context.hold(bytes as isize);
        Ok(memory)
    }

    fn allocate(&mut self, bytes: usize) -> Result<u32> {
        let _entered = self.context.enter()?;
        let driver = self.context.driver;
        // SAFETY: the pointer is valid for a write.
        Ok(unsafe {
            if self.context.async_memory() {
                (driver.cuMemAllocAsync)(&mut self.address, bytes, self.context.stream().queue.stream)
            } else {
                (driver.cuMemAlloc_v2)(&mut self.address, bytes)
            }
        })
    }

    /// Wraps memory of another owner, whose work on it is done; `owner` is dropped when all work here is done too.
    ///
    /// # Safety
    /// The bytes must be on the device and stay valid until `owner` is dropped.
    pub unsafe fn foreign(
        context: &'static Context,
        address: u64,
        bytes: usize,
        owner: Box<dyn Any + Send + Sync>,
    ) -> Memory {
        Memory { context, address, bytes, uses: Uses::by(context.stream().queue.bit()), owner: Some(owner) }
    }

    /// Waits for all uses of the memory and returns its address, without freeing it. Returns `None` if it does not come
    /// from the pool.
    pub fn into_address(mut self) -> Result<Option<u64>> {
        if self.owner.is_some() || !self.context.async_memory() {
            return Ok(None);
        }
        self.wait()?;
        self.context.hold(-(self.bytes as isize));
        Ok(Some(std::mem::take(&mut self.address)))
    }

    /// Returns its address on the device.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Returns its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Returns true if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Returns the device.
    pub fn context(&self) -> &'static Context {
        self.context
    }

    /// Makes a stream wait for earlier uses before it reads or writes the memory, and notes the use. The lock must be
    /// held until the use itself is submitted.
    #[inline]
    pub fn use_on(&self, lock: &DeviceLock, stream: Stream, write: bool) -> Result<()> {
        stream.use_all(lock, std::iter::once((self, write)))
    }

    /// Waits for all work submitted so far that uses the memory.
    pub fn wait(&self) -> Result<()> {
        let stream = self.context.stream();
        self.use_on(&stream.device_lock(false)?, stream, true)?;
        stream.synchronize()
    }

    /// Locks the device and returns the stream for a copy to or from the host, with the use noted on it: the stream
    /// that wrote last, unless it is captured.
    pub(super) fn for_host(&self, write: bool) -> Result<(DeviceLock<'static>, Stream)> {
        let lock = self.context.device_lock()?;
        let last = self.context.stream_at(self.uses.writer(&lock).trailing_zeros() as usize);
        let stream = if lock.captures(last.queue) { self.context.stream() } else { last };
        self.use_on(&lock, stream, write)?;
        Ok((lock, stream))
    }

    pub(super) fn within(&self, offset: usize, bytes: usize) -> Result<()> {
        if offset.checked_add(bytes).is_some_and(|end| end <= self.bytes) {
            return Ok(());
        }
        Err(self.context.error(format!("a copy of {bytes} bytes at {offset} of an allocation of {} bytes", self.bytes)))
    }

    /// Copies bytes in. The caller may change them when it returns, though the copy may still be in flight.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<()> {
        self.within(offset, from.len())?;
        if from.is_empty() {
            return Ok(());
        }
        let _entered = self.context.enter()?;
        self.context.staging.write(self, offset, from)
    }

    /// Copies bytes out, after all work submitted so far that writes them.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> Result<()> {
        self.within(offset, to.len())?;
        if to.is_empty() {
            return Ok(());
        }
        let _entered = self.context.enter()?;
        self.context.staging.read(self, offset, to)
    }

    /// Copies all bytes of another allocation of the same device, in the order of the default stream, without waiting.
    pub fn copy_from(&self, from: &Memory) -> Result<()> {
        self.copy_on(self.context.stream(), 0, from, 0, from.bytes, false)
    }

    /// Copies bytes of another allocation, in the order of a stream of this one's device, without waiting. If the
    /// stream is captured, the copy is recorded, and the replay orders it.
    pub fn copy_on(
        &self,
        stream: Stream,
        offset: usize,
        from: &Memory,
        first: usize,
        bytes: usize,
        captured: bool,
    ) -> Result<()> {
        self.within(offset, bytes)?;
        from.within(first, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        let context = self.context;
        let (target, source) = (self.address + offset as u64, from.address + first as u64);
        if from.context.ordinal == context.ordinal {
            let lock = stream.device_lock(captured)?;
            if !captured {
                self.use_on(&lock, stream, true)?;
                from.use_on(&lock, stream, false)?;
            }
            // SAFETY: both ranges are valid, and freed after this use.
            let status = unsafe { (context.driver.cuMemcpyDtoDAsync_v2)(target, source, bytes, stream.queue.stream) };
            return context.check("copying on the device", status);
        }
        // The other device's streams are not known here: its default stream stands for the copy, before and after. Each
        // device is locked by itself, so that no thread waits for one while it holds another.
        let theirs = from.context.stream();
        from.use_on(&theirs.device_lock(false)?, theirs, false)?;
        let before = theirs.record()?;
        let lock = stream.device_lock(false)?;
        self.use_on(&lock, stream, true)?;
        stream.wait_in(&lock, before.handle())?;
        // SAFETY: both ranges are valid, and freed after this use.
        let status = unsafe {
            (context.driver.cuMemcpyPeerAsync)(
                target,
                context.context,
                source,
                from.context.context,
                bytes,
                stream.queue.stream,
            )
        };
        context.check("copying between devices", status)?;
        drop(lock);
        theirs.wait(&stream.record()?)?;
        // A use in between has replaced the note, so the read is noted again.
        from.use_on(&theirs.device_lock(false)?, theirs, false)
    }

    /// Sets all bytes to 0.
    pub fn zero(&self) -> Result<()> {
        self.fill_on(self.context.stream(), 0)
    }

    /// Sets all bytes to one value, in the order of a stream.
    pub fn fill_on(&self, stream: Stream, byte: u8) -> Result<()> {
        self.fill_in(&stream.device_lock(false)?, stream, byte)
    }

    /// Sets all bytes to one value, under a lock that the caller holds.
    pub fn fill_in(&self, lock: &DeviceLock, stream: Stream, byte: u8) -> Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        self.use_on(lock, stream, true)?;
        // SAFETY: the range is the allocation.
        let status =
            unsafe { (self.context.driver.cuMemsetD8Async)(self.address, byte, self.bytes, stream.queue.stream) };
        self.context.check("filling device memory", status)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.owner.is_some() {
            // The owner does not know the streams here.
            let _ = self.wait();
            return;
        }
        if self.address == 0 {
            return;
        }
        self.context.hold(-(self.bytes as isize));
        // Freed in the order of the stream that allocated it, after all others. A failure leaks it.
        let home = self.context.stream();
        let Ok(lock) = home.device_lock(false) else { return };
        if self.use_on(&lock, home, true).is_err() {
            return;
        }
        // SAFETY: the allocation is freed once.
        unsafe {
            let _ = if self.context.async_memory() {
                (self.context.driver.cuMemFreeAsync)(self.address, home.queue.stream)
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
