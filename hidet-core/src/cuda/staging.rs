//! Page-locked memory of the host: buffers through which host arrays are copied, and arrays that are copied as they are.
//!
//! A device reads and writes host memory by itself only where it is page-locked. Other arrays go through buffers, a piece
//! at a time, one piece copied by the host while the device has the next.

use super::context::{Context, lock};
use super::stream::Stream;
use super::uses::Uses;
use crate::error::Result;
use cudarc::driver::sys::CUevent;
use std::sync::Mutex;

/// Bytes of a buffer.
const PIECE: usize = 4 << 20;
/// How many buffers there are at most.
const BUFFERS: usize = 4;
/// Reads of at most so many bytes are left to the driver, which is as fast there.
const SMALL: usize = 64 << 10;

/// Buffers of one device.
#[derive(Default)]
pub(super) struct Staging(Mutex<Free>);

#[derive(Default)]
struct Free {
    /// Longest unused first.
    buffers: Vec<Buffer>,
    made: usize,
}

/// `PIECE` bytes, and the end of their last use.
struct Buffer {
    address: *mut u8,
    event: CUevent,
}

// SAFETY: whoever has taken a buffer has it alone.
unsafe impl Send for Buffer {}

impl Staging {
    /// A buffer nobody uses; nothing where there is none to be had. The context must be current.
    fn take(&self, context: &Context) -> Result<Option<Buffer>> {
        let driver = context.driver;
        let mut free = lock(&self.0);
        // SAFETY: events live as long as their buffers.
        let reached = free.buffers.iter().position(|buffer| unsafe { (driver.cuEventQuery)(buffer.event) } == 0);
        if let Some(index) = reached {
            return Ok(Some(free.buffers.remove(index)));
        }
        if free.made < BUFFERS {
            let (mut address, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
            // SAFETY: pointers are valid for a write. 1: for all contexts; 2: the event tells no time.
            unsafe {
                if (driver.cuMemHostAlloc)(&mut address, PIECE, 1) == 0 {
                    context.check("cuEventCreate", (driver.cuEventCreate)(&mut event, 2))?;
                    free.made += 1;
                    return Ok(Some(Buffer { address: address.cast(), event }));
                }
            }
        }
        if free.buffers.is_empty() {
            return Ok(None);
        }
        let buffer = free.buffers.remove(0);
        // SAFETY: as above.
        let status = unsafe { (driver.cuEventSynchronize)(buffer.event) };
        context.check("waiting for the device", status).map(|()| Some(buffer))
    }

    fn give_back(&self, buffer: Buffer) {
        lock(&self.0).buffers.push(buffer);
    }

    /// Copies from a host array, which may be changed when it returns. The context must be current.
    pub(super) fn write(&self, stream: Stream, to: u64, from: &[u8]) -> Result<()> {
        let (context, queue) = (stream.context, stream.queue.stream);
        let mut offset = 0;
        for piece in from.chunks(PIECE) {
            let Some(buffer) = self.take(context)? else {
                let rest = &from[offset..];
                // SAFETY: both ranges are valid; the call below waits until the source is read.
                let status = unsafe {
                    (context.driver.cuMemcpyHtoDAsync_v2)(to + offset as u64, rest.as_ptr().cast(), rest.len(), queue)
                };
                context.check("copying to the device", status)?;
                return stream.synchronize();
            };
            // SAFETY: the buffer is at least as large and nobody else has it; the event is reached after the copy.
            let status = unsafe {
                std::ptr::copy_nonoverlapping(piece.as_ptr(), buffer.address, piece.len());
                let address = buffer.address.cast_const().cast();
                match (context.driver.cuMemcpyHtoDAsync_v2)(to + offset as u64, address, piece.len(), queue) {
                    0 => (context.driver.cuEventRecord)(buffer.event, queue),
                    status => status,
                }
            };
            self.give_back(buffer);
            context.check("copying to the device", status)?;
            offset += piece.len();
        }
        Ok(())
    }

    /// Copies to a host array, and waits for it. The context must be current.
    pub(super) fn read(&self, stream: Stream, from: u64, to: &mut [u8]) -> Result<()> {
        let context = stream.context;
        if to.len() > SMALL {
            let first = self.take(context)?;
            let second = if to.len() > PIECE { self.take(context)? } else { None };
            let buffers: Vec<Buffer> = first.into_iter().chain(second).collect();
            let result = (!buffers.is_empty()).then(|| self.read_through(&buffers, stream, from, to));
            buffers.into_iter().for_each(|buffer| self.give_back(buffer));
            if let Some(result) = result {
                return result;
            }
        }
        // SAFETY: both ranges are valid; the call below waits until the copy is done.
        let status = unsafe {
            (context.driver.cuMemcpyDtoHAsync_v2)(to.as_mut_ptr().cast(), from, to.len(), stream.queue.stream)
        };
        context.check("copying from the device", status)?;
        stream.synchronize()
    }

    /// A piece is copied out of its buffer while the device fills the next.
    fn read_through(&self, buffers: &[Buffer], stream: Stream, from: u64, to: &mut [u8]) -> Result<()> {
        let (context, queue) = (stream.context, stream.queue.stream);
        let total = to.len();
        let start = |piece: usize| {
            let (buffer, offset) = (&buffers[piece % buffers.len()], piece * PIECE);
            // SAFETY: the buffer is at least as large and nobody else has it; the event is reached after the copy.
            let status = unsafe {
                let address = buffer.address.cast();
                let bytes = PIECE.min(total - offset);
                match (context.driver.cuMemcpyDtoHAsync_v2)(address, from + offset as u64, bytes, queue) {
                    0 => (context.driver.cuEventRecord)(buffer.event, queue),
                    status => status,
                }
            };
            context.check("copying from the device", status)
        };
        let pieces = total.div_ceil(PIECE);
        (0..pieces.min(buffers.len())).try_for_each(start)?;
        for (piece, part) in to.chunks_mut(PIECE).enumerate() {
            let buffer = &buffers[piece % buffers.len()];
            // SAFETY: the event was recorded after the copy into the buffer, which has at least as many bytes.
            unsafe {
                context.check("copying from the device", (context.driver.cuEventSynchronize)(buffer.event))?;
                std::ptr::copy_nonoverlapping(buffer.address, part.as_mut_ptr(), part.len());
            }
            if piece + buffers.len() < pieces {
                start(piece + buffers.len())?;
            }
        }
        Ok(())
    }
}

/// Page-locked host memory. Copies between it and a device do not wait; looking at it waits for them.
pub struct Pinned {
    context: &'static Context,
    address: *mut u8,
    bytes: usize,
    uses: Uses,
}

// SAFETY: the bytes are reached through references alone, and by copies, which are waited for.
unsafe impl Send for Pinned {}
unsafe impl Sync for Pinned {}

impl Pinned {
    /// That many bytes, all 0, aligned to a page.
    pub fn new(context: &'static Context, bytes: usize) -> Result<Pinned> {
        let mut address = std::ptr::null_mut();
        if bytes > 0 {
            let _entered = context.enter()?;
            // SAFETY: the pointer is valid for a write. 1: for all contexts.
            let status = unsafe { (context.driver.cuMemHostAlloc)(&mut address, bytes, 1) };
            if status == 2 {
                return Err(context.error(format!("out of page-locked host memory: {bytes} bytes asked for")));
            }
            context.check("allocating page-locked host memory", status)?;
            // SAFETY: the allocation has that many bytes.
            unsafe { std::ptr::write_bytes(address.cast::<u8>(), 0, bytes) };
        }
        Ok(Pinned { context, address: address.cast(), bytes, uses: Uses::by(context.stream().queue.bit()) })
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Its bytes, after all copies into it.
    pub fn bytes(&self) -> Result<&[u8]> {
        self.wait(false)?;
        // SAFETY: the allocation has that many bytes, and all are set; copies into it need it mutably.
        Ok(if self.bytes == 0 { &[] } else { unsafe { std::slice::from_raw_parts(self.address, self.bytes) } })
    }

    /// Its bytes, after all copies of it.
    pub fn bytes_mut(&mut self) -> Result<&mut [u8]> {
        self.wait(true)?;
        // SAFETY: as above, and nobody else has it.
        Ok(if self.bytes == 0 { &mut [] } else { unsafe { std::slice::from_raw_parts_mut(self.address, self.bytes) } })
    }

    fn wait(&self, write: bool) -> Result<()> {
        let streams = if write { self.uses.all() } else { self.uses.writer() };
        let each = (0..64).filter(|index| streams >> index & 1 == 1);
        each.map(|index| self.context.stream_at(index)).try_for_each(|stream| stream.synchronize())
    }

    /// Copies all its bytes to a device, in the order of a stream, without waiting.
    pub fn upload(&self, stream: Stream, to: &super::Memory, offset: usize) -> Result<()> {
        self.copy(stream, to, offset, true)
    }

    /// Fills it with bytes of a device, in the order of a stream, without waiting.
    pub fn download(&mut self, stream: Stream, from: &super::Memory, offset: usize) -> Result<()> {
        self.copy(stream, from, offset, false)
    }

    fn copy(&self, stream: Stream, memory: &super::Memory, offset: usize, up: bool) -> Result<()> {
        let context = memory.context();
        if offset.checked_add(self.bytes).is_none_or(|end| end > memory.len()) {
            let (bytes, size) = (self.bytes, memory.len());
            return Err(context.error(format!("a copy of {bytes} bytes at {offset} of an allocation of {size} bytes")));
        }
        if self.bytes == 0 {
            return Ok(());
        }
        if self.context.ordinal != context.ordinal {
            return Err(context.error(format!("the host memory was made for {}", self.context.name())));
        }
        let _entered = context.enter()?;
        memory.use_on(stream, up)?;
        let others = self.uses.note(stream.queue.bit(), !up);
        context.order(stream.queue, others)?;
        let address = memory.address() + offset as u64;
        // SAFETY: both ranges are valid, and given back after this use.
        let status = unsafe {
            if up {
                (context.driver.cuMemcpyHtoDAsync_v2)(address, self.address.cast(), self.bytes, stream.queue.stream)
            } else {
                (context.driver.cuMemcpyDtoHAsync_v2)(self.address.cast(), address, self.bytes, stream.queue.stream)
            }
        };
        context.check(if up { "copying to the device" } else { "copying from the device" }, status)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if self.address.is_null() || self.wait(true).is_err() {
            return;
        }
        if let Ok(_entered) = self.context.enter() {
            // SAFETY: the allocation is given back once, and no copy uses it any more.
            let _ = unsafe { (self.context.driver.cuMemFreeHost)(self.address.cast()) };
        }
    }
}

impl std::fmt::Debug for Pinned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pinned({} bytes for {:?})", self.bytes, self.context)
    }
}
