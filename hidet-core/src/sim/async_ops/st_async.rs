//! Asynchronous operations on the shared memory of another block: stores and reductions of threads (PTX `st.async`,
//! `red.async`), and bulk copies between shared memories. The bytes arrive at an mbarrier in the same shared memory.

use super::agents::Agent;
use crate::intrinsics::{AtomicOp, Meaning};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::byte_ranges::RangeAccess;
use crate::sim::checks::clocks::Epoch;
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::Strand;
use crate::sim::interp::warp_ops::combine;
use crate::sim::lanes::lanes;
use crate::sim::memory::elements::{load_element, store_element};
use crate::types::Scalar;

/// The data of an operation.
#[derive(Debug)]
enum Payload {
    Store { elem: Scalar, value: u64 },
    Reduce { op: AtomicOp, elem: Scalar, value: u64 },
    Copy { from: u32, bytes: u32 },
}

impl Payload {
    fn bytes(&self) -> u32 {
        match self {
            Payload::Store { elem, .. } | Payload::Reduce { elem, .. } => elem.bytes() as u32,
            Payload::Copy { bytes, .. } => *bytes,
        }
    }
}

/// An operation in flight to the shared memory of another block.
#[derive(Debug)]
pub struct RemoteStore {
    thread: u32,
    site: u32,
    rank: u32,
    /// The offset of the first byte there.
    to: u32,
    agent: Agent,
    /// The time of its issue.
    time: u32,
    what: Payload,
}

impl BlockRun<'_> {
    /// Issues operations on the shared memory of the block of that rank, which [`BlockRun::check_peer`] allows.
    pub fn issue_remote_store(&mut self, warp: usize, strand: &mut Strand, number: u32, rank: u32) -> Option<Pause> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let access = |index: usize| match call.args.get(index) {
            Some(CallArg::Address(access)) => Some(&program.accesses[*access as usize]),
            _ => None,
        };
        let bulk = call.meaning == Meaning::PushCopy;
        let (to, mbarrier) = (access(0)?, access(if bulk { 3 } else { 2 })?);
        let (MemoryBase::Shared(to_start), MemoryBase::Shared(bars_start)) = (to.place, mbarrier.place) else {
            return None;
        };
        let Some(to_at) = self.offsets(warp, strand, to) else { return Some(Pause::Stopped) };
        let Some(bar_at) = self.offsets(warp, strand, mbarrier) else { return Some(Pause::Stopped) };
        for lane in lanes(strand.mask) {
            let offset = to_at.at[lane] as usize * to.elem.bytes();
            let to_byte = to_start + offset as u32;
            let value = self.operand(warp, strand, call, 1, lane);
            let what = match call.meaning {
                Meaning::PushReduce(op) => Payload::Reduce { op, elem: to.elem, value },
                Meaning::PushCopy => {
                    let bytes = self.operand(warp, strand, call, 2, lane) as u32;
                    let Some(from) = self.source(warp, strand, lane, call, access(1)?, bytes) else {
                        return Some(Pause::Stopped);
                    };
                    if !self.line_fits(warp, lane, call, to, offset, bytes) {
                        return Some(Pause::Stopped);
                    }
                    Payload::Copy { from, bytes }
                }
                _ => Payload::Store { elem: to.elem, value },
            };
            let at = bars_start + bar_at.at[lane] * 8;
            let agent = Agent::Loads((rank != self.cluster_rank()).then_some(rank), at);
            let who = self.agents.epoch(agent);
            let races = self.launch.options.checks.races;
            let fine = self.at_rank(rank, |block| {
                if races {
                    block.watch(warp, mbarrier, &bar_at.at, 1 << lane, Touch::Atomic, 0, false);
                }
                if !block.begin_transaction(at, call.site, warp, lane, bulk) {
                    return false;
                }
                match &what {
                    Payload::Copy { bytes, .. } => {
                        let access = range_access(warp, lane, who, to, Touch::Write);
                        block.watch_range(&access, to_byte as usize, *bytes as usize);
                    }
                    Payload::Store { .. } => block.watch(warp, to, &to_at.at, 1 << lane, Touch::Write, who, false),
                    Payload::Reduce { .. } => block.watch(warp, to, &to_at.at, 1 << lane, Touch::Atomic, who, true),
                }
                true
            });
            if !fine {
                return Some(Pause::Stopped);
            }
            let time = self.clocks.now(warp);
            let thread = (warp * 32 + lane) as u32;
            if let (Payload::Copy { from, bytes }, Some(source)) = (&what, access(1)) {
                self.watch_range(&range_access(warp, lane, who, source, Touch::Read), *from as usize, *bytes as usize);
                let epoch = Epoch { time, who: thread | who, block: self.number, site: source.site };
                self.note_peer_access(self.cluster_rank(), epoch);
            }
            self.agents.remote_stores.push(RemoteStore {
                thread,
                site: call.site,
                rank,
                to: to_byte,
                agent,
                time,
                what,
            });
            // The next operation has a later time, so that each can be waited for.
            self.clocks.advance(warp);
        }
        None
    }

    /// Returns the offset of the first byte that a bulk copy reads of the shared memory of this block, or `None` after
    /// a fault.
    fn source(
        &mut self,
        warp: usize,
        strand: &Strand,
        lane: usize,
        call: &Call,
        from: &MemoryAccess,
        bytes: u32,
    ) -> Option<u32> {
        let offsets = self.offsets(warp, strand, from)?;
        let MemoryBase::Shared(start) = from.place else { return None };
        let offset = offsets.at[lane] as usize * from.elem.bytes();
        self.line_fits(warp, lane, call, from, offset, bytes).then_some(start + offset as u32)
    }

    /// Performs an operation: its bytes arrive.
    pub fn advance_remote_store(&mut self, index: usize) {
        let RemoteStore { thread, site, rank, to, agent, time, what } = self.agents.remote_stores.swap_remove(index);
        let mut sent = Vec::new();
        if let Payload::Copy { from, bytes } = what {
            let from = from as usize..(from + bytes) as usize;
            // SAFETY: the words are bytes.
            let own = unsafe { std::slice::from_raw_parts(self.shared.as_ptr().cast::<u8>(), self.shared.len() * 8) };
            sent.extend_from_slice(&own[from]);
        }
        self.at_rank(rank, |block| {
            // SAFETY: the bytes there were checked when it was issued.
            unsafe {
                let at = block.shared.as_mut_ptr().cast::<u8>().add(to as usize);
                match what {
                    Payload::Store { elem, value } => store_element(at, elem.bytes(), value),
                    Payload::Reduce { op, elem, value } => {
                        let new = combine(op, elem, load_element(at, elem.bytes()), value, 0);
                        store_element(at, elem.bytes(), new);
                    }
                    Payload::Copy { .. } => std::ptr::copy_nonoverlapping(sent.as_ptr(), at, sent.len()),
                }
            }
            block.complete_transaction(agent, what.bytes(), time, site, thread);
        });
    }
}

/// Returns an asynchronous access to a buffer in shared memory.
fn range_access(warp: usize, lane: usize, agent: u32, access: &MemoryAccess, touch: Touch) -> RangeAccess {
    let (buffer, place, elem) = (access.buffer, access.place, access.elem.bytes());
    RangeAccess { warp, lane, agent, site: access.site, touch, buffer, place, elem, notes: true }
}
