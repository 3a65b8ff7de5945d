//! Warp groups: four warps that run an instruction together (PTX `.aligned` of a warp group), and the registers that
//! `setmaxnreg` moves between them.

use super::exec::{Operands, Pause};
use super::warp::{State, Strand};
use crate::intrinsics::Meaning;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{CallArg, MemoryAccess};
use crate::sim::lanes::{RegisterRow, lanes};
use crate::sim::report::FaultKind;

/// The number of warps per warp group.
pub const WARPS: usize = 4;

/// The registers of a block, which `setmaxnreg` moves between its warp groups.
#[derive(Debug, Default)]
pub struct RegisterPool {
    /// By warp group: the registers per thread; empty until the first change.
    counts: Vec<u32>,
    /// Registers that were released.
    free: u32,
}

impl BlockRun<'_> {
    /// Runs an operation of a warp group, or makes the strand wait for the other warps.
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
                format!("`{}` needs all four warps of a warp group, but some of their threads are missing", call.name);
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
        // The caller has the strand: put it back into the warp.
        let mine = std::mem::take(strand);
        self.warps[warp].strands.push(mine);
        self.try_group(first, number);
        Some(if self.stopped { Pause::Stopped } else { Pause::Waiting })
    }

    /// Runs the operation that a warp group waits for at a call, if all its threads have arrived and it is possible.
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

    /// Lets warp groups that wait for registers try again, after registers were released.
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

    /// `setmaxnreg`. Returns false if the warp group must wait, or if a fault stopped the block.
    fn set_registers(&mut self, first: usize, site: u32, count: u32, raise: bool) -> bool {
        let launch = &self.launch.function.launch;
        let share = launch.register_share();
        let (group, name) = (first / WARPS, "set_max_registers");
        if self.pool.counts.is_empty() {
            self.pool.counts = vec![share; self.warps.len().div_ceil(WARPS)];
        }
        let now = self.pool.counts[group];
        let problem = if launch.min_blocks == 0 {
            Some(format!(
                "`{name}({count})` needs `min_blocks` in `#[launch]`, which determines the initial number of registers per thread"
            ))
        } else if !count.is_multiple_of(8) {
            Some(format!("`{name}({count})`: the number must be a multiple of 8"))
        } else if raise && count < now {
            Some(format!("`{name}({count})` raises the number of registers, but a thread has {now} already"))
        } else if !raise && count > now {
            Some(format!("`{name}({count})` lowers the number of registers, but a thread has only {now}"))
        } else {
            None
        };
        if let Some(message) = problem {
            let what = format!("{} calls it", self.thread_name(first, 0));
            self.fault(FaultKind::Registers, message, (site, what), Vec::new());
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

    /// Returns what a warp group at `setmaxnreg` waits for, for reports.
    pub fn registers_missing(&self, call: u32) -> Option<String> {
        let call = &self.launch.program.calls[call as usize];
        let (Meaning::SetMaxRegisters { raise: true }, Some(CallArg::Imm(count))) = (call.meaning, call.args.first())
        else {
            return None;
        };
        Some(format!("waiting for {count} registers per thread; {} are free in the block", self.pool.free))
    }

    /// Returns the strands of a warp that are at the call: their masks and uniform values.
    fn group_parties(&self, warp: usize, number: u32) -> Vec<Strand> {
        let at = State::Group { call: number };
        let strands = self.warps[warp].strands.iter().filter(|strand| strand.state == at);
        strands.map(|strand| Strand { mask: strand.mask, slots: strand.slots.clone(), ..Strand::default() }).collect()
    }

    /// Returns the element offset of an address in each warp, whose lanes must agree, or `None` if a fault stopped the
    /// block.
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

    /// Returns the value of an operand that must be equal in all threads, or `None` if a fault stopped the block.
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

    /// Reports that the threads of a warp group pass different operands.
    pub fn report_disagreement(&mut self, first: usize, number: u32) {
        let call = &self.launch.program.calls[number as usize];
        let message = format!("the threads of a warp group pass different operands to `{}`", call.name);
        let what = format!("{} calls it", self.thread_name(first, 0));
        self.fault(FaultKind::Barrier, message, (call.site, what), Vec::new());
        self.stop();
    }
}
