//! Moves elements between memory and the lanes of a register row.

use super::allocation::{load_at, store_at};
use crate::sim::lanes::{LANES, RegisterRow, lanes, read_lane, write_lane};

/// Loads an element of 1, 2, 4 or 8 bytes.
///
/// # Safety
/// As for [`load_at`].
pub unsafe fn load_element(at: *const u8, bytes: usize) -> u64 {
    // SAFETY: the caller's duty.
    unsafe {
        match bytes {
            1 => load_at::<1>(at),
            2 => load_at::<2>(at),
            4 => load_at::<4>(at),
            _ => load_at::<8>(at),
        }
    }
}

/// Stores an element of 1, 2, 4 or 8 bytes.
///
/// # Safety
/// As for [`load_at`].
pub unsafe fn store_element(at: *mut u8, bytes: usize, value: u64) {
    // SAFETY: the caller's duty.
    unsafe {
        match bytes {
            1 => store_at::<1>(at, value),
            2 => store_at::<2>(at, value),
            4 => store_at::<4>(at, value),
            _ => store_at::<8>(at, value),
        }
    }
}

/// Loads one element per lane of `active`, and sets the other lanes of `mask` to zero.
///
/// # Safety
/// The row exists; the elements of the active lanes are valid for [`load_at`].
#[inline(always)]
pub unsafe fn gather<const N: usize>(
    to: *mut RegisterRow,
    base: *const u8,
    at: &[u32; LANES],
    part: u32,
    active: u32,
    mask: u32,
) {
    // SAFETY: the caller's duty.
    unsafe {
        if active == u32::MAX {
            for lane in 0..LANES {
                let value = load_at::<N>(base.add((at[lane] + part) as usize * N));
                write_lane(to, N == 8, lane, value);
            }
            return;
        }
        for lane in lanes(active) {
            let value = load_at::<N>(base.add((at[lane] + part) as usize * N));
            write_lane(to, N == 8, lane, value);
        }
        for lane in lanes(mask & !active) {
            write_lane(to, N == 8, lane, 0);
        }
    }
}

/// Stores one element per lane of `active`, in the order of the lanes.
///
/// # Safety
/// The row exists; the elements of the active lanes are valid for [`store_at`].
#[inline(always)]
pub unsafe fn scatter<const N: usize>(
    from: *const RegisterRow,
    base: *mut u8,
    at: &[u32; LANES],
    part: u32,
    active: u32,
) {
    // SAFETY: the caller's duty.
    unsafe {
        if active == u32::MAX {
            for lane in 0..LANES {
                store_at::<N>(base.add((at[lane] + part) as usize * N), read_lane(from, N == 8, lane));
            }
            return;
        }
        for lane in lanes(active) {
            store_at::<N>(base.add((at[lane] + part) as usize * N), read_lane(from, N == 8, lane));
        }
    }
}
