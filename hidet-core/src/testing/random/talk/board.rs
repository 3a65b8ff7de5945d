//! Boards: memory through which threads pass values to each other, one slot per thread.

use super::cell::{Kind, Memory, Way};
use super::kernel::{Talk, Unit};
use super::link::Link;
use crate::ir::{Access, Arg, BinaryOp, BufferId, Scope, ValueId};
use crate::types::Scalar;

/// A buffer through which a board is written or read, with a number of elements per slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoardView {
    pub buffer: BufferId,
    pub elem: Scalar,
    pub count: i64,
    /// The elements of all slots are along one axis.
    pub flat: bool,
}

/// Memory with one slot per communicating thread.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub kind: Kind,
    pub unit: Unit,
    pub write: BoardView,
    pub read: BoardView,
    /// The other buffer of asynchronous copies: an input that is copied to the board, or private memory that the board
    /// is copied to.
    pub copy: Option<BoardView>,
    /// The kind of reads: atomic changes, even by zero, must not race with plain reads.
    pub reads: Way,
}

/// The location of an element: its index, and the rank of its block if that is another block.
#[derive(Clone)]
pub(super) struct Place {
    pub index: Vec<ValueId>,
    pub rank: Option<ValueId>,
}

impl Talk {
    pub fn board(&mut self, kind: Kind, unit: Unit) -> Board {
        self.note(kind);
        let (bytes, elem) = self.slot_bytes(kind);
        let write = self.view(kind.memory, elem, bytes);
        let mut read = write;
        if kind.memory.is_aliased() {
            let same = |other: &Scalar| (other.bytes() == elem.bytes()) == (kind.memory == Memory::Alias);
            let others: Vec<Scalar> = elems(kind).into_iter().filter(|other| same(other)).collect();
            let elem = self.b.rng.pick(&others);
            read = self.view(kind.memory, elem, bytes);
            let (owner, other) = if self.b.rng.percent(50) { (write, read) } else { (read, write) };
            self.b.f.buffers[other.buffer].alias = Some(owner.buffer);
        }
        let copy = (kind.way == Way::CpAsync).then(|| match kind.memory.is_shared() {
            true => self.view(Memory::In, elem, bytes),
            false => self.view(Memory::Shared, elem, bytes),
        });
        let reads = match kind.way {
            Way::Atomic => self.b.rng.pick(&[Way::Scalar, Way::Scalar, Way::Relaxed, Way::Atomic]),
            Way::CpAsync if kind.memory.is_shared() => self.b.rng.pick(&[Way::Scalar, Way::Vector]),
            way => way,
        };
        let reads = if kind.memory == Memory::Peer && reads == Way::Relaxed { Way::Atomic } else { reads };
        Board { kind, unit, write, read, copy, reads }
    }

    /// Returns the size of a slot in bytes and the type of its elements.
    pub fn slot_bytes(&mut self, kind: Kind) -> (i64, Scalar) {
        let elem = self.b.rng.pick(&elems(kind));
        let own = elem.bytes() as i64;
        let bytes = match kind.way {
            Way::Vector => self.b.rng.pick(&[2, 4, 8]) * own,
            Way::Hinted => self.b.rng.pick(&[4, 8, 16]).clamp(2 * own, 16 * own),
            Way::CpAsync => self.b.rng.pick(&[4, 8, 16]),
            Way::Scalar => self.b.rng.pick(&[1, 1, 1, 2, 3]) * own,
            Way::Atomic | Way::Relaxed => self.b.rng.pick(&[1, 1, 2]) * own,
        };
        let bytes = match kind.memory {
            // Large enough for both types.
            Memory::Alias | Memory::Resized if kind.way == Way::Vector => bytes.clamp(16, 32),
            Memory::Alias | Memory::Resized => self.b.rng.pick(&[8, 8, 16]).min(bytes.max(8)),
            _ => bytes,
        };
        (bytes.max(own), elem)
    }

