//! Checks an access of an asynchronous operation to consecutive bytes: races, memory that was never written, writes
//! that are not made visible by a proxy fence.

use super::clocks::{AgentKind, Epoch};
use super::global_shadow::{PAGE, Page};
use super::shadow::{Accessor, Conflict, Touch};
use crate::intrinsics::Space;
use crate::ir::{self, BufferId};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::MemoryBase;
use crate::sim::report::FaultKind;

/// An access of an asynchronous operation to a buffer.
#[derive(Clone, Copy)]
pub struct RangeAccess {
    pub warp: usize,
    pub lane: usize,
    /// [`Epoch::agent`] of the operation.
    pub agent: u32,
    pub site: u32,
    pub touch: Touch,
    /// True if the access is recorded; else it is only compared with earlier writes.
    pub notes: bool,
    /// The buffer, where it starts, and the size of its elements.
    pub buffer: BufferId,
    pub place: MemoryBase,
    pub elem: usize,
}

/// The findings, at most one of each kind.
#[derive(Default)]
struct Findings {
    conflict: Option<(usize, Conflict)>,
    unset: Option<usize>,
    unfenced: Option<(usize, Epoch)>,
}

impl BlockRun<'_> {
    /// Checks an access to `bytes` bytes from `start` on, in the shared memory of the block or in the allocation.
    pub fn watch_range(&mut self, access: &RangeAccess, start: usize, bytes: usize) {
        let checks = self.launch.options.checks;
        if !(checks.races || checks.uninitialised) || bytes == 0 {
            return;
        }
        let mut found = Findings::default();
        let first = match access.place {
            MemoryBase::Shared(first) => {
                self.watch_shared_range(access, start, bytes, &mut found);
                first as usize
            }
            MemoryBase::Global(tensor) => {
                self.watch_global_range(access, tensor, start, bytes, &mut found);
                self.launch.tensors[tensor as usize].offset
            }
            MemoryBase::Register(_) => return,
        };
        let element = |byte: usize| (byte.max(start).saturating_sub(first) / access.elem) as u32;
        if let Some((byte, conflict)) = found.conflict
            && checks.races
        {
            self.report_race(
                access.warp,
                access.buffer,
                access.site,
                element(byte),
                &conflict,
                access.touch,
                access.agent,
            );
        }
        if let Some((byte, write)) = found.unfenced
            && checks.races
        {
            self.report_unfenced(access, element(byte), &write);
        }
        if let Some(byte) = found.unset
            && checks.uninitialised
        {
            self.report_unset_at(access.warp, access.lane, access.buffer, access.site, element(byte));
        }
    }

    fn watch_shared_range(&mut self, access: &RangeAccess, start: usize, bytes: usize, found: &mut Findings) {
        let Some(shadow) = &mut self.shadow else { return };
        let me = Accessor {
            clocks: &self.clocks,
            block: self.number,
            warp: access.warp,
            agent: access.agent,
            site: access.site,
        };
        let granule = self.launch.program.shared_granule as usize;
        let cells = start / granule..(start + bytes).div_ceil(granule);
        // Consecutive cells were mostly written together, so the last result is kept.
        let mut fenced = Epoch::default();
        for cell in cells.clone() {
            if access.touch == Touch::Read && shadow.is_unset(cell) && found.unset.is_none() {
                found.unset = Some(cell * granule);
            }
            shadow.changes(cell, &mut |write| {
                let kind = write.kind().filter(|kind| *kind != AgentKind::Copy);
                if write == fenced || (access.notes && (kind.is_some() || write.block != self.number)) {
                    return;
                }
                if !self.clocks.is_before(&write, access.warp, access.lane) {
                    // If the access is recorded, recording it finds the race.
                    if !access.notes && found.conflict.is_none() {
                        let conflict = Conflict { epoch: write, touch: Touch::Write, lane: access.lane };
                        found.conflict = Some((cell * granule, conflict));
                    }
                } else if found.unfenced.is_none()
                    && !self.proxies.is_fenced(Space::Shared, &write, &self.clocks, access.warp, access.lane)
                {
                    found.unfenced = Some((cell * granule, write));
                }
                fenced = write;
            });
        }
        if !access.notes {
            return;
        }
        shadow.touch_range(cells, &me, 1 << access.lane, access.touch, &mut |cell, conflict| {
            found.conflict.get_or_insert((cell * granule, conflict));
        });
    }

    fn watch_global_range(
        &mut self,
        access: &RangeAccess,
        tensor: u32,
        start: usize,
        bytes: usize,
        found: &mut Findings,
    ) {
        self.check_ahead(
            (access.warp, access.lane),
            (access.buffer, access.site),
            tensor,
            (start, bytes),
            access.touch,
        );
        let tensor = &self.launch.tensors[tensor as usize];
        let fresh = tensor.access.begins_unset();
        if !fresh && !tensor.memory.all_written() {
            if access.touch == Touch::Write {
                tensor.memory.mark(start, bytes);
            } else if !tensor.memory.is_written(start, bytes) {
                found.unset = Some(start);
            }
        }
        if let Some(shadow) = tensor.shadow.map(|index| &self.launch.shadows[index]) {
            let me = Accessor {
                clocks: &self.clocks,
                block: self.number,
                warp: access.warp,
                agent: access.agent,
                site: access.site,
            };
            let mut cell = start / shadow.granule;
            let end = (start + bytes).div_ceil(shadow.granule);
            // As above. Unordered writes are reported as races.
            let mut fenced = Epoch::default();
            while cell < end {
                let number = cell / PAGE;
                let stop = end.min((number + 1) * PAGE);
                let mut page: Page = shadow.page(number);
                let page = page.shadow();
                let unset = (cell..stop).find(|cell| page.is_unset(cell % PAGE));
                if fresh && access.touch != Touch::Write && found.unset.is_none() {
                    found.unset = unset.map(|cell| cell * shadow.granule);
                }
                let cells = cell % PAGE..cell % PAGE + (stop - cell);
                for cell in cells.clone() {
                    page.changes(cell, &mut |write| {
                        if write != fenced
                            && found.unfenced.is_none()
                            && !self.proxies.is_fenced(Space::Global, &write, &self.clocks, access.warp, access.lane)
                            && self.clocks.is_before(&write, access.warp, access.lane)
                        {
                            found.unfenced = Some(((number * PAGE + cell) * shadow.granule, write));
                        }
                        fenced = write;
                    });
                }
                page.touch_range(cells, &me, 1 << access.lane, access.touch, &mut |cell, conflict| {
                    found.conflict.get_or_insert(((number * PAGE + cell) * shadow.granule, conflict));
                });
                cell = stop;
            }
        }
        if fresh && access.touch != Touch::Read {
            tensor.memory.mark(start, bytes);
        }
    }

    fn report_unfenced(&mut self, access: &RangeAccess, element: u32, write: &Epoch) {
        let ir::Buffer { name, scope, .. } = &self.launch.function.buffers[access.buffer];
        let fence = if *scope == ir::Scope::Global { "fence_proxy_async_global" } else { "fence_proxy_async" };
        let message = format!(
            "element {element} of `{name}` was written by a thread, and the write may not be visible to the asynchronous \
             operation; put `{fence}()` {}",
            match write.kind() {
                Some(_) => "behind the wait for its asynchronous copy",
                None => "after the write, before the threads synchronize",
            }
        );
        let mine = format!("{} issues the operation", self.thread_name(access.warp, access.lane));
        let theirs = format!("{} writes it", self.launch.thread_name(write.block, write.thread()));
        self.fault(FaultKind::Proxy, message, (access.site, mine), vec![(write.site, theirs)]);
    }
}
