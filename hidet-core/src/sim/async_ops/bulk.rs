//! Bulk copies: boxes and lines between global and shared memory, done by an agent of the tensor memory accelerator.
//!
//! A load is waited for at its mbarrier, by its bytes; stores by the groups of their thread, in two steps: first shared
//! memory has been read, then global memory written. A copy moves at once when the scheduler likes; copies have no
//! order among each other. PTX ISA, "cp.async.bulk" and its kin.

use super::agents::Agent;
use super::bulk_groups::Stores;
use crate::intrinsics::{AtomicOp, Meaning};
use crate::ir::BufferId;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::byte_ranges::Visitor;
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::{Operands, Pause};
use crate::sim::interp::load_store::Offsets;
use crate::sim::interp::warp::Strand;
use crate::sim::interp::warp_ops::combine_global;
use crate::sim::lanes::{RegisterRow, lanes};
use crate::sim::memory::allocation::{load_at, store_at};
use crate::sim::memory::elements::{load_element, store_element};
use crate::sim::memory::tiles::Route;
use crate::types::Scalar;
use std::collections::HashMap;

/// What a copy does.
#[derive(Debug)]
pub enum Way {
    /// To shared memory, of the block of that rank where it is another one; issued at a time, its bytes arrive at the
    /// mbarrier.
    Load { peer: Option<u32>, mbarrier: u32, time: u32 },
    /// From shared memory, in a group of its thread; what was read of it.
    Store { op: Option<AtomicOp>, group: u64, data: Option<Vec<u8>> },
}

/// A copy under way.
#[derive(Debug)]
pub struct Copy<'l> {
    pub thread: u32,
    site: u32,
    route: Route<'l>,
    /// First byte in shared memory.
    shared: u32,
    tensor: u32,
    elem: Scalar,
    pub way: Way,
}

/// The bulk copies of a block.
#[derive(Debug, Default)]
pub struct Bulk<'l> {
    pub copies: Vec<Copy<'l>>,
    /// By thread.
    pub stores: HashMap<u32, Stores>,
}

/// The operands of a bulk copy, found in its call.
struct Ends<'l> {
    route: Option<&'l crate::sim::memory::tiles::BoxMap>,
    shared: &'l MemoryAccess,
    global: Option<&'l MemoryAccess>,
    mbarrier: Option<&'l MemoryAccess>,
}

