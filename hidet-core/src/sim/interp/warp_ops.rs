//! Operations of the lanes of a mask: shuffles, votes, reductions, warp barriers.
//!
//! A strand that does not have all lanes of its mask waits for strands that call the same operation with the same mask,
//! anywhere in the kernel. It does not wait for lanes that have ended.

use super::exec::{Operands, Pause};
use super::warp::{State, Strand};
use crate::intrinsics::{AtomicOp, Meaning, ShuffleKind, VoteKind};
use crate::ir::{BinaryOp, eval};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg};
use crate::sim::lanes::{LANES, lanes, write_lane};
use crate::sim::report::FaultKind;
use crate::types::Scalar;

/// The lanes of a strand that take part in an operation.
pub struct CallGroup {
    pub call: u32,
    pub mask: u32,
    /// Their uniform values.
    pub slots: Vec<u64>,
}

/// Returns true if all 32 lanes of a warp must be at the same call (`.aligned` in PTX).
fn is_aligned(meaning: Meaning) -> bool {
    meaning == Meaning::ElectOne || is_of_tensor_cores(meaning)
}

fn is_of_tensor_cores(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Mma(_) | Meaning::LoadMatrix { .. } | Meaning::StoreMatrix { .. })
}

impl Call {
    /// Returns operand `index` in a lane.
    pub fn lane(&self, operands: &Operands, index: usize, lane: usize) -> u64 {
        match self.args.get(index) {
            Some(CallArg::Value(src, scalar)) => operands.lane(*src, scalar.bytes() == 8, lane),
            Some(CallArg::Imm(value)) => *value as u64,
            _ => 0,
        }
    }

    /// Returns the type of operand `index`.
    pub fn scalar(&self, index: usize) -> Scalar {
        match self.args.get(index) {
            Some(CallArg::Value(_, scalar)) => *scalar,
            _ => Scalar::U32,
        }
    }
}

