//! Shadow memory: for each granule of real memory, the last write and the unordered accesses since.
//!
//! A granule is the smallest element of the allocation. Accesses of one warp at the same time and position are one
//! entry with a mask of lanes. A write that is ordered after all entries replaces them, so that cells stay small. A
//! cell keeps at most [`MAX_ENTRIES`] unordered accesses and drops the oldest first (a race between blocks still has
//! two parties then).

use super::clocks::{Clocks, Epoch};
use crate::sim::lanes::{LANES, lanes};

/// The most unordered accesses that a cell keeps.
const MAX_ENTRIES: usize = 32;

/// The kind of an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Touch {
    #[default]
    Read,
    Write,
    /// An atomic load.
    AtomicRead,
    /// An atomic store.
    AtomicWrite,
    /// An atomic read-modify-write.
    Atomic,
}

impl Touch {
    /// Returns true if two such accesses to one location must be ordered.
    fn conflicts(self, other: Touch) -> bool {
        use Touch::*;
        match (self, other) {
            (Write, _) | (_, Write) => true,
            (Read, other) | (other, Read) => other.changes_atomically(),
            (AtomicRead | AtomicWrite | Atomic, AtomicRead | AtomicWrite | Atomic) => false,
        }
    }

    fn changes_atomically(self) -> bool {
        matches!(self, Touch::AtomicWrite | Touch::Atomic)
    }

    /// Returns true if it is atomic and returns the old value.
    fn observes(self) -> bool {
        matches!(self, Touch::AtomicRead | Touch::Atomic)
    }

    /// Returns true if every access that conflicts with `other` conflicts with this one too.
    fn covers(self, other: Touch) -> bool {
        use Touch::*;
        match self {
            Write => true,
            Read => matches!(other, Read | AtomicRead),
            Atomic | AtomicWrite => matches!(other, Atomic | AtomicWrite | AtomicRead),
            AtomicRead => other == AtomicRead,
        }
    }
}

/// Accesses of one warp.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Entry {
    /// `who` is the first thread of the warp.
    epoch: Epoch,
    lanes: u32,
    touch: Touch,
}

/// The shadow of a granule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cell {
    write: Epoch,
    /// The only entry; `lanes` is 0 if there are none or several.
    entry: Entry,
    /// If there are several entries, the index of their list plus one; else 0.
    list: u32,
    /// True if the granule was ever written.
    set: bool,
}

/// The warp or agent that makes an access.
#[derive(Clone, Copy)]
pub struct Accessor<'a> {
    pub clocks: &'a Clocks,
    pub block: u32,
    pub warp: usize,
    /// [`Epoch::agent`] of an asynchronous operation, else 0. It is recorded when it is issued, with the knowledge of
    /// the issuing thread.
    pub agent: u32,
    pub site: u32,
}

/// An earlier access that is not ordered before the current one.
#[derive(Debug, Clone, Copy)]
pub struct Conflict {
    /// The earlier access; `who` is its thread.
    pub epoch: Epoch,
    pub touch: Touch,
    /// The lane of the later access.
    pub lane: usize,
}

/// The shadow of an allocation, or of a page of one.
#[derive(Debug, Default)]
pub struct Shadow {
    cells: Vec<Cell>,
    /// The number of granules that were never written.
    unset: usize,
    lists: Vec<Vec<Entry>>,
    free: Vec<u32>,
}

impl Shadow {
    pub fn new(cells: usize) -> Shadow {
        Shadow { cells: vec![Cell::default(); cells], unset: cells, lists: Vec::new(), free: Vec::new() }
    }

    /// Returns true if the granule was never written.
    pub fn is_unset(&self, cell: usize) -> bool {
        !self.cells[cell].set
    }

    /// Returns true if every granule was written.
    pub fn is_full(&self) -> bool {
        self.unset == 0
    }

    /// Records an access to the granule by the lanes `mask` of a warp. Returns a conflicting access, if any.
    pub fn touch(&mut self, cell: usize, me: &Accessor, mask: u32, touch: Touch) -> Option<Conflict> {
        let at = &mut self.cells[cell];
        let now = me.clocks.now(me.warp);
        let floor = me.clocks.floor(me.warp);
        let mut conflict = None;
        let first = (me.warp * LANES) as u32 | me.agent;
        let epoch = Epoch { time: now, who: first, block: me.block, site: me.site };

        // The last write conflicts with every access.
        if at.write.time != 0 && !(at.write.time <= floor && at.write.block == me.block && !at.write.is_agent()) {
            let write = at.write;
            let bad = lanes(mask).find(|lane| !me.clocks.is_before(&write, me.warp, *lane));
            conflict = bad.map(|lane| Conflict { epoch: write, touch: Touch::Write, lane });
        }
        // Several lanes that write one granule in one instruction race with each other.
        if touch == Touch::Write && conflict.is_none() && mask & (mask - 1) != 0 {
            let who = first + mask.trailing_zeros();
            let lane = 31 - mask.leading_zeros() as usize;
            conflict = Some(Conflict { epoch: Epoch { who, ..epoch }, touch, lane });
        }

        let entry = &mut at.entry;
        let past = entry.epoch.time <= floor && entry.epoch.block == me.block && !entry.epoch.is_agent();
        if at.list == 0 && (entry.lanes == 0 || past && touch.covers(entry.touch)) {
            // The new entry replaces the old one.
            *entry = Entry { epoch, lanes: mask, touch };
        } else if at.list == 0 && entry.epoch == epoch && entry.touch == touch && touch != Touch::Write {
            entry.lanes |= mask;
        } else if conflict.is_none() {
            conflict = self.touch_slowly(cell, me, epoch, mask, touch);
        } else {
            self.touch_slowly(cell, me, epoch, mask, touch);
        }
        let at = &mut self.cells[cell];
        if !at.set && !matches!(touch, Touch::Read | Touch::AtomicRead) {
            at.set = true;
            self.unset -= 1;
        }
        if touch == Touch::Write {
            let lane = 31 - mask.leading_zeros();
            at.write = Epoch { who: first + lane, ..epoch };
            at.entry.lanes = 0;
            if at.list != 0 {
                self.lists[at.list as usize - 1].clear();
                self.free.push(at.list);
                at.list = 0;
            }
        }
        conflict
    }

