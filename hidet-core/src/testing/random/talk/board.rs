//! Boards: memory on which threads leave values for each other, slot by slot.

use super::cell::{Kind, Memory, Way};
use super::kernel::{Talk, Unit};
use crate::ir::{Access, BinaryOp, BufferId, Scope, ValueId};
use crate::types::Scalar;

/// How a board is written or read: a buffer with so many elements a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    pub buffer: BufferId,
    pub elem: Scalar,
    pub count: i64,
    /// Whether the elements of all slots lie along one axis.
    pub flat: bool,
}

/// A slot for each thread that talks.
#[derive(Clone, Debug)]
pub(super) struct Board {
    pub kind: Kind,
    pub unit: Unit,
    pub write: View,
    pub read: View,
    /// Whether other bits than those of small floats come into it.
    pub bits: bool,
}

impl Talk {
    pub fn board(&mut self, kind: Kind, unit: Unit) -> Board {
        let elem = self.b.rng.pick(kind.way.elems());
        let count = self.b.rng.pick(&[1, 1, 1, 2, 3]);
        let write = self.view(kind.memory, elem, count);
        self.note(kind);
        Board { kind, unit, write, read: write, bits: false }
    }

    fn view(&mut self, memory: Memory, elem: Scalar, count: i64) -> View {
        let slots = if memory.is_shared() { self.size.threads } else { self.size.all() };
        let flat = self.b.rng.percent(50);
        let extents = match (flat, count) {
            (true, _) => vec![slots * count],
            (false, 1) => vec![slots],
            (false, _) => vec![slots, count],
        };
        let flat = flat || count == 1;
        let number = self.b.f.buffers.len();
        let name = format!("board{number}");
        let buffer = match memory {
            Memory::Shared => self.memory(&name, Scope::Shared, elem, extents.into_iter().map(Into::into).collect()),
            Memory::InOut => self.tensor(&name, elem, &extents, Access::InOut, None),
            Memory::Out => self.tensor(&name, elem, &extents, Access::Out, None),
        };
        View { buffer, elem, count, flat }
    }

    /// The index of an element of a slot of the thread's unit.
    pub fn place(&mut self, board: &Board, view: View, slot: ValueId, element: i64) -> Vec<ValueId> {
        let first = if board.kind.memory.is_shared() { board.unit.in_block } else { board.unit.in_grid };
        let mut slot = self.binary(BinaryOp::Add, first, slot);
        if self.b.rng.percent(10) {
            slot = self.cast(slot, Scalar::I64);
        }
        if !view.flat {
            return vec![slot, self.int(element)];
        }
        let mut index = slot;
        if view.count > 1 {
            index = self.with(BinaryOp::Mul, index, view.count);
        }
        if element > 0 {
            index = self.with(BinaryOp::Add, index, element);
        }
        vec![index]
    }

    /// Fills the board, each slot by one thread, where nothing is in it from the start.
    pub fn fill(&mut self, board: &Board) {
        if board.kind.memory == Memory::InOut && self.b.rng.percent(60) {
            return;
        }
        let key = self.key(board.unit.size);
        let slot = self.slot(board.unit, key, None);
        self.write(board, Way::Scalar, slot);
    }
}