    fn view(&mut self, memory: Memory, elem: Scalar, bytes: i64) -> BoardView {
        let slots = if memory.is_shared() { self.size.threads } else { self.size.all() };
        let access = match memory {
            Memory::InOut => Some(Access::InOut),
            Memory::Out => Some(Access::Out),
            Memory::In => Some(Access::In),
            _ => None,
        };
        let count = bytes / elem.bytes() as i64;
        let flat = count == 1 || self.b.rng.percent(50);
        self.slots_of(access, elem, (slots, count, flat), None)
    }

    /// Declares slots of elements, flat or not, as a parameter or in shared memory.
    pub fn slots_of(
        &mut self,
        access: Option<Access>,
        elem: Scalar,
        (slots, count, flat): (i64, i64, bool),
        argument: Option<usize>,
    ) -> BoardView {
        let extents = if flat { vec![slots * count] } else { vec![slots, count] };
        let name = format!("board{}", self.b.f.buffers.len());
        let buffer = match access {
            Some(access) => self.tensor(&name, elem, &extents, access, argument),
            None => self.memory(&name, Scope::Shared, elem, extents.into_iter().map(Into::into).collect()),
        };
        BoardView { buffer, elem, count, flat }
    }

    /// Returns the location of an element of a slot of the thread's unit.
    pub fn place(&mut self, board: &Board, view: BoardView, slot: ValueId, element: i64) -> Place {
        if board.kind.memory == Memory::Peer {
            // Slots are numbered across blocks.
            let rank = self.with(BinaryOp::Shr, slot, self.size.threads.ilog2().into());
            let slot = self.with(BinaryOp::And, slot, self.size.threads - 1);
            return Place { index: self.index(view, slot, element), rank: Some(rank) };
        }
        let first = if board.kind.memory.is_shared() { board.unit.in_block } else { board.unit.in_grid };
        let slot = self.binary(BinaryOp::Add, first, slot);
        Place { index: self.index(view, slot, element), rank: None }
    }

    /// Returns the index of an element of a slot, counted from the beginning of the memory.
    pub fn index(&mut self, view: BoardView, mut slot: ValueId, element: i64) -> Vec<ValueId> {
        if self.b.rng.percent(10) {
            slot = self.cast(slot, Scalar::I64);
        }
        if !view.flat {
            return vec![slot, self.int(element)];
        }
        if view.count > 1 {
            slot = self.with(BinaryOp::Mul, slot, view.count);
        }
        if element > 0 {
            slot = self.with(BinaryOp::Add, slot, element);
        }
        vec![slot]
    }

    /// Fills the board, each slot by one thread, if it has no initial content.
    pub fn fill(&mut self, board: &Board, link: &Link) {
        if board.kind.memory == Memory::InOut && self.b.rng.percent(60) {
            return;
        }
        let key = self.key(board.unit.size);
        let slot = if link.partner().is_some() { board.unit.me } else { self.slot(board.unit, key, None) };
        let way = match board.kind.way {
            // Atomics change the current content, which a plain store must set first.
            Way::Atomic => Way::Scalar,
            way => way,
        };
        self.write(board, way, slot);
    }
}

/// Returns the element types of boards of a kind.
fn elems(kind: Kind) -> Vec<Scalar> {
    let elems = kind.way.elems().iter().copied();
    match kind.memory {
        // Bits other than 0 and 1 are not a `bool`, and a format with unused bits may lose them.
        Memory::Alias | Memory::Resized => {
            elems.filter(|elem| !matches!(elem, Scalar::Bool | Scalar::TF32 | Scalar::E4M3 | Scalar::E5M2)).collect()
        }
        _ => elems.collect(),
    }
}

/// Returns an address as operand of an intrinsic.
pub(super) fn address(buffer: BufferId, index: Vec<ValueId>) -> Arg {
    Arg::Address { buffer, index }
}
