//! Pinned staging buffers, through which host arrays are copied.
//!
//! A device accesses host memory directly only if it is pinned. Other arrays go through buffers, piece by piece; the
//! host copies one piece while the device copies the next.

use super::Memory;
use super::context::{Context, lock};
use super::device_lock::DeviceLock;
use super::driver::Driver;
use super::stream::Stream;
use crate::error::Result;
use cudarc::driver::sys::{CUevent, CUstream};
use std::sync::Mutex;

/// Size of a buffer in bytes.
const PIECE: usize = 4 << 20;
/// Maximum number of buffers.
const BUFFERS: usize = 4;

/// The buffers of one device, `PIECE` bytes each.
#[derive(Default)]
pub(super) struct Staging(Mutex<Free>);

#[derive(Default)]
struct Free {
    /// Least recently used first.
    buffers: Vec<StagingBuffer>,
    made: usize,
}

/// Pinned memory, and an event for the end of its last copy.
pub(super) struct StagingBuffer {
    pub(super) address: *mut u8,
    pub(super) event: CUevent,
}

// SAFETY: events may be used from every thread; the owner of the buffer synchronizes accesses to its bytes.
unsafe impl Send for StagingBuffer {}
unsafe impl Sync for StagingBuffer {}

impl StagingBuffer {
    /// Allocates `bytes` bytes (not 0), or returns the driver's status. The context must be
    /// current.
    pub(super) fn new(context: &Context, bytes: usize) -> Result<StagingBuffer, u32> {
        let driver = context.driver;
        let (mut address, mut event) = (std::ptr::null_mut(), std::ptr::null_mut());
        // SAFETY: pointers are valid for a write. Flags 1: pinned for all contexts; 2: the event without timing.
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

    /// Frees it. No copy may still use it.
    pub(super) fn free(&self, context: &Context) {
        // SAFETY: both are freed once.
        unsafe {
            context.destroy(self.address.cast(), context.driver.cuMemFreeHost);
            context.destroy(self.event, context.driver.cuEventDestroy_v2);
        }
    }

    /// Submits a copy to (`up`) or from the device, after which the event is reached.
    ///
    /// # Safety
    /// The buffer and the memory at the address must have that many bytes; nothing else may use the buffer
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
        // SAFETY: the event lives as long as the buffer; one that was never recorded counts as reached.
        context.check("waiting for the device", unsafe { (context.driver.cuEventSynchronize)(self.event) })
    }
}

/// Copies between the host and the device and returns the driver's status.
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

/// Submits a copy between memory, from `offset` on, and a buffer that has as many bytes and is not in use.
fn through(buffer: &StagingBuffer, memory: &Memory, offset: usize, bytes: usize, up: bool) -> Result<()> {
    let (lock, stream) = memory.for_host(up)?;
    // SAFETY: the caller's duty; the memory is freed after this use.
    unsafe { buffer.copy(&lock, stream, memory.address() + offset as u64, bytes, up) }
}

/// Copies without a buffer, and waits for the copy.
///
/// # Safety
/// There must be `bytes` bytes at the host address.
unsafe fn direct(host: *mut u8, memory: &Memory, offset: usize, bytes: usize, up: bool) -> Result<()> {
    // The driver may wait for the work ahead, which no thread does while it holds the lock.
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
    /// Returns an unused buffer, waiting for one if necessary, or `None` if none could be allocated. The context must
    /// be current.
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

    /// Copies from a host array, which may be changed afterwards, to memory from `offset` on. The context must be
    /// current.
    pub(super) fn write(&self, memory: &Memory, offset: usize, from: &[u8]) -> Result<()> {
        for (index, piece) in from.chunks(PIECE).enumerate() {
            let first = index * PIECE;
            let Some(buffer) = self.take(memory.context())? else {
                let rest = &from[first..];
                // SAFETY: the bytes are only read.
                return unsafe { direct(rest.as_ptr().cast_mut(), memory, offset + first, rest.len(), true) };
            };
            // SAFETY: the buffer is at least as large, and this thread owns it.
            unsafe { std::ptr::copy_nonoverlapping(piece.as_ptr(), buffer.address, piece.len()) };
            let asked = through(&buffer, memory, offset + first, piece.len(), true);
            self.give_back(buffer);
            asked?;
        }
        Ok(())
    }

    /// Copies to a host array and waits for the copy. The context must be current.
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

    /// Copies each piece out of its buffer while the device fills the next.
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