impl<'l> BlockRun<'l> {
    fn ends(&self, call: &'l Call) -> Option<Ends<'l>> {
        let program = self.launch.program;
        let mut ends = Ends { route: None, shared: program.accesses.first()?, global: None, mbarrier: None };
        let load = matches!(call.meaning, Meaning::TensorLoad | Meaning::TensorMulticast | Meaning::BulkLoad);
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

    /// A strand issues bulk copies, one a lane.
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
                    let mut at = [0i64; 5];
                    let values = call.args.iter().enumerate().filter(|arg| matches!(arg.1, CallArg::Value(..)));
                    for (axis, (index, _)) in values.enumerate().take(map.shape.tile.len()) {
                        at[axis] = call.lane(&operands, index, lane) as u32 as i32 as i64;
                    }
                    (Route::Tile { shape: &map.shape, at }, map.tensor, map.buffer)
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
            if !self.box_fits(warp, lane, call, ends.shared, shared_at.at[lane], shared, &route) {
                return Some(Pause::Stopped);
            }
            let make = |way| Copy { thread, site: call.site, route, shared, tensor, elem, way };
            let buffers = (ends.shared.buffer, shared_start, buffer);
            self.count_bulk(&route, shared, tensor, load);
            match (ends.mbarrier, &mbarriers) {
                (Some(access), Some(offsets)) => {
                    let MemoryBase::Shared(byte) = access.place else { return None };
                    let mbarrier = byte + offsets.at[lane] * 8;
                    let own = self.cluster_rank();
                    let blocks = match call.meaning {
                        Meaning::TensorMulticast => call.lane(&operands, call.args.len() - 1, lane) as u32,
                        _ => 1 << own,
                    };
                    for rank in lanes(blocks).map(|rank| rank as u32) {
                        if !self.reach(warp, 1 << lane, rank, ends.shared.site) {
                            return Some(self.stop());
                        }
                        let peer = (rank != own).then_some(rank);
                        let copy = make(Way::Load { peer, mbarrier, time: self.clocks.now(warp) });
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
                    let copy = make(Way::Store { op, group: stores.committed, data: None });
                    self.watch_bulk(warp, lane, &copy, buffers);
                    self.agents.bulk.copies.push(copy);
                    // The next copy is of another time, so that each can be waited for.
                    self.clocks.advance(warp);
                }
            }
        }
        None
    }

    /// A load to the shared memory that is this block's for the moment. False where its mbarrier refuses.
    fn issue_load(
        &mut self,
        warp: usize,
        lane: usize,
        copy: Copy<'l>,
        (access, offsets): (&MemoryAccess, &Offsets),
        buffers: (BufferId, u32, BufferId),
    ) -> bool {
        let Way::Load { mbarrier, .. } = copy.way else { return true };
        if self.launch.options.checks.races {
            self.watch(warp, access, &offsets.at, 1 << lane, Touch::Atomic, 0, false);
        }
        if !self.begin_transaction(mbarrier, copy.site, warp, lane, true) {
            return false;
        }
        self.watch_bulk(warp, lane, &copy, buffers);
        self.agents.bulk.copies.push(copy);
        // The next copy is of another time, so that each can be waited for.
        self.clocks.advance(warp);
        true
    }

    /// What the checkers see of a copy when it is issued.
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
        let (reads, writes) = match copy.way {
            Way::Load { peer, mbarrier, .. } => (Agent::Loads(peer, mbarrier), Agent::Loads(peer, mbarrier)),
            Way::Store { .. } => (Agent::StoreReads(copy.thread), Agent::StoreWrites(copy.thread)),
        };
        let (reads, writes) = (self.agents.epoch(reads), self.agents.epoch(writes));
        let elem = copy.elem.bytes();
        let near = Visitor {
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
        let far = Visitor { agent: writes, buffer: global, place: MemoryBase::Global(copy.tensor), ..near };
        let offset = self.launch.tensors[copy.tensor as usize].offset;
        match copy.way {
            Way::Load { .. } => {
                // The box lies without gaps, swizzled or not.
                let near = Visitor { touch: Touch::Write, ..near };
                self.watch_run(&near, copy.shared as usize, copy.route.bytes() as usize);
                copy.route.runs(copy.shared, &mut |run| {
                    if let Some(byte) = run.global {
                        self.watch_run(&Visitor { touch: Touch::Read, ..far }, offset + byte, run.bytes as usize);
                    }
                });
            }
            Way::Store { op, .. } => {
                let touch = if op.is_some() { Touch::Atomic } else { Touch::Write };
                copy.route.runs(copy.shared, &mut |run| {
                    if let Some(byte) = run.global {
                        self.watch_run(&near, run.shared as usize, run.bytes as usize);
                        self.watch_run(&Visitor { touch, ..far }, offset + byte, run.bytes as usize);
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
        route.runs(shared, &mut |run| {
            let Some(start) = run.global.map(|byte| offset + byte) else { return };
            bytes += u64::from(run.bytes);
            let (first, end) = (start / 32, (start + run.bytes as usize).div_ceil(32));
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

    /// Copies under way.
    pub fn copies_under_way(&self) -> u32 {
        self.agents.bulk.copies.len() as u32
    }

    /// A copy makes its next step.
    pub fn advance_copy(&mut self, index: usize) {
        let mut copy = self.agents.bulk.copies.swap_remove(index);
        let offset = self.launch.tensors[copy.tensor as usize].offset;
        let base = self.launch.tensors[copy.tensor as usize].memory.base();
        let shared = self.shared.as_mut_ptr().cast::<u8>();
        match &mut copy.way {
            Way::Load { peer, mbarrier, time } => {
                let (peer, mbarrier, time) = (*peer, *mbarrier, *time);
                let rank = peer.unwrap_or(self.cluster_rank());
                self.at_rank(rank, |block| {
                    let shared = block.shared.as_mut_ptr().cast::<u8>();
                    copy.route.runs(copy.shared, &mut |run| {
                        // SAFETY: both ranges were checked when the copy was issued.
                        unsafe {
                            let to = shared.add(run.shared as usize);
                            match run.global {
                                Some(byte) => move_bytes(base.add(offset + byte), to, run.bytes as usize),
                                None => std::ptr::write_bytes(to, 0, run.bytes as usize),
                            }
                        }
                    });
                    let agent = Agent::Loads(peer, mbarrier);
                    block.complete_transaction(agent, copy.route.bytes(), time, copy.site, copy.thread);
                });
            }
            Way::Store { data: data @ None, .. } => {
                let mut bytes = vec![0u8; copy.route.bytes() as usize];
                copy.route.runs(copy.shared, &mut |run| {
                    // SAFETY: both ranges were checked when the copy was issued.
                    unsafe {
                        let to = bytes.as_mut_ptr().add(run.linear as usize);
                        std::ptr::copy_nonoverlapping(shared.add(run.shared as usize), to, run.bytes as usize);
                    }
                });
                *data = Some(bytes);
                self.agents.bulk.copies.push(copy);
                // It goes where it was, so that those who walk the list meet it again.
                let last = self.agents.bulk.copies.len() - 1;
                self.agents.bulk.copies.swap(index, last);
            }
            Way::Store { op, data: Some(data), .. } => {
                let (op, elem) = (*op, copy.elem);
                copy.route.runs(copy.shared, &mut |run| {
                    let Some(byte) = run.global else { return };
                    let from = &data[run.linear as usize..(run.linear + run.bytes) as usize];
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

/// Moves bytes, one side or both in global memory.
///
/// # Safety
/// Both ranges exist, and do not overlap.
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

/// Combines elements with those in global memory. Blocks that do that run in one order.
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
