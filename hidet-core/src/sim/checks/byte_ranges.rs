//! What the checkers see of an access to a run of bytes by an asynchronous operation: races, unset memory, writes that
//! no proxy fence made visible.

use super::clocks::Epoch;
use super::global_shadow::{PAGE, Page};
use super::shadow::{Accessor, Conflict, Touch};
use crate::intrinsics::Space;
use crate::ir::{self, BufferId};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::MemoryBase;
use crate::sim::report::FaultKind;

/// Who accesses, and what for.
#[derive(Clone, Copy)]
pub struct Visitor {
    pub warp: usize,
    pub lane: usize,
    /// [`Epoch::agent`] of the operation.
    pub agent: u32,
    pub site: u32,
    pub touch: Touch,
    /// Whether the access is remembered; else it is only compared with writes before it.
    pub notes: bool,
    /// The buffer, where it begins and how large its elements are.
    pub buffer: BufferId,
    pub place: MemoryBase,
    pub elem: usize,
}

/// What was found, at most one of each.
#[derive(Default)]
struct Findings {
    conflict: Option<(usize, Conflict)>,
    unset: Option<usize>,
    unfenced: Option<(usize, Epoch)>,
}

impl BlockRun<'_> {
    /// Notes an access to `bytes` bytes from `start` on: in the shared memory of the block, or in the allocation.
    pub fn watch_run(&mut self, who: &Visitor, start: usize, bytes: usize) {
        let checks = self.launch.options.checks;
        if !(checks.races || checks.uninitialised) || bytes == 0 {
            return;
        }
        let mut found = Findings::default();
        let first = match who.place {
            MemoryBase::Shared(first) => {
                self.watch_shared_run(who, start, bytes, &mut found);
                first as usize
            }
            MemoryBase::Global(tensor) => {
                self.watch_global_run(who, tensor, start, bytes, &mut found);
                self.launch.tensors[tensor as usize].offset
            }
            MemoryBase::Register(_) => return,
        };
        let element = |byte: usize| (byte.max(start).saturating_sub(first) / who.elem) as u32;
        if let Some((byte, conflict)) = found.conflict
            && checks.races
        {
            self.report_race(who.warp, who.buffer, who.site, element(byte), &conflict, who.touch, who.agent);
        }
        if let Some((byte, write)) = found.unfenced
            && checks.races
        {
            self.report_unfenced(who, element(byte), &write);
        }
        if let Some(byte) = found.unset
            && checks.uninitialised
        {
            self.report_unset_at(who.warp, who.lane, who.buffer, who.site, element(byte));
        }
    }

    fn watch_shared_run(&mut self, who: &Visitor, start: usize, bytes: usize, found: &mut Findings) {
        let Some(shadow) = &mut self.shadow else { return };
        let me =
            Accessor { clocks: &self.clocks, block: self.number, warp: who.warp, agent: who.agent, site: who.site };
        let granule = self.launch.program.shared_granule as usize;
        let cells = start / granule..(start + bytes).div_ceil(granule);
        // Cells of one run mostly were written together.
        let mut fenced = Epoch::default();
        for cell in cells.clone() {
            if who.touch == Touch::Read && shadow.is_unset(cell) && found.unset.is_none() {
                found.unset = Some(cell * granule);
            }
            shadow.changes(cell, &mut |write| {
                if write == fenced || (who.notes && (write.is_agent() || write.block != self.number)) {
                    return;
                }
                if !self.clocks.is_before(&write, who.warp, who.lane) {
                    // Where it is remembered, that finds the race.
                    if !who.notes && found.conflict.is_none() {
                        let conflict = Conflict { epoch: write, touch: Touch::Write, lane: who.lane };
                        found.conflict = Some((cell * granule, conflict));
                    }
                } else if found.unfenced.is_none()
                    && !self.proxies.is_fenced(Space::Shared, &write, &self.clocks, who.warp, who.lane)
                {
                    found.unfenced = Some((cell * granule, write));
                }
                fenced = write;
            });
        }
        if !who.notes {
            return;
        }
        shadow.touch_run(cells, &me, 1 << who.lane, who.touch, &mut |cell, conflict| {
            found.conflict.get_or_insert((cell * granule, conflict));
        });
    }

    fn watch_global_run(&mut self, who: &Visitor, tensor: u32, start: usize, bytes: usize, found: &mut Findings) {
        self.check_ahead((who.warp, who.lane), (who.buffer, who.site), tensor, (start, bytes), who.touch);
        let tensor = &self.launch.tensors[tensor as usize];
        let fresh = tensor.access.begins_unset();
        if !fresh && !tensor.memory.all_written() {
            if who.touch == Touch::Write {
                tensor.memory.mark(start, bytes);
            } else if !tensor.memory.is_written(start, bytes) {
                found.unset = Some(start);
            }
        }
        if let Some(shadow) = tensor.shadow.map(|index| &self.launch.shadows[index]) {
            let me =
                Accessor { clocks: &self.clocks, block: self.number, warp: who.warp, agent: who.agent, site: who.site };
            let mut cell = start / shadow.granule;
            let end = (start + bytes).div_ceil(shadow.granule);
            // As above. Writes that nothing orders are found as races.
            let mut fenced = Epoch::default();
            while cell < end {
                let number = cell / PAGE;
                let stop = end.min((number + 1) * PAGE);
                let mut page: Page = shadow.page(number);
                let page = page.shadow();
                let unset = (cell..stop).find(|cell| page.is_unset(cell % PAGE));
                if fresh && who.touch != Touch::Write && found.unset.is_none() {
                    found.unset = unset.map(|cell| cell * shadow.granule);
                }
                let cells = cell % PAGE..cell % PAGE + (stop - cell);
                for cell in cells.clone() {
                    page.changes(cell, &mut |write| {
                        if write != fenced
                            && found.unfenced.is_none()
                            && !self.proxies.is_fenced(Space::Global, &write, &self.clocks, who.warp, who.lane)
                            && self.clocks.is_before(&write, who.warp, who.lane)
                        {
                            found.unfenced = Some(((number * PAGE + cell) * shadow.granule, write));
                        }
                        fenced = write;
                    });
                }
                page.touch_run(cells, &me, 1 << who.lane, who.touch, &mut |cell, conflict| {
                    found.conflict.get_or_insert(((number * PAGE + cell) * shadow.granule, conflict));
                });
                cell = stop;
            }
        }
        if fresh && who.touch != Touch::Read {
            tensor.memory.mark(start, bytes);
        }
    }

    fn report_unfenced(&mut self, who: &Visitor, element: u32, write: &Epoch) {
        let ir::Buffer { name, scope, .. } = &self.launch.function.buffers[who.buffer];
        let fence = if *scope == ir::Scope::Global { "fence_proxy_async_global" } else { "fence_proxy_async" };
        let message = format!(
            "element {element} of `{name}` was written by a thread, and an asynchronous operation need not see that; put \
             `{fence}()` after the write, before the threads meet"
        );
        let mine = format!("{} issues the operation", self.thread_name(who.warp, who.lane));
        let theirs = format!("{} writes it", self.launch.thread_name(write.block, write.thread()));
        self.fault(FaultKind::Proxy, message, (who.site, mine), vec![(write.site, theirs)]);
    }
}
