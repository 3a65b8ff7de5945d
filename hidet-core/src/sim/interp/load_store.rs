//! Loads and stores of a strand: bounds, alignment, checks, counters, and the data movement itself.

use super::exec::Operands;
use super::warp::Strand;
use crate::ir::{BufferId, fault};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{MemoryAccess, MemoryBase, Src};
use crate::sim::checks::shadow::Touch;
use crate::sim::lanes::{LANES, RegisterRow, lanes, read_lane, write_lane};
use crate::sim::memory::elements::{gather, load_element, scatter};
use crate::sim::report::FaultKind;

/// The element offsets of the active lanes; 0 in the others.
pub struct Offsets {
    pub at: [u32; LANES],
    pub active: u32,
}

impl BlockRun<'_> {
    fn operands<'a>(&self, warp: usize, strand: &'a Strand) -> Operands<'a>
    where
        Self: 'a,
    {
        // The pointer outlives the call because the registers of a warp are never reallocated.
        let regs = self.warps[warp].regs.as_ptr() as *mut RegisterRow;
        Operands { regs, slots: &strand.slots, consts: &self.launch.program.consts }
    }

    /// Returns the offsets of an access, or `None` if a fault stopped the block.
    pub fn offsets(&mut self, warp: usize, strand: &Strand, access: &MemoryAccess) -> Option<Offsets> {
        let operands = self.operands(warp, strand);
        let active = strand.mask & access.guard.map_or(u32::MAX, |guard| operands.mask(guard));
        let mut at = [0u32; LANES];
        let limit = access.limit;
        let mut scratch = [RegisterRow::ZERO; 2];
        // SAFETY: the rows in the bytecode exist.
        let rows = unsafe { operands.rows(access.index, access.wide, &mut scratch) };
        let mut good = true;
        if access.wide {
            // SAFETY: the index has 64 bits.
            let index = unsafe { &*rows.cast::<[u64; LANES]>() };
            for lane in lanes(active) {
                good &= index[lane].checked_add(access.count as u64).is_some_and(|end| end <= limit);
                at[lane] = index[lane] as u32;
            }
        } else {
            // SAFETY: the row exists.
            let index = unsafe { &(*rows).0 };
            // A whole warp needs no masks.
            if active == u32::MAX {
                at = *index;
            } else {
                for lane in lanes(active) {
                    at[lane] = index[lane];
                }
            }
            let largest = at.iter().fold(0, |largest, offset| largest.max(*offset));
            good = active == 0 || largest as u64 + access.count as u64 <= limit;
        }
        if !good {
            self.report_bounds(warp, strand, access, active);
            return None;
        }
        // GPUs access at most 16 bytes at once, except by special intrinsics.
        let bytes = (access.elem.bytes() as u32 * access.count).next_power_of_two().min(16);
        if access.count > 1 && !self.aligned(warp, access, &at, active, bytes) {
            return None;
        }
        Some(Offsets { at, active })
    }

    fn report_bounds(&mut self, warp: usize, strand: &Strand, access: &MemoryAccess, active: u32) {
        let operands = self.operands(warp, strand);
        let signed = |lane: usize| {
            let bits = operands.lane(access.index, access.wide, lane);
            if access.wide { bits as i64 } else { bits as u32 as i32 as i64 }
        };
        let outside = |lane: &usize| {
            let index = signed(*lane);
            index < 0 || index as u64 + access.count as u64 > access.limit
        };
        let Some(lane) = lanes(active).find(outside) else { return };
        let name = &self.launch.function.buffers[access.buffer].name;
        let message = fault::outside(name, &[signed(lane)], &[access.count], &[access.limit as i64]);
        let verb = self.launch.program.sites[access.site as usize].verb;
        let what = format!("{} {verb}", self.thread_name(warp, lane));
        self.fault(FaultKind::OutOfBounds, message, (access.site, what), Vec::new());
        self.stop();
    }

    /// Checks the alignment of an access. Returns false if a fault stopped the block.
    pub fn check_align(&mut self, warp: usize, strand: &Strand, access: u32, bytes: u32) -> bool {
        let access = &self.launch.program.accesses[access as usize];
        let Some(Offsets { at, active }) = self.offsets(warp, strand, access) else { return false };
        self.aligned(warp, access, &at, active, bytes)
    }

    /// The same for given offsets.
    pub fn aligned(&mut self, warp: usize, access: &MemoryAccess, at: &[u32; LANES], active: u32, bytes: u32) -> bool {
        if !self.launch.options.checks.alignment {
            return true;
        }
        let elem = access.elem.bytes() as u64;
        let start = match access.place {
            MemoryBase::Global(tensor) => self.launch.tensors[tensor as usize].offset as u64,
            MemoryBase::Shared(byte) => byte as u64,
            MemoryBase::Register(_) => 0,
        };
        let bad = lanes(active).find(|lane| !(start + at[*lane] as u64 * elem).is_multiple_of(bytes.into()));
        if let Some(lane) = bad {
            let name = &self.launch.function.buffers[access.buffer].name;
            let message = fault::misaligned(name, (at[lane] as u64 * elem) as i64, bytes);
            let what = format!("{} accesses it", self.thread_name(warp, lane));
            self.fault(FaultKind::Misaligned, message, (access.site, what), Vec::new());
            self.stop();
            return false;
        }
        true
    }

    /// Returns the address of the first byte of the buffer of an access outside of registers.
    pub fn base(&mut self, place: MemoryBase) -> *mut u8 {
        match place {
            MemoryBase::Global(tensor) => self.launch.tensors[tensor as usize].base(),
            // SAFETY: the buffer lies within the shared memory.
            MemoryBase::Shared(byte) => unsafe { self.shared.as_mut_ptr().cast::<u8>().add(byte as usize) },
            MemoryBase::Register(_) => std::ptr::null_mut(),
        }
    }

    /// Loads to rows from `d` on. Returns false if a fault stopped the block.
    pub fn load(&mut self, warp: usize, strand: &Strand, access: u32, d: u32) -> bool {
        let access = &self.launch.program.accesses[access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return false };
        let Offsets { at, active } = offsets;
        let regs = self.warps[warp].regs.as_mut_ptr();
        let wide = access.elem.bytes() == 8;
        let step = 1 + wide as u32;
        if let MemoryBase::Register(base) = access.place {
            self.touch_registers(warp, access, base, &at, active, false);
            for part in 0..access.count {
                for lane in lanes(strand.mask) {
                    // SAFETY: within bounds.
                    unsafe {
                        let row = regs.add((base + (at[lane] + part) * step) as usize);
                        let value = if active >> lane & 1 != 0 { read_lane(row, wide, lane) } else { 0 };
                        write_lane(regs.add((d + part * step) as usize), wide, lane, value);
                    }
                }
            }
            return !self.stopped;
        }
        self.observe(warp, access, &at, active, Touch::Read);
        if self.stopped {
            return false;
        }
        let base = self.base(access.place);
        for part in 0..access.count {
            // SAFETY: the row exists, and offsets of active lanes are within bounds and aligned to the element.
            unsafe {
                let to = regs.add((d + part * step) as usize);
                match access.elem.bytes() {
                    1 => gather::<1>(to, base, &at, part, active, strand.mask),
                    2 => gather::<2>(to, base, &at, part, active, strand.mask),
                    4 => gather::<4>(to, base, &at, part, active, strand.mask),
                    _ => gather::<8>(to, base, &at, part, active, strand.mask),
                }
            }
        }
        true
    }

    /// Loads to scalar slots from `d` on; the address is uniform. Returns false if a fault stopped the block.
    pub fn load_uniform(&mut self, warp: usize, strand: &mut Strand, access: u32, d: u32) -> bool {
        let access = &self.launch.program.accesses[access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return false };
        let Offsets { at, active } = offsets;
        if active == 0 {
            strand.slots[d as usize..(d + access.count) as usize].fill(0);
            return true;
        }
        self.observe(warp, access, &at, active, Touch::Read);
        if self.stopped {
            return false;
        }
        let base = self.base(access.place);
        let first = at[active.trailing_zeros() as usize] as usize;
        for part in 0..access.count as usize {
            let bytes = access.elem.bytes();
            // SAFETY: within bounds and aligned to the element.
            strand.slots[d as usize + part] = unsafe { load_element(base.add((first + part) * bytes), bytes) };
        }
        true
    }

    /// Stores an operand. Returns false if a fault stopped the block.
    pub fn store(&mut self, warp: usize, strand: &Strand, access: u32, value: Src) -> bool {
        let access = &self.launch.program.accesses[access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return false };
        let Offsets { at, active } = offsets;
        let wide = access.elem.bytes() == 8;
        let step = 1 + wide as u32;
        let operands = self.operands(warp, strand);
        if let MemoryBase::Register(base) = access.place {
            self.touch_registers(warp, access, base, &at, active, true);
            for part in 0..access.count {
                let value = value.plus(if value.is_uniform() { part } else { part * step });
                for lane in lanes(active) {
                    // SAFETY: within bounds.
                    unsafe {
                        let row = operands.regs.add((base + (at[lane] + part) * step) as usize);
                        write_lane(row, wide, lane, operands.lane(value, wide, lane));
                    }
                }
            }
            return true;
        }
        let mut scratch = [RegisterRow::ZERO; 2];
        let base = self.base(access.place);
        let of_part = |part: u32| value.plus(if value.is_uniform() { part } else { part * step });
        self.observe_store(warp, access, &at, active, |lane, part| operands.lane(of_part(part), wide, lane));
        if self.stopped {
            return false;
        }
        let operands = self.operands(warp, strand);
        for part in 0..access.count {
            let value = value.plus(if value.is_uniform() { part } else { part * step });
            // SAFETY: the row exists, and offsets of active lanes are within bounds and aligned to the element.
            unsafe {
                let from = operands.rows(value, wide, &mut scratch);
                match access.elem.bytes() {
                    1 => scatter::<1>(from, base, &at, part, active),
                    2 => scatter::<2>(from, base, &at, part, active),
                    4 => scatter::<4>(from, base, &at, part, active),
                    _ => scatter::<8>(from, base, &at, part, active),
                }
            }
        }
        true
    }

    /// Returns the first row of an element of register memory at a uniform index, or `None` if a fault stopped the
    /// block.
    #[inline(always)]
    pub fn register_row(
        &mut self,
        warp: usize,
        strand: &Strand,
        base: u32,
        index: Src,
        access: u32,
        write: bool,
    ) -> Option<u32> {
        let access = &self.launch.program.accesses[access as usize];
        let index = {
            let bits = self.operands(warp, strand).uniform(index);
            if access.wide { bits } else { bits as u32 as u64 }
        };
        if index.saturating_add(access.count as u64) > access.limit {
            self.report_bounds(warp, strand, access, strand.mask);
            return None;
        }
        let step = 1 + (access.elem.bytes() == 8) as u32;
        let row = base + index as u32 * step;
        if self.agents.products.watches() {
            let lane = strand.mask.trailing_zeros() as usize;
            self.note_registers(warp, lane, access, row, access.count * step, write);
        }
        if self.launch.options.checks.uninitialised {
            for part in 0..access.count {
                let written = &mut self.warps[warp].written[(row + part * step) as usize];
                if write {
                    *written |= strand.mask;
                } else if *written & strand.mask != strand.mask {
                    let missing = strand.mask & !*written;
                    *written |= missing;
                    self.report_unset(warp, access, index as u32 + part, missing);
                }
            }
        }
        Some(row)
    }

    /// Checks an access to register memory.
    pub fn touch_registers(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        base: u32,
        at: &[u32; LANES],
        active: u32,
        write: bool,
    ) {
        if self.agents.products.watches() {
            let step = 1 + (access.elem.bytes() == 8) as u32;
            for lane in lanes(active) {
                self.note_registers(warp, lane, access, base + at[lane] * step, access.count * step, write);
            }
        }
        if !self.launch.options.checks.uninitialised {
            return;
        }
        let step = 1 + (access.elem.bytes() == 8) as u32;
        for part in 0..access.count {
            for lane in lanes(active) {
                let written = &mut self.warps[warp].written[(base + (at[lane] + part) * step) as usize];
                let missing = *written >> lane & 1 == 0;
                *written |= 1 << lane;
                if missing && !write {
                    self.report_unset(warp, access, at[lane] + part, 1 << lane);
                }
            }
        }
    }

    /// Reports a read of memory that was never written.
    pub fn report_unset(&mut self, warp: usize, access: &MemoryAccess, element: u32, lanes: u32) {
        self.report_unset_at(warp, lanes.trailing_zeros() as usize, access.buffer, access.site, element);
    }

    /// The same for one lane.
    pub fn report_unset_at(&mut self, warp: usize, lane: usize, buffer: BufferId, site: u32, element: u32) {
        let name = self.accessed_name(buffer);
        let message = format!("element {element} of {name} is read before it was written");
        let what = format!("{} reads it", self.thread_name(warp, lane));
        self.fault(FaultKind::Uninitialised, message, (site, what), Vec::new());
    }

    /// Runs an index check. Returns false if a fault stopped the block.
    pub fn check_index(&mut self, warp: usize, strand: &Strand, check: u32) -> bool {
        let check = &self.launch.program.checks[check as usize];
        let operands = self.operands(warp, strand);
        let signed = |index: Src, lane: usize| {
            let bits = operands.lane(index, check.wide, lane);
            if check.wide { bits as i64 } else { bits as u32 as i32 as i64 }
        };
        // The extent of an axis in a lane: in a table, that of axis 1 may be the entry's own.
        let rows = |axis: usize| check.rows.filter(|_| axis == 1);
        let extent = |axis: usize, lane: usize| match rows(axis) {
            Some(rows) => operands.lane(rows, false, lane) as u32 as i32 as i64,
            None => check.shape[axis],
        };
        let first = |axis: usize, tile: u32| {
            let index = check.index[axis];
            let outside = |lane: usize| !(0..=extent(axis, lane) - i64::from(tile)).contains(&signed(index, lane));
            if index.is_uniform() && rows(axis).is_none_or(Src::is_uniform) {
                outside(0).then(|| strand.mask.trailing_zeros() as usize)
            } else {
                lanes(strand.mask).find(|lane| outside(*lane))
            }
        };
        let bad = check.tile.iter().enumerate().filter_map(|(axis, tile)| first(axis, *tile)).min();
        let Some(lane) = bad else { return true };
        let name = &self.launch.function.buffers[check.buffer].name;
        let index: Vec<i64> = check.index.iter().map(|index| signed(*index, lane)).collect();
        let shape: Vec<i64> = (0..check.shape.len()).map(|axis| extent(axis, lane)).collect();
        let message = fault::outside(name, &index, &check.tile, &shape);
        let verb = self.launch.program.sites[check.site as usize].verb;
        let what = format!("{} {verb}", self.thread_name(warp, lane));
        self.fault(FaultKind::OutOfBounds, message, (check.site, what), Vec::new());
        self.stop();
        false
    }
}
