//! Bulk copies (TMA): boxes of tensors and consecutive bytes between global and shared memory.
//!
//! A load is waited for at its mbarrier, by its bytes. Stores are waited for by the bulk groups of their thread, in
//! two steps: first shared memory has been read, then global memory has been written. The scheduler chooses when the
//! bytes of a copy move, all at once; copies are not ordered among each other. PTX ISA, "cp.async.bulk" and related
//! instructions.

use super::agents::Agent;
use super::bulk_groups::BulkGroups;
use crate::intrinsics::{AtomicOp, Meaning};
use crate::ir::BufferId;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::byte_ranges::RangeAccess;
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::{Operands, Pause};
use crate::sim::interp::load_store::Offsets;
use crate::sim::interp::warp::Strand;
use crate::sim::interp::warp_ops::combine_global;
use crate::sim::lanes::{RegisterRow, lanes};
use crate::sim::memory::allocation::{load_at, store_at};
use crate::sim::memory::elements::{load_element, store_element};
use crate::sim::memory::pixels::Pixels;
use crate::sim::memory::tiles::Route;
use crate::types::Scalar;
use std::collections::HashMap;

/// The direction of a copy.
#[derive(Debug)]
pub enum Direction {
    /// To shared memory, of the block of rank `peer` if it is another one. It was issued at `time`, and its bytes
    /// arrive at the mbarrier.
    Load { peer: Option<u32>, mbarrier: u32, time: u32 },
    /// From shared memory, in a group of its thread; `data` are the bytes once they were read.
    Store { op: Option<AtomicOp>, group: u64, data: Option<Vec<u8>> },
}

/// A copy in flight.
#[derive(Debug)]
pub struct Copy<'l> {
    pub thread: u32,
    site: u32,
    route: Route<'l>,
    /// The offset of the first byte in shared memory.
    shared: u32,
    tensor: u32,
    elem: Scalar,
    pub direction: Direction,
}

/// The bulk copies of a block.
#[derive(Debug, Default)]
pub struct BulkCopies<'l> {
    pub copies: Vec<Copy<'l>>,
    /// By thread.
    pub stores: HashMap<u32, BulkGroups>,
}

/// The operands of a bulk copy.
struct CopyOperands<'l> {
    route: Option<&'l crate::sim::memory::tiles::BoxMap>,
    shared: &'l MemoryAccess,
    global: Option<&'l MemoryAccess>,
    mbarrier: Option<&'l MemoryAccess>,
}

