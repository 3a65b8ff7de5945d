//! Shadow memory: for each granule of real memory the last write and the accesses since that nothing orders.
//!
//! A granule is the smallest element of the allocation. Accesses of one warp at one time and place are one entry with a
//! mask of lanes. A write that follows everything replaces all of it, so that cells stay small; more than
//! [`MOST_ENTRIES`] unordered accesses to one cell are not kept, the oldest go first (a race between blocks still has
//! two parties then).

use super::clocks::{Clocks, Epoch};
use crate::sim::lanes::{LANES, lanes};

/// How many unordered accesses a cell remembers.
const MOST_ENTRIES: usize = 32;

/// What an access does.
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
    /// Whether two of them at one location must be ordered.
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

    /// Whether it is atomic and gives the value it found.
    fn observes(self) -> bool {
        matches!(self, Touch::AtomicRead | Touch::Atomic)
    }

    /// Whether everything that conflicts with `other` conflicts with this too.
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

/// What is known of a granule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Cell {
    write: Epoch,
    /// One entry; `lanes` 0 where there is none.
    entry: Entry,
    /// More of them: one more than an index into the lists.
    list: u32,
    /// Whether something was ever written.
    set: bool,
}

/// Who accesses.
#[derive(Clone, Copy)]
pub struct Accessor<'a> {
    pub clocks: &'a Clocks,
    pub block: u32,
    pub warp: usize,
    /// [`Epoch::agent`] of an asynchronous operation, else 0; it is noted when it begins, so what its thread had seen
    /// counts.
    pub agent: u32,
    pub site: u32,
}

/// An access that another one was not ordered after.
#[derive(Debug, Clone, Copy)]
pub struct Conflict {
    /// The earlier access; `who` is its thread.
    pub epoch: Epoch,
    pub touch: Touch,
    /// The lane of the later one.
    pub lane: usize,
}

/// The shadow of an allocation, or of a page of one.
#[derive(Debug, Default)]
pub struct Shadow {
    cells: Vec<Cell>,
    lists: Vec<Vec<Entry>>,
    free: Vec<u32>,
}

impl Shadow {
    pub fn new(cells: usize) -> Shadow {
        Shadow { cells: vec![Cell::default(); cells], lists: Vec::new(), free: Vec::new() }
    }

    /// Whether nothing was written to the granule yet.
    pub fn is_unset(&self, cell: usize) -> bool {
        !self.cells[cell].set
    }

    /// Lanes `mask` of a warp access the granule together. Gives an access that conflicts.
    pub fn touch(&mut self, cell: usize, me: &Accessor, mask: u32, touch: Touch) -> Option<Conflict> {
        let at = &mut self.cells[cell];
        let now = me.clocks.now(me.warp);
        let floor = me.clocks.floor(me.warp);
        let mut conflict = None;
        let first = (me.warp * LANES) as u32 | me.agent;
        let epoch = Epoch { time: now, who: first, block: me.block, site: me.site };

        // The last write conflicts with everything.
        if at.write.time != 0 && !(at.write.time <= floor && at.write.block == me.block && !at.write.is_agent()) {
            let write = at.write;
            let bad = lanes(mask).find(|lane| !me.clocks.is_before(&write, me.warp, *lane));
            conflict = bad.map(|lane| Conflict { epoch: write, touch: Touch::Write, lane });
        }
        // Several lanes writing one place at once race with each other.
        if touch == Touch::Write && conflict.is_none() && mask & (mask - 1) != 0 {
            let who = first + mask.trailing_zeros();
            let lane = 31 - mask.leading_zeros() as usize;
            conflict = Some(Conflict { epoch: Epoch { who, ..epoch }, touch, lane });
        }

        let entry = &mut at.entry;
        let past = entry.epoch.time <= floor && entry.epoch.block == me.block && !entry.epoch.is_agent();
        if at.list == 0 && (entry.lanes == 0 || past && touch.covers(entry.touch)) {
            // Nothing that matters is known yet.
            *entry = Entry { epoch, lanes: mask, touch };
        } else if at.list == 0 && entry.epoch == epoch && entry.touch == touch && touch != Touch::Write {
            entry.lanes |= mask;
        } else if conflict.is_none() {
            conflict = self.touch_slowly(cell, me, epoch, mask, touch);
        } else {
            self.touch_slowly(cell, me, epoch, mask, touch);
        }
        let at = &mut self.cells[cell];
        match touch {
            Touch::Write => {
                at.set = true;
                let lane = 31 - mask.leading_zeros();
                at.write = Epoch { who: first + lane, ..epoch };
                at.entry.lanes = 0;
                if at.list != 0 {
                    self.lists[at.list as usize - 1].clear();
                    self.free.push(at.list);
                    at.list = 0;
                }
            }
            Touch::Atomic | Touch::AtomicWrite => at.set = true,
            Touch::Read | Touch::AtomicRead => {}
        }
        conflict
    }

    /// As [`Shadow::touch`] on cells that follow each other, for a single lane. Cells that were touched together look
    /// alike, and are decided together.
    pub fn touch_run(
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

    /// Calls `f` for each change of the granule that is remembered.
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

    /// Compares with every entry, drops those that the new one makes needless, and adds it.
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
        // Atomic changes that the lanes of `mask` have observed since happen before what they do now.
        let mut observed = 0;
        for index in (0..list.len()).rev() {
            let entry = &mut list[index];
            let here = entry.epoch == epoch;
            if here && entry.touch == touch && touch != Touch::Write {
                // Goes to the end: the order of the list is that of the last access.
                lanes_now |= entry.lanes;
                entry.lanes = 0;
                continue;
            }
            // A read-modify-write takes over every atomic change before it.
            if touch == Touch::Atomic && entry.touch.changes_atomically() {
                entry.lanes = 0;
                continue;
            }
            let conflicting = touch.conflicts(entry.touch);
            let covers = touch.covers(entry.touch);
            for other in lanes(entry.lanes) {
                let one = Epoch { who: entry.epoch.who + other as u32, ..entry.epoch };
                match lanes(mask).find(|lane| !me.clocks.is_before(&one, me.warp, *lane)) {
                    Some(lane) if conflicting => {
                        let seen = entry.touch.changes_atomically() && observed >> lane & 1 != 0;
                        if !seen {
                            conflict = Some(Conflict { epoch: one, touch: entry.touch, lane });
                        }
                    }
                    Some(_) => {}
                    None if covers => entry.lanes &= !(1 << other),
                    None => {}
                }
            }
            if entry.touch.observes() && entry.epoch.who == epoch.who && entry.epoch.block == epoch.block {
                observed |= entry.lanes;
            }
        }
        list.retain(|entry| entry.lanes != 0);
        if list.len() >= MOST_ENTRIES {
            list.remove(0);
        }
        list.push(Entry { epoch, lanes: lanes_now, touch });
        conflict
    }
}