impl BlockRun<'_> {
    fn call_operands<'a>(&self, warp: usize, slots: &'a [u64]) -> Operands<'a>
    where
        Self: 'a,
    {
        let regs = self.warps[warp].regs.as_ptr() as *mut crate::sim::lanes::RegisterRow;
        Operands { regs, slots, consts: &self.launch.program.consts }
    }

    /// Runs an operation of the lanes of a mask, or makes the strand wait for the other lanes.
    pub fn warp_op(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let operands = self.call_operands(warp, &strand.slots);
        let first = strand.mask.trailing_zeros() as usize;
        if is_aligned(call.meaning) {
            return self.all_lanes(warp, strand, number);
        }
        let members = call.lane(&operands, 0, first) as u32;
        // Lanes with another mask are split off.
        let group: u32 = lanes(strand.mask)
            .filter(|lane| call.lane(&operands, 0, *lane) as u32 == members)
            .map(|lane| 1 << lane)
            .sum();
        if group & !members != 0 {
            let lane = (group & !members).trailing_zeros() as usize;
            let message = format!("`{}` is called with mask {members:#x} by a lane that is not in it", call.name);
            let what = format!("{} calls it", self.thread_name(warp, lane));
            self.fault(FaultKind::Barrier, message, (call.site, what), Vec::new());
            return Some(self.stop());
        }
        if group != strand.mask {
            let (others, pc) = (strand.mask & !group, strand.pc);
            self.warps[warp].split(strand, others, pc);
        }
        self.arrive_together(warp, strand, number, group, members)
    }

    /// The same for an operation that all lanes of the warp must call.
    fn all_lanes(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let missing = !self.warps[warp].live;
        if missing != 0 {
            let lane = missing.trailing_zeros() as usize;
            let message = format!("`{}` needs all 32 lanes of the warp, but lane {lane} is missing", call.name);
            let what = format!("{} calls it", self.thread_name(warp, strand.mask.trailing_zeros() as usize));
            let others = match self.warps[warp].ended() >> lane & 1 {
                0 => Vec::new(),
                _ => vec![(self.warps[warp].exits[lane], format!("{} ended", self.thread_name(warp, lane)))],
            };
            self.fault(FaultKind::Barrier, message, (call.site, what), others);
            return Some(self.stop());
        }
        self.arrive_together(warp, strand, number, strand.mask, u32::MAX)
    }

    /// Makes the lanes `group` of the strand wait for the other lanes of `members`, or lets all go on if they are the
    /// last.
    fn arrive_together(
        &mut self,
        warp: usize,
        strand: &mut Strand,
        number: u32,
        group: u32,
        members: u32,
    ) -> Option<Pause> {
        let live = members & self.warps[warp].live;
        if group == live {
            let party = CallGroup { call: number, mask: group, slots: std::mem::take(&mut strand.slots) };
            let fine = self.exchange(warp, members, std::slice::from_ref(&party));
            strand.slots = party.slots;
            return (!fine).then_some(Pause::Stopped);
        }
        strand.state = State::Lanes { call: number, members };
        let mut here = group;
        for other in &self.warps[warp].strands {
            if self.is_with(other, number, members) {
                here |= other.mask;
            }
        }
        if here == live {
            // The caller still has the strand: put it back into the warp, and let all lanes go on.
            let mine = std::mem::take(strand);
            self.warps[warp].strands.push(mine);
            self.finish_group(warp, number, members);
            *strand = Strand::default();
        }
        Some(Pause::Waiting)
    }

    /// Returns true if a strand waits for the lanes at call `number`: at the same call or, unless the call is aligned,
    /// at one of the same meaning.
    fn is_with(&self, strand: &Strand, number: u32, members: u32) -> bool {
        let calls = &self.launch.program.calls;
        let meaning = calls[number as usize].meaning;
        match strand.state {
            State::Lanes { call, members: theirs } => {
                let same = calls[call as usize].meaning == meaning && !is_aligned(meaning);
                theirs == members && (call == number || same)
            }
            _ => false,
        }
    }

    /// Runs an operation for all strands that wait for it.
    fn finish_group(&mut self, warp: usize, number: u32, members: u32) {
        let mut parties = Vec::new();
        for index in 0..self.warps[warp].strands.len() {
            if !self.is_with(&self.warps[warp].strands[index], number, members) {
                continue;
            }
            let strand = &mut self.warps[warp].strands[index];
            if let State::Lanes { call, .. } = strand.state {
                parties.push(CallGroup { call, mask: strand.mask, slots: strand.slots.clone() });
            }
            strand.state = State::Ready;
            strand.pc += 1;
        }
        self.progress();
        self.exchange(warp, members, &parties);
    }

    /// Completes operations and barriers that waited only for lanes that have ended.
    pub fn lanes_ended(&mut self, warp: usize) {
        let mut waiting = Vec::new();
        for strand in &self.warps[warp].strands {
            if let State::Lanes { call, members } = strand.state {
                waiting.push((call, members));
            }
        }
        for (number, members) in waiting {
            let strands = &self.warps[warp].strands;
            let here: u32 =
                strands.iter().filter(|strand| self.is_with(strand, number, members)).map(|strand| strand.mask).sum();
            if here != 0 && here == members & self.warps[warp].live {
                self.finish_group(warp, number, members);
            }
        }
        self.complete_block_barrier();
    }

    /// Runs an operation whose lanes have all arrived. Returns false if a fault stopped the block.
    fn exchange(&mut self, warp: usize, members: u32, parties: &[CallGroup]) -> bool {
        let program = self.launch.program;
        let here: u32 = parties.iter().map(|party| party.mask).sum();
        let Some(first) = parties.first() else { return true };
        let meaning = program.calls[first.call as usize].meaning;
        if meaning == Meaning::SyncWarp {
            let live = self.warps[warp].live;
            let all = here == live && self.warps[warp].is_whole();
            self.clocks.warp_barrier(warp, here, live, all);
            return true;
        }
        if is_of_tensor_cores(meaning) {
            return self.tensor_cores(warp, parties);
        }
        let mut values = [0u64; LANES];
        let mut choice = [0i64; LANES];
        let scalar = program.calls[first.call as usize].scalar(1);
        for party in parties {
            let call = &program.calls[party.call as usize];
            let operands = self.call_operands(warp, &party.slots);
            for lane in lanes(party.mask) {
                values[lane] = call.lane(&operands, 1, lane);
                choice[lane] = (call.lane(&operands, 2, lane) & 31) as i64;
            }
        }
        let mut results = [0u64; LANES];
        match meaning {
            Meaning::Shuffle(kind) => {
                for lane in lanes(here) {
                    let own = lane as i64;
                    let source = match kind {
                        ShuffleKind::Index => choice[lane],
                        ShuffleKind::Up => own - choice[lane],
                        ShuffleKind::Down => own + choice[lane],
                        ShuffleKind::Xor => own ^ choice[lane],
                    };
                    let source = if (0..32).contains(&source) { source as usize } else { lane };
                    if here >> source & 1 == 0 {
                        let site = self.site_of(parties, lane);
                        let threads = program.block.iter().product::<u32>() as usize;
                        let (in_mask, exists) = (members >> source & 1 == 1, 32 * warp + source < threads);
                        let why = match (in_mask, exists) {
                            (false, _) => "is not in the mask".to_owned(),
                            (true, true) => "has ended".to_owned(),
                            (true, false) => format!(
                                "does not exist: the last warp of a block of {threads} threads has {} lanes; whole warps are \
                                 needed here",
                                threads % 32
                            ),
                        };
                        let message = format!("lane {lane} takes the value of lane {source}, which {why}");
                        let what = format!("{} shuffles", self.thread_name(warp, lane));
                        let ended = self.warps[warp].exits[source];
                        let others = match in_mask && exists {
                            false => Vec::new(),
                            true => vec![(ended, format!("{} ended", self.thread_name(warp, source)))],
                        };
                        self.fault(FaultKind::Arithmetic, message, (site, what), others);
                        self.stop();
                        return false;
                    }
                    results[lane] = values[source];
                }
            }
            Meaning::Vote(kind) => {
                let ballot: u32 = lanes(here).filter(|lane| values[*lane] != 0).map(|lane| 1 << lane).sum();
                let result = match kind {
                    VoteKind::All => (ballot == here) as u64,
                    VoteKind::Any => (ballot != 0) as u64,
                    VoteKind::Ballot => ballot as u64,
                };
                results = [result; LANES];
            }
            // PTX only defines that it is always the same lane: seed 0 elects the first.
            Meaning::ElectOne => results[(self.launch.options.seed % 32) as usize] = 1,
            Meaning::Redux(op) => {
                let combined =
                    lanes(here).map(|lane| values[lane]).reduce(|a, b| combine(op, scalar, a, b, 0)).unwrap_or(0);
                results = [combined; LANES];
            }
            _ => {}
        }
        let regs = self.warps[warp].regs.as_mut_ptr();
        for party in parties {
            if let Some((row, scalar)) = program.calls[party.call as usize].result {
                for lane in lanes(party.mask) {
                    // SAFETY: the row belongs to the result.
                    unsafe { write_lane(regs.add(row as usize), scalar.bytes() == 8, lane, results[lane]) };
                }
            }
        }
        true
    }

    fn site_of(&self, parties: &[CallGroup], lane: usize) -> u32 {
        let party = parties.iter().find(|party| party.mask >> lane & 1 != 0);
        party.map_or(0, |party| self.launch.program.calls[party.call as usize].site)
    }
}

