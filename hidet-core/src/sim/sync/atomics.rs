//! Atomic accesses and fences, and the order that they establish.
//!
//! The knowledge that a thread released to an address stays with the address until an atomic store replaces it; an
//! acquire that reads the address adds it to the reader's. A fence turns later relaxed stores into releases, and
//! earlier relaxed loads into acquires. A fence of block scope releases to the threads of its block and acquires from
//! them, including what they have seen of other blocks, but not what another block itself released.

use crate::intrinsics::{AtomicOp, Level, Meaning, Order};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryBase};
use crate::sim::checks::clocks::{Published, add};
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::{Operands, Pause};
use crate::sim::interp::warp::Strand;
use crate::sim::interp::warp_ops::{combine, combine_global};
use crate::sim::lanes::{lanes, write_lane};
use crate::sim::memory::allocation::update_at;
use crate::sim::memory::elements::{load_element, store_element};

/// The state of a thread for its fences.
#[derive(Debug, Default)]
pub struct Fences {
    /// The knowledge that its last fences released.
    released: Option<Published>,
    /// The knowledge that its relaxed loads acquire at the next fence, from threads of its own block.
    near: Option<Published>,
    /// The same from threads of other blocks, for fences of a wider scope.
    far: Option<Published>,
}

impl BlockRun<'_> {
    /// Runs an atomic access.
    pub fn atomic(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let access = &program.accesses[*access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return Some(Pause::Stopped) };
        let (touch, reads) = match call.meaning {
            Meaning::AtomicLoad(..) => (Touch::AtomicRead, true),
            Meaning::AtomicStore(..) => (Touch::AtomicWrite, false),
            _ => (Touch::Atomic, true),
        };
        let options = self.launch.options;
        if options.counters {
            self.count(access, &offsets.at, offsets.active, touch);
        }
        if options.checks.races || options.checks.uninitialised {
            self.watch(warp, access, &offsets.at, offsets.active, touch, 0, reads);
        }
        let base = self.base(access.place);
        let bytes = access.elem.bytes();
        let regs = self.warps[warp].regs.as_mut_ptr();
        let mut changed = false;
        for lane in lanes(offsets.active) {
            let operands = Operands { regs, slots: &strand.slots, consts: &program.consts };
            let (b, c) = (call.lane(&operands, 1, lane), call.lane(&operands, 2, lane));
            // SAFETY: within bounds, aligned to the element.
            let at = unsafe { base.add(offsets.at[lane] as usize * bytes) };
            let old = match call.meaning {
                // SAFETY: as above.
                Meaning::AtomicLoad(..) => unsafe { load_element(at, bytes) },
                Meaning::AtomicStore(..) => {
                    // SAFETY: as above.
                    unsafe { store_element(at, bytes, b) };
                    changed = true;
                    0
                }
                Meaning::Atomic(op, ..) => {
                    let combine = if matches!(access.place, MemoryBase::Global(_)) { combine_global } else { combine };
                    let f = |old| combine(op, access.elem, old, b, c);
                    // SAFETY: as above.
                    let old = unsafe { if bytes == 8 { update_at::<8>(at, f) } else { update_at::<4>(at, f) } };
                    changed |= f(old) != old;
                    old
                }
                _ => 0,
            };
            if let Some((row, scalar)) = call.result {
                // SAFETY: the row belongs to the result.
                unsafe { write_lane(regs.add(row as usize), scalar.bytes() == 8, lane, old) };
            }
            if options.checks.races {
                let (order, release) = match call.meaning {
                    Meaning::AtomicLoad(order) => (order, Release::Keep),
                    Meaning::AtomicStore(order) => (order, Release::Replace),
                    Meaning::Atomic(_, order) => (order, Release::Add),
                    _ => (Order::Relaxed, Release::Keep),
                };
                self.order(warp, lane, access.place, at as usize, order, release);
            }
        }
        if changed {
            self.progress();
            strand.polls = 0;
        }
        let polls = matches!(call.meaning, Meaning::AtomicLoad(..))
            || matches!(call.meaning, Meaning::Atomic(AtomicOp::CompareExchange | AtomicOp::Exchange, ..)) && !changed;
        if polls {
            self.poll(warp, strand);
        }
        strand.pc += 1;
        Some(if self.stopped { Pause::Stopped } else { Pause::Time })
    }

    /// Returns the knowledge released to an address, if any.
    fn released(&mut self, place: MemoryBase, at: usize) -> Option<Published> {
        match place {
            MemoryBase::Global(_) => self.resident.released.borrow().get(&at).cloned(),
            _ => self.released_shared.get(&at).cloned(),
        }
    }

    /// Applies the memory order of an atomic access of a lane.
    fn order(&mut self, warp: usize, lane: usize, place: MemoryBase, at: usize, order: Order, release: Release) {
        let live = self.warps[warp].live;
        let thread = (warp * 32 + lane) as u32;
        let old = self.released(place, at);
        // The acquiring side: everything except a store reads.
        if let Some(old) = &old
            && release != Release::Replace
        {
            if matches!(order, Order::Acquire | Order::AcqRel) {
                self.clocks.acquire(warp, 1 << lane, live, old);
            } else {
                let fences = self.fences.entry(thread).or_default();
                let pending = if old.block == self.number { &mut fences.near } else { &mut fences.far };
                add(pending, old.clone());
            }
        }
        if release == Release::Keep {
            return;
        }
        let mut new = if matches!(order, Order::Release | Order::AcqRel) {
            Some(self.clocks.publish(warp, 1 << lane))
        } else {
            self.fences.get(&thread).and_then(|fences| fences.released.clone())
        };
        if release == Release::Add
            && let Some(old) = old
        {
            match &mut new {
                None => new = Some(old),
                Some(new) => new.join(&old),
            }
        }
        match place {
            MemoryBase::Global(_) => {
                let mut map = self.resident.released.borrow_mut();
                match new {
                    Some(new) => map.insert(at, new),
                    None => map.remove(&at),
                };
            }
            _ => {
                match new {
                    Some(new) => self.released_shared.insert(at, new),
                    None => self.released_shared.remove(&at),
                };
            }
        }
    }

    /// Runs a fence.
    pub fn fence(&mut self, warp: usize, strand: &Strand, level: Level) {
        if !self.launch.options.checks.races {
            return;
        }
        let live = self.warps[warp].live;
        for lane in lanes(strand.mask) {
            let thread = (warp * 32 + lane) as u32;
            let fences = self.fences.entry(thread).or_default();
            let far = match level {
                Level::Block => fences.far.as_ref().and_then(|far| far.within_block(self.number)),
                Level::Device | Level::System => fences.far.take(),
            };
            for published in fences.near.take().into_iter().chain(far) {
                self.clocks.acquire(warp, 1 << lane, live, &published);
            }
            let published = self.clocks.publish(warp, 1 << lane);
            match level {
                Level::Block => add(&mut fences.released, published.within_its_block()),
                Level::Device | Level::System => fences.released = Some(published),
            }
        }
    }
}

/// The effect of an atomic access on the knowledge released to its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    /// A load keeps it.
    Keep,
    /// A store replaces it.
    Replace,
    /// A read-modify-write adds to it.
    Add,
}
