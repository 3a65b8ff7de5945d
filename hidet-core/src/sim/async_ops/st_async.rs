//! What a block sends to the shared memory of another one asynchronously: stores and reductions of threads (PTX
//! `st.async`, `red.async`), and bulk copies between shared memories. The bytes arrive at an mbarrier beside them.

use super::agents::Agent;
use crate::intrinsics::{AtomicOp, Meaning};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryAccess, MemoryBase};
use crate::sim::checks::byte_ranges::Visitor;
use crate::sim::checks::clocks::Epoch;
use crate::sim::checks::shadow::Touch;
use crate::sim::interp::exec::Pause;
use crate::sim::interp::warp::Strand;
use crate::sim::interp::warp_ops::combine;
use crate::sim::lanes::lanes;
use crate::sim::memory::elements::{load_element, store_element};
use crate::types::Scalar;

/// What is sent.
#[derive(Debug)]
enum What {
    Store { elem: Scalar, value: u64 },
    Reduce { op: AtomicOp, elem: Scalar, value: u64 },
    Copy { from: u32, bytes: u32 },
}

impl What {
    fn bytes(&self) -> u32 {
        match self {
            What::Store { elem, .. } | What::Reduce { elem, .. } => elem.bytes() as u32,
            What::Copy { bytes, .. } => *bytes,
        }
    }
}

/// Something that is under way to the shared memory of another block.
#[derive(Debug)]
pub struct Push {
    thread: u32,
    site: u32,
    rank: u32,
    /// First byte there, and the mbarrier.
    to: u32,
    agent: Agent,
    /// When it was issued.
    time: u32,
    what: What,
}

impl BlockRun<'_> {
    /// A strand sends something to the block of that rank, which it can reach.
    pub fn push(&mut self, warp: usize, strand: &mut Strand, number: u32, rank: u32) -> Option<Pause> {
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
                Meaning::PushReduce(op) => What::Reduce { op, elem: to.elem, value },
                Meaning::PushCopy => {
                    let bytes = self.operand(warp, strand, call, 2, lane) as u32;
                    let Some(from) = self.source(warp, strand, lane, call, access(1)?, bytes) else {
                        return Some(Pause::Stopped);
                    };
                    if !self.line_fits(warp, lane, call, to, offset, bytes) {
                        return Some(Pause::Stopped);
                    }
                    What::Copy { from, bytes }
                }
                _ => What::Store { elem: to.elem, value },
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
                    What::Copy { bytes, .. } => {
                        let visitor = visitor(warp, lane, who, to, Touch::Write);
                        block.watch_run(&visitor, to_byte as usize, *bytes as usize);
                    }
                    What::Store { .. } => block.watch(warp, to, &to_at.at, 1 << lane, Touch::Write, who, false),
                    What::Reduce { .. } => block.watch(warp, to, &to_at.at, 1 << lane, Touch::Atomic, who, true),
                }
                true
            });
            if !fine {
                return Some(Pause::Stopped);
            }
            let time = self.clocks.now(warp);
            let thread = (warp * 32 + lane) as u32;
            if let (What::Copy { from, bytes }, Some(source)) = (&what, access(1)) {
                self.watch_run(&visitor(warp, lane, who, source, Touch::Read), *from as usize, *bytes as usize);
                let epoch = Epoch { time, who: thread | who, block: self.number, site: source.site };
                self.visit(self.cluster_rank(), epoch);
            }
            self.agents.pushes.push(Push { thread, site: call.site, rank, to: to_byte, agent, time, what });
            // The next one is of another time.
            self.clocks.advance(warp);
        }
        None
    }

    /// The first byte that a bulk copy reads of the shared memory of this block, where it may.
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

    /// Something arrives.
    pub fn advance_push(&mut self, index: usize) {
        let Push { thread, site, rank, to, agent, time, what } = self.agents.pushes.swap_remove(index);
        let mut sent = Vec::new();
        if let What::Copy { from, bytes } = what {
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
                    What::Store { elem, value } => store_element(at, elem.bytes(), value),
                    What::Reduce { op, elem, value } => {
                        let new = combine(op, elem, load_element(at, elem.bytes()), value, 0);
                        store_element(at, elem.bytes(), new);
                    }
                    What::Copy { .. } => std::ptr::copy_nonoverlapping(sent.as_ptr(), at, sent.len()),
                }
            }
            block.complete_transaction(agent, what.bytes(), time, site, thread);
        });
    }
}

/// An asynchronous access to a part of shared memory.
fn visitor(warp: usize, lane: usize, agent: u32, access: &MemoryAccess, touch: Touch) -> Visitor {
    let (buffer, place, elem) = (access.buffer, access.place, access.elem.bytes());
    Visitor { warp, lane, agent, site: access.site, touch, buffer, place, elem, notes: true }
}
