//! Warp groups: four warps that must be at the same instruction together (PTX `.aligned` of a warp group), and the
//! registers that they give to each other.

use super::exec::{Operands, Pause};
use super::warp::{State, Strand};
use crate::intrinsics::Meaning;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryAccess};
use crate::sim::lanes::{RegisterRow, lanes};
use crate::sim::report::FaultKind;

/// Warps of a warp group.
pub const WARPS: usize = 4;

/// The registers of a block, which `setmaxnreg` moves between its warp groups.
#[derive(Debug, Default)]
pub struct RegisterPool {
    /// Registers of a thread by warp group; empty until the first change.
    counts: Vec<u32>,
    /// Registers that were given back.
    free: u32,
}

impl BlockRun<'_> {
    /// A strand is at what its whole warp group must do together.
    pub fn group_call(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let first = warp / WARPS * WARPS;
        let missing = (first..first + WARPS).find_map(|warp| match self.warps.get(warp) {
            None => Some((warp, 0)),
            Some(other) if other.live != u32::MAX => Some((warp, (!other.live).trailing_zeros() as usize)),
            Some(_) => None,
        });
        if let Some((other, lane)) = missing {
            let message =
                format!("`{}` takes all four warps of a warp group, and not all of their threads are there", call.name);
            let what = format!("{} calls it", self.thread_name(warp, strand.mask.trailing_zeros() as usize));
            let others = match self.warps.get(other) {
                Some(gone) if gone.ended() >> lane & 1 != 0 => {
                    vec![(gone.exits[lane], format!("{} ended", self.thread_name(other, lane)))]
                }
                _ => Vec::new(),
            };
            self.fault(FaultKind::Barrier, message, (call.site, what), others);
            return Some(self.stop());
        }
        strand.state = State::Group { call: number };
        // The strand is with the caller: hand it over.
        let mine = std::mem::take(strand);
        self.warps[warp].strands.push(mine);
        self.try_group(first, number);
        Some(if self.stopped { Pause::Stopped } else { Pause::Waiting })
    }

    /// Does what a warp group waits for at a call, where all of it is there and it can be done.
    fn try_group(&mut self, first: usize, number: u32) {
        let at = State::Group { call: number };
        let is_there = |warp: &super::warp::Warp| {
            warp.strands.iter().filter(|strand| strand.state == at).map(|strand| strand.mask).sum::<u32>() == u32::MAX
        };
        if !self.warps[first..first + WARPS].iter().all(is_there) {
            return;
        }
        let call = &self.launch.program.calls[number as usize];
        let left = match call.args.first() {
            Some(CallArg::Imm(left)) => *left,
            _ => 0,
        };
        match call.meaning {
            Meaning::Wgmma { .. } => {
                self.issue_product(first, number);
            }
            Meaning::WgmmaFence => self.fence_products(first),
            Meaning::WgmmaCommit => self.commit_products(first),
            Meaning::WgmmaWait => self.wait_products(first, left as usize),
            Meaning::SetMaxRegisters { raise } => {
                if !self.set_registers(first, call.site, left as u32, raise) {
                    return;
                }
            }
            _ => {}
        }
        for strand in self.warps[first..first + WARPS].iter_mut().flat_map(|warp| &mut warp.strands) {
            if strand.state == at {
                strand.state = State::Ready;
                strand.pc += 1;
            }
        }
        self.progress();
        if matches!(call.meaning, Meaning::SetMaxRegisters { raise: false }) {
            self.retry_groups();
        }
    }

    /// Registers were given back: those who wait for some try again.
    fn retry_groups(&mut self) {
        for first in (0..self.warps.len()).step_by(WARPS) {
            let waiting = self.warps[first].strands.iter().find_map(|strand| match strand.state {
                State::Group { call } => Some(call),
                _ => None,
            });
            let raises = |call: u32| {
                self.launch.program.calls[call as usize].meaning == Meaning::SetMaxRegisters { raise: true }
            };
            if let Some(call) = waiting.filter(|call| raises(*call))
                && first + WARPS <= self.warps.len()
            {
                self.try_group(first, call);
            }
        }
    }

    /// `setmaxnreg`: false where the warp group must wait, or a fault stopped the block.
    fn set_registers(&mut self, first: usize, site: u32, count: u32, raise: bool) -> bool {
        let launch = &self.launch.function.launch;
        let share = launch.register_share();
        let group = first / WARPS;
        if self.pool.counts.is_empty() {
            self.pool.counts = vec![share; self.warps.len().div_ceil(WARPS)];
        }
        let now = self.pool.counts[group];
        let problem = if launch.min_blocks == 0 {
            Some(
                "registers can only be moved where the launch says `min_blocks`, which fixes how many there are"
                    .to_owned(),
            )
        } else if !count.is_multiple_of(8) {
            Some(format!("{count} registers: it must be a multiple of 8"))
        } else if raise && count < now {
            Some(format!("registers are raised to {count}, and a thread has {now}"))
        } else if !raise && count > now {
            Some(format!("registers are lowered to {count}, and a thread has {now}"))
        } else {
            None
        };
        if let Some(message) = problem {
            let what = format!("{} calls it", self.thread_name(first, 0));
            self.fault(FaultKind::Barrier, message, (site, what), Vec::new());
            self.stop();
            return false;
        }
        let size = (WARPS * 32) as u32;
        if raise {
            let wanted = (count - now) * size;
            if wanted > self.pool.free {
                return false;
            }
            self.pool.free -= wanted;
        } else {
            self.pool.free += (now - count) * size;
        }
        self.pool.counts[group] = count;
        true
    }

    /// What a warp group at `setmaxnreg` lacks, for reports.
    pub fn registers_missing(&self, call: u32) -> Option<String> {
        let call = &self.launch.program.calls[call as usize];
        let (Meaning::SetMaxRegisters { raise: true }, Some(CallArg::Imm(count))) = (call.meaning, call.args.first())
        else {
            return None;
        };
        Some(format!("waiting for {count} registers a thread; {} are free in the block", self.pool.free))
    }

    /// The strands of a warp of the group at the call: masks and uniform values.
    fn group_parties(&self, warp: usize, number: u32) -> Vec<Strand> {
        let at = State::Group { call: number };
        let strands = self.warps[warp].strands.iter().filter(|strand| strand.state == at);
        strands.map(|strand| Strand { mask: strand.mask, slots: strand.slots.clone(), ..Strand::default() }).collect()
    }

    /// The element offset of an address in each warp, whose lanes must agree. `None`: a fault stopped the block.
    pub fn agreed_offsets(&mut self, first: usize, number: u32, access: &MemoryAccess) -> Option<[u32; WARPS]> {
        let mut all = [0; WARPS];
        for (warp, found) in all.iter_mut().enumerate() {
            let mut seen = None;
            for party in self.group_parties(first + warp, number) {
                let offsets = self.offsets(first + warp, &party, access)?;
                for lane in lanes(party.mask) {
                    if *seen.get_or_insert(offsets.at[lane]) != offsets.at[lane] {
                        self.report_disagreement(first, number);
                        return None;
                    }
                }
            }
            *found = seen.unwrap_or(0);
        }
        Some(all)
    }

    /// The value of an operand that all threads agree on. `None`: a fault stopped the block.
    pub fn agreed_value(&mut self, first: usize, number: u32, index: usize) -> Option<u64> {
        let program = self.launch.program;
        let call = &program.calls[number as usize];
        let mut seen = None;
        for warp in first..first + WARPS {
            for party in self.group_parties(warp, number) {
                let regs = self.warps[warp].regs.as_ptr() as *mut RegisterRow;
                let operands = Operands { regs, slots: &party.slots, consts: &program.consts };
                for lane in lanes(party.mask) {
                    let value = call.lane(&operands, index, lane);
                    if *seen.get_or_insert(value) != value {
                        self.report_disagreement(first, number);
                        return None;
                    }
                }
            }
        }
        seen
    }

    /// The threads of a warp group give different operands.
    pub fn report_disagreement(&mut self, first: usize, number: u32) {
        let call = &self.launch.program.calls[number as usize];
        let message = format!("the threads of a warp group give `{}` different operands", call.name);
        let what = format!("{} calls it", self.thread_name(first, 0));
        self.fault(FaultKind::Barrier, message, (call.site, what), Vec::new());
        self.stop();
    }
}
