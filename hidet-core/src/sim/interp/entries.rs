//! Accesses of tables of tensors: each lane selects an entry.

use super::exec::{Operands, Pause};
use super::warp::Strand;
use crate::ir::{self, BufferId, fault};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{EntryAccess, Inst};
use crate::sim::lanes::lanes;
use crate::sim::report::FaultKind;

impl BlockRun<'_> {
    /// Runs the instruction of an access for each entry that lanes select, by these lanes together. Returns a pause if one
    /// of them has to wait or stopped the block.
    pub fn access_entries(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let access = &self.launch.program.entries[number as usize];
        let all = strand.mask;
        let mut left = all;
        let at = strand.pc;
        let mut pause = None;
        while let Some(lane) = lanes(left).next() {
            let entry = self.selected(warp, strand, access, lane);
            let group: u32 = lanes(left)
                .filter(|lane| self.selected(warp, strand, access, *lane) == entry)
                .map(|lane| 1 << lane)
                .sum();
            let Some(entry) = u32::try_from(entry).ok().filter(|entry| *entry < access.count) else {
                return Some(self.report_no_entry(warp, access, lane, entry));
            };
            strand.mask = group;
            self.entry = Some(entry);
            let done = match access.of_entry(entry) {
                Inst::Load { access, d } => self.load(warp, strand, access, d),
                Inst::LoadUniform { access, d } => self.load_uniform(warp, strand, access, d),
                Inst::Store { access, value } => self.store(warp, strand, access, value),
                Inst::CheckAlign { access, bytes } => self.check_align(warp, strand, access, bytes),
                Inst::Call { call } => {
                    pause = self.call(warp, strand, call).or(pause);
                    true
                }
                _ => true,
            };
            left &= !group;
            if !done || pause == Some(Pause::Stopped) {
                pause = Some(Pause::Stopped);
                break;
            }
            // An atomic access ends the time slice, after it went on to the next instruction: the other lanes have it too.
            strand.pc = at;
        }
        strand.pc = at + u32::from(pause == Some(Pause::Time));
        strand.mask = all;
        self.entry = None;
        pause
    }

    /// Returns the name of the tensor that is being accessed: "`y`", or "entry 1 of `y`".
    pub fn accessed_name(&self, buffer: BufferId) -> String {
        let ir::Buffer { name, entries, .. } = &self.launch.function.buffers[buffer];
        match self.entry.filter(|_| entries.is_some()) {
            Some(entry) => format!("entry {entry} of `{name}`"),
            None => format!("`{name}`"),
        }
    }

    /// Returns the entry that a lane selects; the first one for a lane that accesses nothing.
    fn selected(&self, warp: usize, strand: &Strand, access: &EntryAccess, lane: usize) -> i64 {
        // The pointer outlives the call because the registers of a warp are never reallocated.
        let regs = self.warps[warp].regs.as_ptr() as *mut _;
        let operands = Operands { regs, slots: &strand.slots, consts: &self.launch.program.consts };
        if access.guard.is_some_and(|guard| operands.lane(guard, false, lane) as u8 == 0) {
            return 0;
        }
        let bits = operands.lane(access.entry, access.wide, lane);
        if access.wide { bits as i64 } else { i64::from(bits as u32 as i32) }
    }

    fn report_no_entry(&mut self, warp: usize, access: &EntryAccess, lane: usize, entry: i64) -> Pause {
        let name = &self.launch.function.buffers[access.buffer].name;
        let message = fault::outside(name, &[entry], &[1], &[access.count.into()]);
        let verb = self.launch.program.sites[access.site as usize].verb;
        let what = format!("{} {verb}", self.thread_name(warp, lane));
        self.fault(FaultKind::OutOfBounds, message, (access.site, what), Vec::new());
        self.stop()
    }
}