    /// Calls [`Shadow::touch`] for consecutive cells, for a single lane. Cells that were accessed together are equal,
    /// and are decided once.
    pub fn touch_range(
        &mut self,
        cells: std::ops::Range<usize>,
        me: &Accessor,
        mask: u32,
        touch: Touch,
        found: &mut dyn FnMut(usize, Conflict),
    ) {
        let mut alike: Option<(Cell, Cell)> = None;
        for cell in cells {
            let before = self.cells[cell];
            if let Some((same, after)) = &alike
                && before == *same
            {
                self.cells[cell] = *after;
                self.unset -= usize::from(after.set && !before.set);
                continue;
            }
            let conflict = self.touch(cell, me, mask, touch);
            let after = self.cells[cell];
            alike = (conflict.is_none() && before.list == 0 && after.list == 0).then_some((before, after));
            if let Some(conflict) = conflict {
                found(cell, conflict);
            }
        }
    }

    /// Calls `f` for each recorded change of the granule.
    pub fn changes(&self, cell: usize, f: &mut dyn FnMut(Epoch)) {
        let at = &self.cells[cell];
        if at.write.time != 0 {
            f(at.write);
        }
        let list =
            if at.list != 0 { self.lists[at.list as usize - 1].as_slice() } else { std::slice::from_ref(&at.entry) };
        for entry in list.iter().filter(|entry| entry.touch.changes_atomically()) {
            for lane in lanes(entry.lanes) {
                f(Epoch { who: entry.epoch.who + lane as u32, ..entry.epoch });
            }
        }
    }

    /// Compares an access with every entry, drops the entries that it covers, and adds it.
    fn touch_slowly(&mut self, cell: usize, me: &Accessor, epoch: Epoch, mask: u32, touch: Touch) -> Option<Conflict> {
        let at = &mut self.cells[cell];
        if at.list == 0 {
            at.list = self.free.pop().unwrap_or_else(|| {
                self.lists.push(Vec::new());
                self.lists.len() as u32
            });
            let entry = std::mem::take(&mut at.entry);
            if entry.lanes != 0 {
                self.lists[at.list as usize - 1].push(entry);
            }
        }
        let list = &mut self.lists[at.list as usize - 1];
        let mut conflict = None;
        let mut lanes_now = mask;
        // Atomic changes that lanes of `mask` have observed since happen before their current access.
        let mut observed = 0;
        for index in (0..list.len()).rev() {
            let entry = &mut list[index];
            let here = entry.epoch == epoch;
            if here && entry.touch == touch && touch != Touch::Write {
                // It moves to the end: the list is ordered by last access.
                lanes_now |= entry.lanes;
                entry.lanes = 0;
                continue;
            }
            // A read-modify-write is ordered after every atomic change before it.
            if touch == Touch::Atomic && entry.touch.changes_atomically() {
                entry.lanes = 0;
                continue;
            }
            let conflicting = touch.conflicts(entry.touch);
            let covers = touch.covers(entry.touch);
            let read = matches!(entry.touch, Touch::Read | Touch::AtomicRead);
            let seen = |lane: usize, observed: u32| entry.touch.changes_atomically() && observed >> lane & 1 != 0;
            let at = |other: usize| Epoch { who: entry.epoch.who + other as u32, ..entry.epoch };
            // Mostly the lanes of `mask` know the same, so that the pairs need not be compared one by one.
            let open = if let Some(over) = me.clocks.over_for_all(&entry.epoch, read, me.warp) {
                let (open, lane) = (entry.lanes & !over, mask.trailing_zeros() as usize);
                if conflicting && open != 0 && !seen(lane, observed) {
                    let epoch = at(31 - open.leading_zeros() as usize);
                    conflict = Some(Conflict { epoch, touch: entry.touch, lane });
                }
                open
            } else {
                let mut open = 0;
                for other in lanes(entry.lanes) {
                    let one = at(other);
                    let Some(lane) = lanes(mask).find(|lane| !me.clocks.is_over(&one, read, me.warp, *lane)) else {
                        continue;
                    };
                    open |= 1 << other;
                    if conflicting && !seen(lane, observed) {
                        conflict = Some(Conflict { epoch: one, touch: entry.touch, lane });
                    }
                }
                open
            };
            if covers {
                entry.lanes = open;
            }
            if entry.touch.observes() && entry.epoch.who == epoch.who && entry.epoch.block == epoch.block {
                observed |= entry.lanes;
            }
        }
        list.retain(|entry| entry.lanes != 0);
        if list.len() >= MAX_ENTRIES {
            list.remove(0);
        }
        list.push(Entry { epoch, lanes: lanes_now, touch });
        conflict
    }
}
