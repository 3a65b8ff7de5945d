//! Global memory of the simulated device: an allocation that outlives launches and remembers which bytes were written.
//!
//! Blocks run on several host threads, so every access is an atomic one of its size (a plain move on the host). Knows
//! nothing of tensors, kernels or clocks.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A device allocation. Its first byte counts as aligned to 256 bytes.
pub struct Memory {
    words: Box<[UnsafeCell<u64>]>,
    bytes: usize,
    /// One a byte, not 0 where it was written; empty where all were from the start.
    written: Box<[AtomicU8]>,
    all_written: AtomicBool,
}

// SAFETY: the words are only accessed through atomics.
unsafe impl Sync for Memory {}
unsafe impl Send for Memory {}

impl Memory {
    /// An allocation of that many bytes, none of them initialised.
    pub fn uninit(bytes: usize) -> Memory {
        let written = (0..bytes).map(|_| AtomicU8::new(0)).collect();
        Memory { words: zeroed(bytes), bytes, written, all_written: AtomicBool::new(bytes == 0) }
    }

    /// An allocation holding these bytes.
    pub fn from_bytes(data: &[u8]) -> Memory {
        let memory = Memory {
            words: zeroed(data.len()),
            bytes: data.len(),
            written: Box::default(),
            all_written: AtomicBool::new(true),
        };
        memory.copy_in(0, data);
        memory
    }

    /// Its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Copies bytes out, from `offset` on; what lies beyond the end is left as it was. Bytes never written are 0.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        for (index, byte) in to.iter_mut().enumerate() {
            if offset + index < self.bytes {
                // SAFETY: within bounds.
                *byte = unsafe { self.load::<1>(offset + index) } as u8;
            }
        }
    }

    /// Copies bytes in, from `offset` on, and marks them initialised; what would lie beyond the end is dropped.
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.copy_in(offset, from);
        self.mark(offset, from.len());
    }

    fn copy_in(&self, offset: usize, from: &[u8]) {
        for (index, byte) in from.iter().enumerate() {
            if offset + index < self.bytes {
                // SAFETY: within bounds.
                unsafe { self.store::<1>(offset + index, *byte as u64) };
            }
        }
    }

    /// Whether all of these bytes were written at some time.
    pub fn is_written(&self, offset: usize, bytes: usize) -> bool {
        self.all_written.load(Relaxed) || (offset..offset + bytes).all(|at| self.flag(at).is_none_or(|flag| flag != 0))
    }

    fn flag(&self, at: usize) -> Option<u8> {
        self.written.get(at).map(|flag| flag.load(Relaxed))
    }

    /// Notes that these bytes were written.
    pub(super) fn mark(&self, offset: usize, bytes: usize) {
        if self.all_written.load(Relaxed) {
            return;
        }
        if offset == 0 && bytes >= self.bytes {
            self.all_written.store(true, Relaxed);
        }
        let end = (offset + bytes).min(self.written.len());
        for flag in self.written.get(offset..end).unwrap_or_default() {
            flag.store(1, Relaxed);
        }
    }

    /// Whether there is nothing left to mark.
    pub(super) fn all_written(&self) -> bool {
        self.all_written.load(Relaxed)
    }

    /// A copy of everything, to come back to with [`Memory::restore`].
    pub(super) fn snapshot(&self) -> Snapshot {
        // SAFETY: within bounds.
        let words = (0..self.words.len()).map(|index| unsafe { self.load::<8>(index * 8) }).collect();
        let written = self.written.iter().map(|flag| flag.load(Relaxed)).collect();
        Snapshot { words, written, all_written: self.all_written.load(Relaxed) }
    }

    /// Makes everything as it was.
    pub(super) fn restore(&self, snapshot: &Snapshot) {
        for (index, word) in snapshot.words.iter().enumerate() {
            // SAFETY: a snapshot of this memory has as many words.
            unsafe { self.store::<8>(index * 8, *word) };
        }
        for (flag, old) in self.written.iter().zip(&snapshot.written) {
            flag.store(*old, Relaxed);
        }
        self.all_written.store(snapshot.all_written, Relaxed);
    }

    /// The first byte, for accesses that were checked. They must be atomic or through [`Memory::load`].
    #[inline(always)]
    pub(super) fn base(&self) -> *mut u8 {
        self.words.as_ptr() as *mut u8
    }

    /// Loads `N` bytes (1, 2, 4 or 8).
    ///
    /// # Safety
    /// They must lie within the allocation and be aligned.
    #[inline(always)]
    pub(super) unsafe fn load<const N: usize>(&self, offset: usize) -> u64 {
        // SAFETY: the caller's duty.
        unsafe { load_at::<N>(self.base().add(offset)) }
    }

    /// Stores the lowest `N` bytes (1, 2, 4 or 8).
    ///
    /// # Safety
    /// They must lie within the allocation and be aligned.
    #[inline(always)]
    pub(super) unsafe fn store<const N: usize>(&self, offset: usize, value: u64) {
        // SAFETY: the caller's duty.
        unsafe { store_at::<N>(self.base().add(offset), value) }
    }
}

/// What a [`Memory`] held.
pub(super) struct Snapshot {
    words: Vec<u64>,
    written: Vec<u8>,
    all_written: bool,
}

fn zeroed(bytes: usize) -> Box<[UnsafeCell<u64>]> {
    (0..bytes.div_ceil(8)).map(|_| UnsafeCell::new(0)).collect()
}

/// An atomic load of `N` bytes.
///
/// # Safety
/// The address must be valid and aligned, and accessed by atomics alone while others may write it.
#[inline(always)]
pub(super) unsafe fn load_at<const N: usize>(at: *const u8) -> u64 {
    // SAFETY: the caller's duty.
    unsafe {
        match N {
            1 => AtomicU8::from_ptr(at as *mut u8).load(Relaxed) as u64,
            2 => AtomicU16::from_ptr(at as *mut u16).load(Relaxed) as u64,
            4 => AtomicU32::from_ptr(at as *mut u32).load(Relaxed) as u64,
            _ => AtomicU64::from_ptr(at as *mut u64).load(Relaxed),
        }
    }
}

/// An atomic store of the lowest `N` bytes.
///
/// # Safety
/// As for [`load_at`].
#[inline(always)]
pub(super) unsafe fn store_at<const N: usize>(at: *mut u8, value: u64) {
    // SAFETY: the caller's duty.
    unsafe {
        match N {
            1 => AtomicU8::from_ptr(at).store(value as u8, Relaxed),
            2 => AtomicU16::from_ptr(at as *mut u16).store(value as u16, Relaxed),
            4 => AtomicU32::from_ptr(at as *mut u32).store(value as u32, Relaxed),
            _ => AtomicU64::from_ptr(at as *mut u64).store(value, Relaxed),
        }
    }
}

/// Replaces `N` (4 or 8) bytes by a function of them, atomically; gives the old ones.
///
/// # Safety
/// As for [`load_at`].
pub(super) unsafe fn update_at<const N: usize>(at: *mut u8, f: impl Fn(u64) -> u64) -> u64 {
    // SAFETY: the caller's duty.
    unsafe {
        if N == 4 {
            let cell = AtomicU32::from_ptr(at as *mut u32);
            let done = cell.fetch_update(Relaxed, Relaxed, |old| Some(f(old as u64) as u32));
            done.unwrap_or_else(|old| old) as u64
        } else {
            let cell = AtomicU64::from_ptr(at as *mut u64);
            cell.fetch_update(Relaxed, Relaxed, |old| Some(f(old))).unwrap_or_else(|old| old)
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Memory({} bytes)", self.bytes)
    }
}
