//! Mbarriers: initialisation, arrivals, phases and waits.

use crate::intrinsics::{Meaning, Order};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::clocks::{Published, add};
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::{State, Strand};
use crate::sim::lanes::{LANES, lanes, write_lane};
use crate::sim::report::FaultKind;

/// The most arrivals that an mbarrier can count in one phase.
const MAX_ARRIVALS: i64 = (1 << 20) - 1;

/// An mbarrier.
#[derive(Debug, Default)]
pub struct Mbarrier {
    /// The number of arrivals per phase.
    count: i64,
    /// The number of arrivals that are still missing in this phase.
    pending: i64,
    /// The number of bytes that are still missing in this phase.
    pub bytes: i64,
    /// Number of phases that have ended.
    pub phase: u32,
    /// The knowledge published by the arrivals of this phase.
    pub arriving: Option<Published>,
    /// The knowledge published by the arrivals of all phases that have ended.
    complete: Option<Published>,
    /// The site where it was initialised, and the thread that did it.
    pub site: u32,
    pub owner: u32,
    /// The block in whose shared memory it is.
    pub block: u32,
    /// True if that thread has executed a fence afterwards, so that it is visible to bulk copies.
    pub fenced: bool,
    /// The number of bulk copies in flight that signal it.
    pub copies: u32,
    /// The last bulk copy that signals it.
    pub last_copy: Option<LastCopy>,
    /// The number of phases whose end some thread has seen.
    pub seen: u32,
}

/// The copy that was issued last of those that signal an mbarrier.
#[derive(Debug, Clone, Copy)]
pub struct LastCopy {
    pub site: u32,
    /// The block and thread that issued it.
    pub block: u32,
    pub thread: u32,
    /// The phase in which it was issued.
    pub phase: u32,
}

impl Mbarrier {
    /// Returns a copy that signals it and may still be in flight, as far as threads know.
    pub fn unfinished(&self) -> Option<LastCopy> {
        self.last_copy.filter(|copy| copy.phase >= self.seen)
    }

    /// Returns what is missing in this phase, for reports, and the site where it was initialised.
    pub fn state(&self) -> (String, u32) {
        let bytes = if self.bytes != 0 { format!(", and {} bytes", self.bytes) } else { String::new() };
        (format!("{} of {} arrivals are missing{bytes}", self.pending, self.count), self.site)
    }
}

