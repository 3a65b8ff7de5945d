//! Global memory of the simulated device: an allocation that outlives launches and remembers which bytes were written.
//!
//! Blocks run on several host threads, so every access is an atomic one of its size (a plain move on the host). Knows
//! nothing of tensors, kernels or clocks.

use super::claims::Claims;
use std::any::Any;
use std::cell::UnsafeCell;
use std::collections::TryReserveError;
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};

/// A device allocation. Its first byte counts as aligned to 256 bytes, except for memory owned by someone else.
pub struct Memory {
    /// Aligned to at least 8 bytes.
    base: *mut u8,
    bytes: usize,
    owner: Owner,
    /// One flag per byte, not 0 if the byte was written; not there if all bytes have been initialised from the start.
    written: OnceLock<Box<[AtomicU8]>>,
    all_written: AtomicBool,
    claims: Claims,
}

/// The owner of the bytes.
enum Owner {
    Own(#[allow(dead_code)] Box<[UnsafeCell<u64>]>),
    /// Someone else, who is notified by dropping this value.
    Other(#[allow(dead_code)] Box<dyn Any + Send + Sync>),
}

// SAFETY: the bytes are only accessed through atomics.
unsafe impl Sync for Memory {}
unsafe impl Send for Memory {}

/// Returns that many values, or an error if the host has too little memory, where `collect` would abort the process.
fn filled<T>(count: usize, value: impl FnMut() -> T) -> Result<Box<[T]>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(count)?;
    values.resize_with(count, value);
    Ok(values.into_boxed_slice())
}

impl Memory {
    /// Returns an allocation of that many uninitialised bytes, or an error if the host has too little memory, like all
    /// constructors here.
    pub fn uninit(bytes: usize) -> Result<Memory, TryReserveError> {
        let written = OnceLock::from(filled(bytes, || AtomicU8::new(0))?);
        Ok(Memory { written, all_written: AtomicBool::new(bytes == 0), ..Memory::zeroed(bytes)? })
    }

    /// Returns an allocation that holds these bytes.
    pub fn from_bytes(data: &[u8]) -> Result<Memory, TryReserveError> {
        let memory = Memory::zeroed(data.len())?;
        memory.copy_in(0, data);
        Ok(memory)
    }

    /// Returns an allocation of that many bytes, all of them 0.
    pub fn zeroed(bytes: usize) -> Result<Memory, TryReserveError> {
        let words = filled(bytes.div_ceil(8), || UnsafeCell::new(0u64))?;
        let base = words.as_ptr() as *mut u8;
        Ok(Memory::initialised(base, bytes, Owner::Own(words)))
    }

    /// Wraps memory owned by someone else, all of it initialised; `owner` is dropped with the result.
    ///
    /// # Safety
    /// The bytes must be aligned to 8, valid until `owner` is dropped, and nobody else may access them while a kernel
    /// runs.
    pub unsafe fn foreign(base: *mut u8, bytes: usize, owner: Box<dyn Any + Send + Sync>) -> Memory {
        Memory::initialised(base, bytes, Owner::Other(owner))
    }

    fn initialised(base: *mut u8, bytes: usize, owner: Owner) -> Memory {
        let (written, all_written) = (OnceLock::new(), AtomicBool::new(true));
        Memory { base, bytes, owner, written, all_written, claims: Claims::default() }
    }

    /// Returns its address on the host.
    pub fn host_address(&self) -> *mut u8 {
        self.base
    }

    /// Returns the address that decides its alignment in kernels: 0 for memory allocated here.
    pub fn address(&self) -> u64 {
        match self.owner {
            Owner::Own(_) => 0,
            Owner::Other(_) => self.base as u64,
        }
    }

    /// Returns its size in bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Returns true if it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Copies bytes out, starting at `offset`; leaves the part of `to` beyond the end unchanged. Bytes never written
    /// are 0.
    pub fn read(&self, offset: usize, to: &mut [u8]) {
        for (byte, at) in to.iter_mut().zip(offset..self.bytes) {
            // SAFETY: within bounds.
            *byte = unsafe { self.load::<1>(at) } as u8;
        }
    }

    /// Copies bytes in, starting at `offset`, and marks them initialised; drops the part beyond the end.
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.copy_in(offset, from);
        self.mark(offset, from.len());
    }

    fn copy_in(&self, offset: usize, from: &[u8]) {
        for (byte, at) in from.iter().zip(offset..self.bytes) {
            // SAFETY: within bounds.
            unsafe { self.store::<1>(at, *byte as u64) };
        }
    }

    /// Returns true if all of these bytes have been written.
    pub fn is_written(&self, offset: usize, bytes: usize) -> bool {
        self.all_written.load(Relaxed) || (offset..offset + bytes).all(|at| self.flag(at).is_none_or(|flag| flag != 0))
    }

    fn flags(&self) -> &[AtomicU8] {
        self.written.get().map_or(&[], |flags| flags)
    }

