//! Buffers of page-locked host memory, through which host arrays are copied.
//!
//! A device reads and writes host memory by itself only where it is page-locked. Other arrays go through buffers, a piece
//! at a time, one piece copied by the host while the device has the next.

use super::Memory;
use super::context::{Context, lock};
use super::device_lock::DeviceLock;
use super::driver::Driver;
use super::stream::Stream;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream};
use std::sync::Mutex;

/// Bytes of a buffer.
const PIECE: usize = 4 << 20;
/// How many buffers there are at most.
const BUFFERS: usize = 4;

/// Buffers of one device, `PIECE` bytes each.
#[derive(Default)]
pub(super) struct Staging(Mutex<Free>);

#[derive(Default)]
struct Free {
    /// Longest unused first.
    buffers: Vec<StagingBuffer>,
    made: usize,
}

/// Page-locked memory, and the end of its last copy.
pub(super) struct StagingBuffer {
    pub(super) address: *mut u8,
    pub(super) event: CUevent,
}

// SAFETY: events may be used from every thread; the bytes are the business of whoever has the buffer.
unsafe impl Send for StagingBuffer {}
unsafe impl Sync for StagingBuffer {}

impl StagingBuffer {
    /// That many bytes, which is not 0; the driver's status where there are none to be had. The context must be
    /// current.
    pub(super) fn new(context: &Context, bytes: usize) -> Result<StagingBuffer, u32> {
        let driver = context.driver;
        let (mut address, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: pointers are valid for a write. 1: for all contexts; 2: the event tells no time.
        match unsafe { (driver.cuMemHostAlloc)(&mut address, bytes, 1) } {
            0 => {}
            status => return Err(status),
        }
        let buffer = |event| StagingBuffer { address: address.cast(), event };
        // SAFETY: as above.
        match unsafe { (driver.cuEventCreate)(&mut event, 2) } {
            0 => Ok(buffer(event)),
            status => {
                buffer(std::ptr::null_mut()).free(context);
                Err(status)
            }
        }
    }

    /// Gives it back. No copy may use it any more.
    pub(super) fn free(&self, context: &Context) {
        // SAFETY: both are given back once.
        unsafe {
            context.destroy(self.address.cast(), context.driver.cuMemFreeHost);
            context.destroy(self.event, context.driver.cuEventDestroy_v2);
        }
    }

    /// Asks for a copy to (`up`) or from the device, after which the event is reached.
    ///
    /// # Safety
    /// The buffer must have that many bytes, and so must the memory at the address; nobody else may use the buffer
    /// until the event is reached.
    pub(super) unsafe fn copy(
        &self,
        _: &DeviceLock,
        stream: Stream,
        address: u64,
        bytes: usize,
        up: bool,
    ) -> Result<()> {
        let (context, queue) = (stream.context, stream.queue.stream);
        // SAFETY: the caller's duty.
        let status = unsafe {
            match copy(context.driver, self.address, address, bytes, up, queue) {
                0 => (context.driver.cuEventRecord)(self.event, queue),
                status => status,
            }
        };
        context.check(what(up), status)
    }

    /// Waits for the end of its last copy. The context must be current.
    pub(super) fn wait(&self, context: &Context) -> Result<()> {
        // SAFETY: the event lives as long as the buffer; one that was never recorded is reached.
        context.check("waiting for the device", unsafe { (context.driver.cuEventSynchronize)(self.event) })
    }
}

/// The driver's copy between the host and the device; its status.
///
/// # Safety
/// Both must have that many bytes until the copy is done, and the context must be current.
unsafe fn copy(driver: &Driver, host: *mut u8, address: u64, bytes: usize, up: bool, queue: CUstream) -> u32 {
    // SAFETY: the caller's duty.
    unsafe {
        if up {
            (driver.cuMemcpyHtoDAsync_v2)(address, host.cast_const().cast(), bytes, queue)
        } else {
            (driver.cuMemcpyDtoHAsync_v2)(host.cast(), address, bytes, queue)
        }
    }
}

fn what(up: bool) -> &'static str {
    if up { "copying to the device" } else { "copying from the device" }
}

/// Asks for a copy between memory, from `offset` on, and a buffer that has as many bytes and nobody else.
fn through(buffer: &StagingBuffer, memory: &Memory, offset: usize, bytes: usize, up: bool) -> Result<()> {
    let (lock, stream) = memory.for_host(up)?;
    // SAFETY: the caller's duty; the memory is given back after this use.
    unsafe { buffer.copy(&lock, stream, memory.address() + offset as u64, bytes, up) }
}

