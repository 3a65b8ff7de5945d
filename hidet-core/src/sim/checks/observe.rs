//! Checks and counts an access of the lanes of a warp to shared or global memory.

use super::clocks::{AgentKind, Epoch};
use super::shadow::{Accessor, Conflict, Touch};
use crate::ir::{self, BufferId};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{MemoryAccess, MemoryBase};
use crate::sim::lanes::{LANES, lanes};
use crate::sim::report::FaultKind;

/// The findings of one warp-wide access.
#[derive(Default)]
struct Findings {
    conflicts: Vec<(u32, Conflict)>,
    /// The element and lane of a read of memory that was never written.
    unset: Option<(u32, usize)>,
}

impl BlockRun<'_> {
    /// Records an access of lanes of a strand to memory outside of registers.
    #[inline(always)]
    pub fn observe(&mut self, warp: usize, access: &MemoryAccess, at: &[u32; LANES], active: u32, touch: Touch) {
        self.observe_some(warp, access, at, active, active, touch);
    }

    /// The same, but checks only the lanes of `watched` for races.
    #[inline(always)]
    fn observe_some(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        at: &[u32; LANES],
        active: u32,
        watched: u32,
        touch: Touch,
    ) {
        if active == 0 {
            return;
        }
        if touch != Touch::Read {
            self.progress();
            if !self.check_mbarriers_kept(warp, access, at, active) {
                return;
            }
        }
        let options = self.launch.options;
        if options.counters {
            self.count(access, at, active, touch);
        }
        if options.checks.races || options.checks.uninitialised {
            self.watch(warp, access, at, watched, touch, 0, touch == Touch::Read);
        }
    }

    /// Records a store of lanes of a strand to memory outside of registers; `value` returns the value that a lane
    /// stores to each of its elements.
    #[inline(always)]
    pub fn observe_store(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        at: &[u32; LANES],
        active: u32,
        value: impl Fn(usize, u32) -> u64,
    ) {
        let mut watched = active;
        let checks = &self.launch.options.checks;
        if checks.races && !checks.equal_stores {
            // Of the lanes that store the same value to the same element, only one counts.
            for lane in lanes(active) {
                let alike = |other: &usize| {
                    at[*other] == at[lane] && (0..access.count).all(|part| value(*other, part) == value(lane, part))
                };
                if lanes(watched & ((1 << lane) - 1)).any(|other| alike(&other)) {
                    watched &= !(1 << lane);
                }
            }
        }
        self.observe_some(warp, access, at, active, watched, Touch::Write);
    }

    /// The part of [`BlockRun::observe`] that finds races and reads of memory that was never written. `agent` is
    /// [`Epoch::agent`] for an asynchronous operation, else 0; `reads` is true if the old value matters.
    #[allow(clippy::too_many_arguments)]
    pub fn watch(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        at: &[u32; LANES],
        active: u32,
        touch: Touch,
        agent: u32,
        reads: bool,
    ) {
        let found = match access.place {
            MemoryBase::Shared(byte) => self.watch_shared(warp, access, byte, at, active, touch, agent, reads),
            MemoryBase::Global(tensor) => self.watch_global(warp, access, tensor, at, active, touch, agent, reads),
            MemoryBase::Register(_) => return,
        };
        for (element, conflict) in found.conflicts {
            if self.launch.options.checks.races {
                self.report_race(warp, access.buffer, access.site, element, &conflict, touch, agent);
            }
        }
        if let Some((element, lane)) = found.unset
            && self.launch.options.checks.uninitialised
        {
            self.report_unset(warp, access, element, 1 << lane);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn watch_shared(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        byte: u32,
        at: &[u32; LANES],
        active: u32,
        touch: Touch,
        agent: u32,
        reads: bool,
    ) -> Findings {
        let mut found = Findings::default();
        let Some(shadow) = &mut self.shadow else { return found };
        let me = Accessor { clocks: &self.clocks, block: self.number, warp, agent, site: access.site };
        let granule = self.launch.program.shared_granule as usize;
        let elem = access.elem.bytes();
        // All lanes read one element, a broadcast: they are recorded together.
        let first = active.trailing_zeros() as usize;
        let together = touch == Touch::Read && lanes(active).all(|lane| at[lane] == at[first]);
        let groups = if together { 1 << first } else { active };
        for lane in lanes(groups) {
            let mask = if together { active } else { 1 << lane };
            let start = byte as usize + at[lane] as usize * elem;
            let end = start + elem * access.count as usize;
            for cell in start / granule..end.div_ceil(granule) {
                if reads && shadow.is_unset(cell) && found.unset.is_none() {
                    found.unset = Some((at[lane] + ((cell * granule).saturating_sub(start) / elem) as u32, lane));
                }
                if let Some(conflict) = shadow.touch(cell, &me, mask, touch)
                    && found.conflicts.len() < 4
                {
                    let element = (cell * granule).saturating_sub(byte as usize) / elem;
                    found.conflicts.push((element as u32, conflict));
                }
            }
        }
        found
    }

    #[allow(clippy::too_many_arguments)]
    fn watch_global(
        &mut self,
        warp: usize,
        access: &MemoryAccess,
        tensor: u32,
        at: &[u32; LANES],
        active: u32,
        touch: Touch,
        agent: u32,
        reads: bool,
    ) -> Findings {
        let mut found = Findings::default();
        let elem = access.elem.bytes();
        let bytes = elem * access.count as usize;
        if !self.launch.ahead.is_empty() {
            let first = self.launch.tensors[tensor as usize].offset;
            for lane in lanes(active) {
                let start = first + at[lane] as usize * elem;
                self.check_ahead((warp, lane), (access.buffer, access.site), tensor, (start, bytes), touch);
            }
        }
        let tensor = &self.launch.tensors[tensor as usize];
        let fresh = tensor.access.begins_unset();
        if !fresh && !tensor.memory.all_written() {
            for lane in lanes(active) {
                let start = tensor.offset + at[lane] as usize * elem;
                if matches!(touch, Touch::Write | Touch::AtomicWrite) {
                    tensor.memory.mark(start, bytes);
                } else if reads && found.unset.is_none() && !tensor.memory.is_written(start, bytes) {
                    found.unset = Some((at[lane], lane));
                }
            }
        }
        let Some(shadow) = tensor.shadow.map(|index| &self.launch.shadows[index]) else { return found };
        let me = Accessor { clocks: &self.clocks, block: self.number, warp, agent, site: access.site };
        let mut page: Option<(usize, super::global_shadow::Page)> = None;
        for lane in lanes(active) {
            let start = tensor.offset + at[lane] as usize * elem;
            for cell in start / shadow.granule..(start + bytes).div_ceil(shadow.granule) {
                let number = cell / super::global_shadow::PAGE;
                if page.as_ref().is_none_or(|page| page.0 != number) {
                    // The old page is unlocked first, or two host threads that need the same two pages could deadlock.
                    drop(page.take());
                    page = Some((number, shadow.page(number)));
                }
                let Some((_, page)) = &mut page else { continue };
                let (page, cell_in_page) = (page.shadow(), cell % super::global_shadow::PAGE);
                if fresh && reads && found.unset.is_none() && page.is_unset(cell_in_page) {
                    found.unset = Some((at[lane], lane));
                }
                if let Some(conflict) = page.touch(cell_in_page, &me, 1 << lane, touch)
                    && found.conflicts.len() < 4
                {
                    let element = (cell * shadow.granule).saturating_sub(tensor.offset) / elem;
                    found.conflicts.push((element as u32, conflict));
                }
            }
        }
        if fresh && touch != Touch::Read && touch != Touch::AtomicRead {
            for lane in lanes(active) {
                tensor.memory.mark(tensor.offset + at[lane] as usize * elem, bytes);
            }
        }
        found
    }

    /// Reports a race of an access with an earlier one.
    #[allow(clippy::too_many_arguments)]
    pub fn report_race(
        &mut self,
        warp: usize,
        buffer: BufferId,
        site: u32,
        element: u32,
        conflict: &Conflict,
        touch: Touch,
        agent: u32,
    ) {
        let (name, scope) = (self.accessed_name(buffer), self.launch.function.buffers[buffer].scope);
        let epoch = conflict.epoch;
        let thread = (warp * LANES + conflict.lane) as u32;
        let mine = Epoch { time: self.clocks.now(warp), who: thread | agent, block: self.number, site };
        let same_warp = epoch.block == self.number && epoch.thread() / 32 == thread / 32;
        let one_store = same_warp && epoch.site == site && epoch.time == mine.time && touch == Touch::Write;
        let parties = match (epoch.kind(), mine.kind()) {
            (Some(theirs), Some(mine)) if theirs == mine => format!("two {}", operations(mine)),
            (Some(theirs), Some(mine)) => format!("{} and {}", operation(theirs), operation(mine)),
            (Some(theirs), None) => format!("{} and a thread that has not waited for it", operation(theirs)),
            (None, Some(mine)) => format!("a thread and {}", operation(mine)),
            (None, None) if epoch.block != self.number => "two blocks".to_owned(),
            (None, None) if one_store => "two lanes of one instruction".to_owned(),
            (None, None) if same_warp => "two lanes of a warp".to_owned(),
            (None, None) => "two warps".to_owned(),
        };
        let advice = match (epoch.kind(), mine.kind()) {
            (Some(AgentKind::Copy), _) => "wait for the copy, then synchronize the threads with a barrier",
            (Some(AgentKind::Load), _) => "wait for its bytes at their mbarrier",
            (Some(AgentKind::Store), _) => "commit the store, wait for its group, then synchronize the threads",
            (Some(AgentKind::Product), _) => "wait for the wgmma, then synchronize the threads",
            (None, Some(_)) => "synchronize the threads with a barrier before the copy starts",
            (None, None) if epoch.block != self.number && scope == ir::Scope::Shared => {
                "put `cluster_sync()` between them"
            }
            (None, None) if epoch.block != self.number && self.launch.program.cooperative => {
                "put `grid_sync()` between them"
            }
            (None, None) if epoch.block != self.number => {
                "publish with `store_release` (or `fence_device()` and an atomic) after the first access, read that flag \
                 with `load_acquire` before the other access, or use two launches"
            }
            (None, None) if one_store && conflict.touch == Touch::Write => {
                "give each lane its own element, or let one lane store; if all of them store the same value, which CUDA \
                 allows, set the option `Checks::equal_stores` to `false`"
            }
            (None, None) if same_warp => {
                "put `sync_warp()` between them, give each lane its own element, or change it by an atomic (`atomic_add`)"
            }
            (None, None) => {
                "put a barrier between them, such as `sync_threads()`; in a loop, another one before the next iteration"
            }
        };
        let message = format!("element {element} of {name} is accessed by {parties} without synchronization; {advice}");
        let action = |touch: Touch, kind: Option<AgentKind>| match (touch, kind) {
            (Touch::Read, None) => "reads it",
            (Touch::Write, None) => "writes it",
            (Touch::AtomicRead, _) => "loads it atomically",
            (Touch::Atomic | Touch::AtomicWrite, _) => "changes it atomically",
            (_, Some(AgentKind::Product)) => "reads it with a wgmma",
            (Touch::Read, Some(_)) => "copies from it asynchronously",
            (Touch::Write, Some(_)) => "copies to it asynchronously",
        };
        let me = format!("{} {}", self.launch.thread_name(self.number, thread), action(touch, mine.kind()));
        let theirs = self.launch.thread_name(epoch.block, epoch.thread());
        let theirs = format!("{theirs} {}", action(conflict.touch, epoch.kind()));
        self.fault(FaultKind::Race, message, (site, me), vec![(epoch.site, theirs)]);
    }

    /// Counts the traffic of an access.
    pub fn count(&mut self, access: &MemoryAccess, at: &[u32; LANES], active: u32, touch: Touch) {
        let elem = access.elem.bytes() as u64;
        let bytes = elem * access.count as u64;
        match access.place {
            MemoryBase::Global(tensor) => {
                let total = bytes * active.count_ones() as u64;
                if matches!(touch, Touch::Read | Touch::AtomicRead) {
                    self.counters.global_read += total;
                } else {
                    self.counters.global_written += total;
                }
                self.counters.global_accesses += 1;
                let offset = self.launch.tensors[tensor as usize].offset as u64;
                // Neighbouring lanes mostly share sectors: skip equal neighbours, then sort to remove the other
                // duplicates.
                let mut sectors = [u64::MAX; LANES * 8];
                let mut count = 0;
                for lane in lanes(active) {
                    let start = offset + at[lane] as u64 * elem;
                    for sector in start / 32..(start + bytes).div_ceil(32) {
                        if count > 0 && sectors[count - 1] == sector || count == sectors.len() {
                            continue;
                        }
                        sectors[count] = sector;
                        count += 1;
                    }
                }
                let sectors = &mut sectors[..count];
                sectors.sort_unstable();
                let mut last = u64::MAX;
                for sector in sectors {
                    self.counters.global_sectors += (*sector != last) as u64;
                    last = *sector;
                }
            }
            MemoryBase::Shared(byte) => {
                // Wide accesses are split into parts of at most 128 bytes: half or quarter warps.
                let lanes_per_part = (128 / bytes.max(4)).clamp(1, 32) as u32;
                let mut first = 0;
                while first < 32 {
                    let part = active & (((1u64 << lanes_per_part) - 1) as u32) << first;
                    first += lanes_per_part;
                    if part == 0 {
                        continue;
                    }
                    self.counters.shared_accesses += 1;
                    self.counters.bank_conflicts += passes(byte as u64, at, part, elem, bytes) - 1;
                }
            }
            MemoryBase::Register(_) => {}
        }
    }
}

/// Returns the name of an asynchronous operation in reports.
fn operation(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Copy => "an asynchronous copy",
        AgentKind::Load => "a bulk copy to shared memory",
        AgentKind::Store => "a bulk copy from shared memory",
        AgentKind::Product => "a wgmma",
    }
}

fn operations(kind: AgentKind) -> &'static str {
    match kind {
        AgentKind::Copy => "asynchronous copies",
        AgentKind::Load => "bulk copies to shared memory",
        AgentKind::Store => "bulk copies from shared memory",
        AgentKind::Product => "wgmma",
    }
}

/// Returns the number of passes over the banks that the lanes need: one per different word of the same bank.
fn passes(byte: u64, at: &[u32; LANES], active: u32, elem: u64, bytes: u64) -> u64 {
    // The first word of each bank; most accesses have no others.
    let mut first = [u64::MAX; LANES];
    let mut others = Vec::new();
    let mut depth = [1; LANES];
    let mut most = 1;
    for lane in lanes(active) {
        let start = byte + at[lane] as u64 * elem;
        for word in start / 4..(start + bytes).div_ceil(4) {
            let bank = (word % 32) as usize;
            if first[bank] == u64::MAX {
                first[bank] = word;
            } else if first[bank] != word && !others.contains(&word) {
                others.push(word);
                depth[bank] += 1;
                most = most.max(depth[bank]);
            }
        }
    }
    most
}