impl BlockRun<'_> {
    /// Runs an operation on mbarriers.
    pub fn mbarrier(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let access = &program.accesses[*access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return Some(Pause::Stopped) };
        let MemoryBase::Shared(byte) = access.place else { return None };
        let waits = matches!(call.meaning, Meaning::MbarrierWait | Meaning::MbarrierTest);
        let touch = match call.meaning {
            Meaning::MbarrierInit | Meaning::MbarrierInvalidate => Touch::Write,
            _ if waits => Touch::AtomicRead,
            _ => Touch::Atomic,
        };
        if self.launch.options.checks.races {
            self.watch(warp, access, &offsets.at, offsets.active, touch, 0, false);
        }
        let key = |lane: usize| byte + offsets.at[lane] * 8;
        let name = self.launch.function.buffers[access.buffer].name.as_str();
        for lane in lanes(offsets.active) {
            if call.meaning != Meaning::MbarrierInit && !self.mbarriers.contains_key(&key(lane)) {
                let message = format!("mbarrier {} of `{name}` is used before it was initialised", offsets.at[lane]);
                let what = format!("{} uses it", self.thread_name(warp, lane));
                self.fault(FaultKind::Barrier, message, (call.site, what), Vec::new());
                return Some(self.stop());
            }
        }
        if waits {
            return self.mbarrier_wait(warp, strand, call, &offsets, byte);
        }
        for lane in lanes(offsets.active) {
            let operand = self.operand(warp, strand, call, 1, lane) as u32 as i32 as i64;
            let at = key(lane);
            match call.meaning {
                Meaning::MbarrierInit => {
                    let old = self.mbarriers.get(&at).map(|old| (old.site, "it was initialised here".to_owned()));
                    let message = match &old {
                        Some(_) => Some(format!(
                            "an mbarrier of `{name}` is initialised again; call `.invalidate(i)` on it first"
                        )),
                        None if !(1..=MAX_ARRIVALS).contains(&operand) => Some(format!(
                            "an mbarrier of `{name}` is initialised for {operand} arrivals; the number must be 1 to {MAX_ARRIVALS}"
                        )),
                        None => None,
                    };
                    if let Some(message) = message {
                        let what = format!("{} initialises it", self.thread_name(warp, lane));
                        self.fault(FaultKind::Barrier, message, (call.site, what), old.into_iter().collect());
                        return Some(self.stop());
                    }
                    let new = Mbarrier {
                        count: operand,
                        pending: operand,
                        site: call.site,
                        owner: (warp * 32 + lane) as u32,
                        block: self.number,
                        ..Mbarrier::default()
                    };
                    self.mbarriers.insert(at, new);
                }
                Meaning::MbarrierInvalidate => {
                    if let Some(copy) = self.mbarriers.remove(&at).and_then(|barrier| barrier.unfinished()) {
                        let message = format!(
                            "an mbarrier of `{name}` is invalidated while bulk copies may still signal it: no thread has \
                             waited for their bytes"
                        );
                        let what = format!("{} invalidates it", self.thread_name(warp, lane));
                        let theirs = format!("{} copies", self.launch.thread_name(copy.block, copy.thread));
                        self.fault(FaultKind::Barrier, message, (call.site, what), vec![(copy.site, theirs)]);
                        return Some(self.stop());
                    }
                }
                Meaning::MbarrierExpect => {
                    if !self.expect_bytes(at, operand, call.site, warp, lane) {
                        return Some(Pause::Stopped);
                    }
                }
                _ => {
                    let expect = if call.meaning == Meaning::MbarrierArriveExpect { operand } else { 0 };
                    if !self.expect_bytes(at, expect, call.site, warp, lane) {
                        return Some(Pause::Stopped);
                    }
                    let published = if call.meaning == Meaning::MbarrierArrive(Order::Relaxed) {
                        self.clocks.over(warp, lane)
                    } else {
                        self.clocks.publish(warp, 1 << lane)
                    };
                    if !self.arrive(at, 1, published, (call.site, warp, lane)) {
                        return Some(Pause::Stopped);
                    }
                }
            }
        }
        self.progress();
        strand.pc += 1;
        Some(Pause::Time)
    }

    /// Checks that a store does not overwrite a live mbarrier. Returns false after a fault.
    pub fn check_mbarriers_kept(&mut self, warp: usize, access: &MemoryAccess, at: &[u32; LANES], active: u32) -> bool {
        let MemoryBase::Shared(byte) = access.place else { return true };
        if self.mbarriers.is_empty() {
            return true;
        }
        let elem = access.elem.bytes() as u32;
        let bytes = |lane: usize| byte + at[lane] * elem..byte + (at[lane] + access.count) * elem;
        let near = |bytes: std::ops::Range<u32>| self.mbarriers.range(bytes.start / 8 * 8..bytes.end).next();
        let all = lanes(active).map(bytes).reduce(|a, b| a.start.min(b.start)..a.end.max(b.end));
        if all.and_then(near).is_none() {
            return true;
        }
        let hit = lanes(active).find_map(|lane| Some((lane, near(bytes(lane))?.1.site)));
        let Some((lane, site)) = hit else { return true };
        let name = &self.launch.function.buffers[access.buffer].name;
        let message = format!("a live mbarrier of `{name}` is overwritten; call `.invalidate(i)` on it first");
        let what = format!("{} writes it", self.thread_name(warp, lane));
        self.fault(
            FaultKind::Barrier,
            message,
            (access.site, what),
            vec![(site, "it was initialised here".to_owned())],
        );
        self.stop();
        false
    }

    /// Expects one more arrival in this phase.
    pub fn expect_arrival(&mut self, at: u32) {
        if let Some(barrier) = self.mbarriers.get_mut(&at) {
            barrier.pending += 1;
        }
    }

    /// Records arrivals at the mbarrier at a byte of shared memory. Returns false after a fault.
    pub fn arrive(
        &mut self,
        at: u32,
        arrivals: i64,
        published: Published,
        (site, warp, lane): (u32, usize, usize),
    ) -> bool {
        let Some(barrier) = self.mbarriers.get_mut(&at) else { return true };
        barrier.pending -= arrivals;
        add(&mut barrier.arriving, published);
        if barrier.pending < 0 {
            let message = format!("more than {} arrivals at an mbarrier in one phase", barrier.count);
            let others = vec![(barrier.site, "it was initialised here".to_owned())];
            let what = format!("{} arrives", self.thread_name(warp, lane));
            self.fault(FaultKind::Barrier, message, (site, what), others);
            self.stop();
            return false;
        }
        self.end_mbarrier_phase(at, site, warp, lane)
    }

    /// Ends the phase of an mbarrier if nothing is missing any more. Returns false after a fault.
    pub fn end_mbarrier_phase(&mut self, at: u32, site: u32, warp: usize, lane: usize) -> bool {
        let Some(barrier) = self.mbarriers.get_mut(&at) else { return true };
        if barrier.pending != 0 || barrier.bytes > 0 {
            return true;
        }
        let message = if barrier.bytes < 0 {
            let more = -barrier.bytes;
            format!("{more} more bytes arrive at an mbarrier than were expected in this phase")
        } else if barrier.copies > 0 {
            let copies = barrier.copies;
            format!(
                "a phase of an mbarrier ends while {copies} of its bulk copies are in flight: too few bytes were expected"
            )
        } else {
            barrier.pending = barrier.count;
            barrier.phase += 1;
            if let Some(published) = barrier.arriving.take() {
                add(&mut barrier.complete, published);
            }
            self.wake(at);
            return true;
        };
        let mut others = vec![(barrier.site, "it was initialised here".to_owned())];
        if let Some(LastCopy { site, block, thread, .. }) = barrier.last_copy {
            others.insert(0, (site, format!("{} copies", self.launch.thread_name(block, thread))));
        }
        let what = format!("{} is the last to arrive", self.thread_name(warp, lane));
        self.fault(FaultKind::Barrier, message, (site, what), others);
        self.stop();
        false
    }

    /// Makes the strands that wait at the mbarrier check it again.
    fn wake(&mut self, barrier: u32) {
        for strand in self.warps.iter_mut().flat_map(|warp| &mut warp.strands) {
            if matches!(strand.state, State::Mbarrier { at, .. } if at == barrier) {
                strand.state = State::Ready;
            }
        }
    }

    fn mbarrier_wait(
        &mut self,
        warp: usize,
        strand: &mut Strand,
        call: &Call,
        offsets: &crate::sim::interp::load_store::Offsets,
        byte: u32,
    ) -> Option<Pause> {
        let mut passed = 0u32;
        for lane in lanes(offsets.active) {
            let parity = self.operand(warp, strand, call, 1, lane) as u32 & 1;
            let barrier = self.mbarriers.get(&(byte + offsets.at[lane] * 8));
            if barrier.is_some_and(|barrier| barrier.phase & 1 != parity) {
                passed |= 1 << lane;
            }
        }
        let live = self.warps[warp].live;
        for lane in lanes(passed) {
            let complete = self.mbarriers.get_mut(&(byte + offsets.at[lane] * 8)).and_then(|barrier| {
                barrier.seen = barrier.phase;
                barrier.complete.clone()
            });
            if let Some(complete) = complete {
                // All lanes that passed the same mbarrier acquire together.
                let same: u32 =
                    lanes(passed).filter(|other| offsets.at[*other] == offsets.at[lane]).map(|lane| 1 << lane).sum();
                if same.trailing_zeros() as usize == lane {
                    self.clocks.acquire(warp, same, live, &complete);
                }
            }
        }
        if let Some((row, _)) = call.result {
            for lane in lanes(strand.mask) {
                // SAFETY: the row belongs to the result.
                unsafe {
                    let row = self.warps[warp].regs.as_mut_ptr().add(row as usize);
                    write_lane(row, false, lane, (passed >> lane & 1) as u64);
                }
            }
            if passed != strand.mask {
                self.poll(warp, strand);
            }
            strand.pc += 1;
            return Some(if self.stopped { Pause::Stopped } else { Pause::Time });
        }
        let missing = offsets.active & !passed;
        if missing == 0 {
            return None;
        }
        if passed != 0 {
            let pc = strand.pc;
            self.warps[warp].split(strand, missing, pc);
            return None;
        }
        // Lanes that wait at another mbarrier are split off.
        let first = missing.trailing_zeros() as usize;
        let (at, parity) = (byte + offsets.at[first] * 8, self.operand(warp, strand, call, 1, first) as u32 & 1);
        let same: u32 =
            lanes(missing).filter(|lane| offsets.at[*lane] == offsets.at[first]).map(|lane| 1 << lane).sum();
        if same != strand.mask {
            let (others, pc) = (strand.mask & !same, strand.pc);
            self.warps[warp].split(strand, others, pc);
        }
        strand.state = State::Mbarrier { at, parity, site: call.site };
        Some(Pause::Waiting)
    }
}