/// A copy without a buffer, which is waited for.
///
/// # Safety
/// The host must have that many bytes at the address.
unsafe fn direct(host: *mut u8, memory: &Memory, offset: usize, bytes: usize, up: bool) -> Result<()> {
    // The driver may wait for what is ahead, which nobody does while holding the device lock.
    memory.wait()?;
    let (lock, stream) = memory.for_host(up)?;
    let (context, address) = (stream.context, memory.address() + offset as u64);
    // SAFETY: the caller's duty; the copy is done when this returns.
    let status = unsafe { copy(context.driver, host, address, bytes, up, stream.queue.stream) };
    drop(lock);
    context.check(what(up), status)?;
    stream.synchronize()
}

impl Staging {
    /// A buffer nobody uses; nothing where there is none to be had. The context must be current.
    fn take(&self, context: &Context) -> Result<Option<StagingBuffer>> {
        let driver = context.driver;
        let mut free = lock(&self.0);
        // SAFETY: events live as long as their buffers.
        let reached = free.buffers.iter().position(|buffer| unsafe { (driver.cuEventQuery)(buffer.event) } == 0);
        if let Some(index) = reached {
            return Ok(Some(free.buffers.remove(index)));
        }
        if free.made < BUFFERS {
            if let Ok(buffer) = StagingBuffer::new(context, PIECE) {
                free.made += 1;
                return Ok(Some(buffer));
            }
        }
        if free.buffers.is_empty() {
            return Ok(None);
        }
        let buffer = free.buffers.remove(0);
        drop(free);
        buffer.wait(context).map(|()| Some(buffer))
    }

    fn give_back(&self, buffer: StagingBuffer) {
        lock(&self.0).buffers.push(buffer);
    }

    /// Copies from a host array, which may be changed when it returns, to memory from `offset` on. The context must be
    /// current.
    pub(super) fn write(&self, memory: &Memory, offset: usize, from: &[u8]) -> Result<()> {
        for (index, piece) in from.chunks(PIECE).enumerate() {
            let first = index * PIECE;
            let Some(buffer) = self.take(memory.context())? else {
                let rest = &from[first..];
                // SAFETY: the bytes are read alone.
                return unsafe { direct(rest.as_ptr().cast_mut(), memory, offset + first, rest.len(), true) };
            };
            // SAFETY: the buffer is at least as large and nobody else has it.
            unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), buffer.address, piece.len()) };
            let asked = through(&buffer, memory, offset + first, piece.len(), true);
            self.give_back(buffer);
            asked?;
        }
        Ok(())
    }

    /// Copies to a host array, and waits for it. The context must be current.
    pub(super) fn read(&self, memory: &Memory, offset: usize, to: &mut [u8]) -> Result<()> {
        let first = self.take(memory.context())?;
        let second = if to.len() > PIECE { self.take(memory.context())? } else { None };
        let buffers: Vec<StagingBuffer> = first.into_iter().chain(second).collect();
        if buffers.is_empty() {
            // SAFETY: the array has that many bytes.
            return unsafe { direct(to.as_mut_ptr(), memory, offset, to.len(), false) };
        }
        let result = self.read_through(&buffers, memory, offset, to);
        buffers.into_iter().for_each(|buffer| self.give_back(buffer));
        result
    }

    /// A piece is copied out of its buffer while the device fills the next.
    fn read_through(&self, buffers: &[StagingBuffer], memory: &Memory, offset: usize, to: &mut [u8]) -> Result<()> {
        let total = to.len();
        let start = |piece: usize| {
            let first = piece * PIECE;
            through(&buffers[piece % buffers.len()], memory, offset + first, PIECE.min(total - first), false)
        };
        let pieces = total.div_ceil(PIECE);
        (0..pieces.min(buffers.len())).try_for_each(start)?;
        for (piece, part) in to.chunks_mut(PIECE).enumerate() {
            let buffer = &buffers[piece % buffers.len()];
            buffer.wait(memory.context())?;
            // SAFETY: the buffer was copied into, and has at least as many bytes.
            unsafe { std::ptr::copy_nonoverlapping(buffer.address, part.as_mut_ptr(), part.len()) };
            if piece + buffers.len() < pieces {
                start(piece + buffers.len())?;
            }
        }
        Ok(())
    }
}