impl<'l> BlockRun<'l> {
    fn ends(&self, call: &'l Call) -> Option<CopyOperands<'l>> {
        let program = self.launch.program;
        let mut ends = CopyOperands { route: None, shared: program.accesses.first()?, global: None, mbarrier: None };
        let load =
            matches!(call.meaning, Meaning::TensorLoad { .. } | Meaning::TensorMulticast { .. } | Meaning::BulkLoad);
        let mut found = 0;
        for arg in &call.args {
            match arg {
                CallArg::Map(map) => ends.route = program.maps.get(*map as usize),
                CallArg::Address(access) => {
                    let access = &program.accesses[*access as usize];
                    match access.place {
                        MemoryBase::Shared(_) if load && found > 0 => ends.mbarrier = Some(access),
                        MemoryBase::Shared(_) => {
                            ends.shared = access;
                            found += 1;
                        }
                        _ => ends.global = Some(access),
                    }
                }
                _ => {}
            }
        }
        Some(ends)
    }

    /// Issues bulk copies, one per lane.
    pub fn bulk_copy(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let ends = self.ends(call)?;
        let load = ends.mbarrier.is_some();
        let Some(shared_at) = self.offsets(warp, strand, ends.shared) else { return Some(Pause::Stopped) };
        let global_at = match ends.global {
            Some(access) => match self.offsets(warp, strand, access) {
                Some(offsets) => Some(offsets),
                None => return Some(Pause::Stopped),
            },
            None => None,
        };
        let mbarriers = match ends.mbarrier {
            Some(access) => match self.offsets(warp, strand, access) {
                Some(offsets) => Some(offsets),
                None => return Some(Pause::Stopped),
            },
            None => None,
        };
        let MemoryBase::Shared(shared_start) = ends.shared.place else { return None };
        for lane in lanes(strand.mask) {
            let thread = (warp * 32 + lane) as u32;
            let regs = self.warps[warp].regs.as_ptr() as *mut RegisterRow;
            let operands = Operands { regs, slots: &strand.slots, consts: &program.consts };
            let elem = ends.shared.elem;
            let shared = shared_start + shared_at.at[lane] * elem.bytes() as u32;
            let (route, tensor, buffer) = match (ends.route, ends.global, &global_at) {
                (Some(map), _, _) => {
                    let values = call.args.iter().enumerate().filter(|arg| matches!(arg.1, CallArg::Value(..)));
                    let mut values = values.map(|(index, _)| call.lane(&operands, index, lane) as u32 as i32 as i64);
                    let (mut at, mut offsets) = ([0i64; 5], [0i64; 3]);
                    let rank = map.shape.extents.len();
                    at[..rank].iter_mut().zip(&mut values).for_each(|(coordinate, value)| *coordinate = value);
                    let route = match &map.shape.im2col {
                        Some(im2col) => {
                            offsets[..rank - 2].iter_mut().zip(values).for_each(|(offset, value)| *offset = value);
                            Route::Column { shape: &map.shape, im2col, pixels: Pixels { first: at, offsets } }
                        }
                        None => Route::Tile { shape: &map.shape, at },
                    };
                    (route, map.tensor, map.buffer)
                }
                (None, Some(access), Some(offsets)) => {
                    let bytes = call.lane(&operands, 2, lane) as u32;
                    let MemoryBase::Global(tensor) = access.place else { return None };
                    let offset = offsets.at[lane] as usize * elem.bytes();
                    if !self.line_fits(warp, lane, call, access, offset, bytes) {
                        return Some(Pause::Stopped);
                    }
                    (Route::Line { start: offset, bytes }, tensor, access.buffer)
                }
                _ => return None,
            };
            if !self.box_fits(warp, lane, call, ends.shared, shared_at.at[lane], shared, (&route, load)) {
                return Some(Pause::Stopped);
            }
            let make = |direction| Copy { thread, site: call.site, route, shared, tensor, elem, direction };
            let buffers = (ends.shared.buffer, shared_start, buffer);
            self.count_bulk(&route, shared, tensor, load);
            match (ends.mbarrier, &mbarriers) {
                (Some(access), Some(offsets)) => {
                    let MemoryBase::Shared(byte) = access.place else { return None };
                    let mbarrier = byte + offsets.at[lane] * 8;
                    let own = self.cluster_rank();
                    let blocks = match call.meaning {
                        Meaning::TensorMulticast { .. } => call.lane(&operands, call.args.len() - 1, lane) as u32,
                        _ => 1 << own,
                    };
                    for rank in lanes(blocks).map(|rank| rank as u32) {
                        if !self.check_peer(warp, 1 << lane, rank, ends.shared.site) {
                            return Some(self.stop());
                        }
                        let peer = (rank != own).then_some(rank);
                        let copy = make(Direction::Load { peer, mbarrier, time: self.clocks.now(warp) });
                        let issue = |block: &mut Self| block.issue_load(warp, lane, copy, (access, offsets), buffers);
                        if !self.at_rank(rank, issue) {
                            return Some(Pause::Stopped);
                        }
                    }
                }
                _ => {
                    let op = match call.meaning {
                        Meaning::TensorStore(op) | Meaning::BulkStore(op) => op,
                        _ => None,
                    };
                    let stores = self.agents.bulk.stores.entry(thread).or_default();
                    stores.last = Some((stores.committed, call.site));
                    let copy = make(Direction::Store { op, group: stores.committed, data: None });
                    self.watch_bulk(warp, lane, &copy, buffers);
                    self.agents.bulk.copies.push(copy);
                    // The next copy has a later time, so that each can be waited for.
                    self.clocks.advance(warp);
                }
            }
        }
        None
    }

    /// Issues a load to the shared memory that this block has at the moment. Returns false after a fault.
    fn issue_load(
        &mut self,
        warp: usize,
        lane: usize,
        copy: Copy<'l>,
        (access, offsets): (&MemoryAccess, &Offsets),
        buffers: (BufferId, u32, BufferId),
    ) -> bool {
        let Direction::Load { mbarrier, .. } = copy.direction else { return true };
        if self.launch.options.checks.races {
            self.watch(warp, access, &offsets.at, 1 << lane, Touch::Atomic, 0, false);
        }
        if !self.begin_transaction(mbarrier, copy.site, warp, lane, true) {
            return false;
        }
        self.watch_bulk(warp, lane, &copy, buffers);
        self.agents.bulk.copies.push(copy);
        // The next copy has a later time, so that each can be waited for.
        self.clocks.advance(warp);
        true
    }

    /// Checks a copy when it is issued.
    fn watch_bulk(
        &mut self,
        warp: usize,
        lane: usize,
        copy: &Copy<'l>,
        (shared, shared_start, global): (BufferId, u32, BufferId),
    ) {
        let checks = self.launch.options.checks;
        if !(checks.races || checks.uninitialised) {
            return;
        }
        let (reads, writes) = match copy.direction {
            Direction::Load { peer, mbarrier, .. } => (Agent::Loads(peer, mbarrier), Agent::Loads(peer, mbarrier)),
            Direction::Store { .. } => (Agent::StoreReads(copy.thread), Agent::StoreWrites(copy.thread)),
        };
        let (reads, writes) = (self.agents.epoch(reads), self.agents.epoch(writes));
        let elem = copy.elem.bytes();
        let near = RangeAccess {
            warp,
            lane,
            agent: reads,
            site: copy.site,
            touch: Touch::Read,
            notes: true,
            buffer: shared,
            place: MemoryBase::Shared(shared_start),
            elem,
        };
        let far = RangeAccess { agent: writes, buffer: global, place: MemoryBase::Global(copy.tensor), ..near };
        let offset = self.launch.tensors[copy.tensor as usize].offset;
        match copy.direction {
            Direction::Load { .. } => {
                // The box has no gaps in shared memory, swizzled or not.
                let near = RangeAccess { touch: Touch::Write, ..near };
                self.watch_range(&near, copy.shared as usize, copy.route.bytes() as usize);
                copy.route.segments(copy.shared, &mut |segment| {
                    if let Some(byte) = segment.global {
                        self.watch_range(
                            &RangeAccess { touch: Touch::Read, ..far },
                            offset + byte,
                            segment.bytes as usize,
                        );
                    }
                });
            }
            Direction::Store { op, .. } => {
                let touch = if op.is_some() { Touch::Atomic } else { Touch::Write };
                copy.route.segments(copy.shared, &mut |segment| {
                    if let Some(byte) = segment.global {
                        self.watch_range(&near, segment.shared as usize, segment.bytes as usize);
                        self.watch_range(&RangeAccess { touch, ..far }, offset + byte, segment.bytes as usize);
                    }
                });
            }
        }
    }

    fn count_bulk(&mut self, route: &Route, shared: u32, tensor: u32, load: bool) {
        if !self.launch.options.counters {
            return;
        }
        let (mut bytes, mut sectors) = (0, 0);
        let offset = self.launch.tensors[tensor as usize].offset;
        let mut last = usize::MAX;
        route.segments(shared, &mut |segment| {
            let Some(start) = segment.global.map(|byte| offset + byte) else { return };
            bytes += u64::from(segment.bytes);
            let (first, end) = (start / 32, (start + segment.bytes as usize).div_ceil(32));
            sectors += (end - first) as u64 - (first == last) as u64;
            last = end - 1;
        });
        if load {
            self.counters.global_read += bytes;
        } else {
            self.counters.global_written += bytes;
        }
        self.counters.global_accesses += 1;
        self.counters.global_sectors += sectors;
    }

    /// Returns the number of copies in flight.
    pub fn copies_in_flight(&self) -> u32 {
        self.agents.bulk.copies.len() as u32
    }

    /// Advances a copy by one step.
    pub fn advance_copy(&mut self, index: usize) {
        let mut copy = self.agents.bulk.copies.swap_remove(index);
        let offset = self.launch.tensors[copy.tensor as usize].offset;
        let base = self.launch.tensors[copy.tensor as usize].memory.base();
        let shared = self.shared.as_mut_ptr().cast::<u8>();
        match &mut copy.direction {
            Direction::Load { peer, mbarrier, time } => {
                let (peer, mbarrier, time) = (*peer, *mbarrier, *time);
                let rank = peer.unwrap_or(self.cluster_rank());
                self.at_rank(rank, |block| {
                    let shared = block.shared.as_mut_ptr().cast::<u8>();
                    copy.route.segments(copy.shared, &mut |segment| {
                        // SAFETY: both ranges were checked when the copy was issued.
                        unsafe {
                            let to = shared.add(segment.shared as usize);
                            match segment.global {
                                Some(byte) => move_bytes(base.add(offset + byte), to, segment.bytes as usize),
                                None => std::ptr::write_bytes(to, 0, segment.bytes as usize),
                            }
                        }
                    });
                    let agent = Agent::Loads(peer, mbarrier);
                    block.complete_transaction(agent, copy.route.bytes(), time, copy.site, copy.thread);
                });
            }
            Direction::Store { data: data @ None, .. } => {
                let mut bytes = vec![0u8; copy.route.bytes() as usize];
                copy.route.segments(copy.shared, &mut |segment| {
                    // SAFETY: both ranges were checked when the copy was issued.
                    unsafe {
                        let to = bytes.as_mut_ptr().add(segment.linear as usize);
                        std::ptr::copy_nonoverlapping(shared.add(segment.shared as usize), to, segment.bytes as usize);
                    }
                });
                *data = Some(bytes);
                self.agents.bulk.copies.push(copy);
                // It keeps its index, so that loops over the list see it again.
                let last = self.agents.bulk.copies.len() - 1;
                self.agents.bulk.copies.swap(index, last);
            }
            Direction::Store { op, data: Some(data), .. } => {
                let (op, elem) = (*op, copy.elem);
                copy.route.segments(copy.shared, &mut |segment| {
                    let Some(byte) = segment.global else { return };
                    let from = &data[segment.linear as usize..(segment.linear + segment.bytes) as usize];
                    // SAFETY: both ranges were checked when the copy was issued.
                    unsafe {
                        let to = base.add(offset + byte);
                        match op {
                            None => move_bytes(from.as_ptr(), to, from.len()),
                            Some(op) => combine_bytes(op, elem, from, to),
                        }
                    }
                });
                self.progress();
            }
        }
    }
}

/// Moves bytes; one or both ranges are in global memory.
///
/// # Safety
/// Both ranges are valid and do not overlap.
unsafe fn move_bytes(from: *const u8, to: *mut u8, bytes: usize) {
    // SAFETY: the caller's duty.
    unsafe {
        if (from as usize | to as usize | bytes).is_multiple_of(8) {
            for at in (0..bytes).step_by(8) {
                store_at::<8>(to.add(at), load_at::<8>(from.add(at)));
            }
        } else {
            for at in 0..bytes {
                store_at::<1>(to.add(at), load_at::<1>(from.add(at)));
            }
        }
    }
}

/// Combines elements with those in global memory. Blocks that do this run in one order.
///
/// # Safety
/// As for [`move_bytes`].
unsafe fn combine_bytes(op: AtomicOp, elem: Scalar, from: &[u8], to: *mut u8) {
    let size = elem.bytes();
    for (index, part) in from.chunks_exact(size).enumerate() {
        let mut bytes = [0u8; 8];
        bytes[..size].copy_from_slice(part);
        // SAFETY: the caller's duty.
        unsafe {
            let at = to.add(index * size);
            let new = combine_global(op, elem, load_element(at, size), u64::from_le_bytes(bytes), 0);
            store_element(at, size, new);
        }
    }
}