    fn flag(&self, at: usize) -> Option<u8> {
        self.flags().get(at).map(|flag| flag.load(Relaxed))
    }

    /// Marks these bytes as written.
    pub(in crate::sim) fn mark(&self, offset: usize, bytes: usize) {
        if self.all_written.load(Relaxed) {
            return;
        }
        if offset == 0 && bytes >= self.bytes {
            self.all_written.store(true, Relaxed);
        }
        let end = (offset + bytes).min(self.flags().len());
        for flag in self.flags().get(offset..end).unwrap_or_default() {
            flag.store(1, Relaxed);
        }
    }

    /// Marks these bytes as never written, though their values stay, and gives them to a claimant at a place of the
    /// source. Returns an error if the host has too little memory.
    pub fn forget(
        &self,
        offset: usize,
        bytes: usize,
        claimant: u64,
        place: &'static Location<'static>,
    ) -> Result<(), TryReserveError> {
        let end = (offset + bytes).min(self.bytes);
        if offset >= end {
            return Ok(());
        }
        if self.written.get().is_none() {
            // If another thread was faster, its flags are kept.
            let _ = self.written.set(filled(self.bytes, || AtomicU8::new(1))?);
        }
        for flag in self.flags().get(offset..end).unwrap_or_default() {
            flag.store(0, Relaxed);
        }
        self.all_written.store(false, Relaxed);
        self.claims.give(offset..end, claimant, place);
        Ok(())
    }

    /// Returns where [`Memory::forget`] gave some of these bytes to another claimant, or `None` if it did not.
    pub fn claimed_by_other(&self, offset: usize, bytes: usize, claimant: u64) -> Option<&'static Location<'static>> {
        self.claims.place_of_other(offset..offset + bytes, claimant)
    }

    /// Returns true if all bytes are marked as written.
    pub(in crate::sim) fn all_written(&self) -> bool {
        self.all_written.load(Relaxed)
    }

    /// Returns a copy of the contents, for [`Memory::restore`].
    pub(in crate::sim) fn snapshot(&self) -> Snapshot {
        let mut bytes = vec![0; self.bytes];
        self.read(0, &mut bytes);
        let written = self.flags().iter().map(|flag| flag.load(Relaxed)).collect();
        Snapshot { bytes, written, all_written: self.all_written.load(Relaxed) }
    }

    /// Restores the contents of a snapshot.
    pub(in crate::sim) fn restore(&self, snapshot: &Snapshot) {
        self.copy_in(0, &snapshot.bytes);
        for (flag, old) in self.flags().iter().zip(&snapshot.written) {
            flag.store(*old, Relaxed);
        }
        self.all_written.store(snapshot.all_written, Relaxed);
    }

    /// Returns the address of the first byte, for accesses that were checked before. They must be atomic or go through
    /// [`Memory::load`].
    #[inline(always)]
    pub(in crate::sim) fn base(&self) -> *mut u8 {
        self.base
    }

    /// Loads `N` bytes (1, 2, 4 or 8).
    ///
    /// # Safety
    /// They must lie within the allocation and be aligned.
    #[inline(always)]
    pub(in crate::sim) unsafe fn load<const N: usize>(&self, offset: usize) -> u64 {
        // SAFETY: the caller's duty.
        unsafe { load_at::<N>(self.base().add(offset)) }
    }

    /// Stores the lowest `N` bytes (1, 2, 4 or 8).
    ///
    /// # Safety
    /// They must lie within the allocation and be aligned.
    #[inline(always)]
    pub(in crate::sim) unsafe fn store<const N: usize>(&self, offset: usize, value: u64) {
        // SAFETY: the caller's duty.
        unsafe { store_at::<N>(self.base().add(offset), value) }
    }
}

/// The contents of a [`Memory`] at some time.
pub(in crate::sim) struct Snapshot {
    bytes: Vec<u8>,
    written: Vec<u8>,
    all_written: bool,
}

/// Loads `N` bytes atomically.
///
/// # Safety
/// The address must be valid and aligned, and accessed by atomics alone while others may write it.
#[inline(always)]
pub(in crate::sim) unsafe fn load_at<const N: usize>(at: *const u8) -> u64 {
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

/// Stores the lowest `N` bytes atomically.
///
/// # Safety
/// As for [`load_at`].
#[inline(always)]
pub(in crate::sim) unsafe fn store_at<const N: usize>(at: *mut u8, value: u64) {
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

/// Replaces `N` (2, 4 or 8) bytes by a function of them, atomically, and returns the old ones.
///
/// # Safety
/// As for [`load_at`].
pub(in crate::sim) unsafe fn update_at<const N: usize>(at: *mut u8, f: impl Fn(u64) -> u64) -> u64 {
    // SAFETY: the caller's duty.
    unsafe {
        if N == 2 {
            let cell = AtomicU16::from_ptr(at as *mut u16);
            let done = cell.fetch_update(Relaxed, Relaxed, |old| Some(f(old as u64) as u16));
            done.unwrap_or_else(|old| old) as u64
        } else if N == 4 {
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