/// Returns the result of an atomic operation or reduction of the old value `a` and its operand `b`; `c` is the new
/// value of a compare-exchange.
pub fn combine(op: AtomicOp, scalar: Scalar, a: u64, b: u64, c: u64) -> u64 {
    let binary = match op {
        AtomicOp::Add => BinaryOp::Add,
        AtomicOp::Min => BinaryOp::Min,
        AtomicOp::Max => BinaryOp::Max,
        AtomicOp::And => BinaryOp::And,
        AtomicOp::Or => BinaryOp::Or,
        AtomicOp::Xor => BinaryOp::Xor,
        AtomicOp::Exchange => return b,
        AtomicOp::CompareExchange => return if a == b { c } else { a },
    };
    // The table of intrinsics allows only types that have the operation.
    eval::binary(binary, scalar).map_or(a, |f| f(a, b))
}

/// The same in global memory, where sums of `f32` flush subnormal inputs and results to zero of the same sign (PTX ISA,
/// `atom`, `red`, `cp.reduce.async.bulk`).
pub fn combine_global(op: AtomicOp, scalar: Scalar, a: u64, b: u64, c: u64) -> u64 {
    if (op, scalar) != (AtomicOp::Add, Scalar::F32) {
        return combine(op, scalar, a, b, c);
    }
    let flushed = |bits: u64| if bits & 0x7f80_0000 == 0 { bits & 0x8000_0000 } else { bits };
    flushed(combine(op, scalar, flushed(a), flushed(b), c))
}
