//! Assignment of slots to the threads that write and read them.

use super::kernel::{Talk, Unit};
use crate::ir::{BinaryOp, CompareOp, ValueId};
use crate::types::Scalar;

/// A permutation of the threads of a unit: `(me * factor + shift) ^ flip`, modulo their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    factor: i64,
    shift: i64,
    flip: i64,
    /// A parameter shifts it too.
    any: bool,
}

impl Talk {
    pub fn key(&mut self, size: i64) -> Key {
        let mut key = Key { factor: 1, shift: 0, flip: 0, any: self.b.rng.percent(15) };
        match self.b.rng.below(5) {
            0 => {}
            1 => key.shift = self.b.rng.between(1, size - 1),
            2 => key.flip = self.b.rng.between(1, size - 1),
            3 => key.flip = size - 1,
            _ => (key.factor, key.shift) = (self.b.rng.pick(&[3, 5, 7, 11]), self.b.rng.between(0, size - 1)),
        }
        key
    }

    /// Returns the slot of the thread under a permutation, shifted by `turn` if given.
    pub fn slot(&mut self, unit: Unit, key: Key, turn: Option<ValueId>) -> ValueId {
        self.slot_of(unit.me, unit, key, turn)
    }

    /// Returns the slot of another thread of the unit under a permutation.
    pub fn slot_of(&mut self, of: ValueId, unit: Unit, key: Key, turn: Option<ValueId>) -> ValueId {
        let mut at = of;
        if key.factor != 1 {
            at = self.with(BinaryOp::Mul, at, key.factor);
        }
        if key.shift != 0 {
            at = self.with(BinaryOp::Add, at, key.shift);
        }
        if key.any {
            at = self.binary(BinaryOp::Add, at, self.any);
        }
        if let Some(turn) = turn {
            at = self.binary(BinaryOp::Add, at, turn);
        }
        if key.flip != 0 {
            at = self.with(BinaryOp::Xor, at, key.flip);
        }
        self.within(at, unit.size)
    }

    fn within(&mut self, at: ValueId, size: i64) -> ValueId {
        self.with(BinaryOp::And, at, size - 1)
    }

    /// Returns an arbitrary slot: of a neighbour, of a leader, the same for all, or one that depends on the values
    /// seen.
    pub fn any_slot(&mut self, unit: Unit, turn: Option<ValueId>) -> ValueId {
        match self.b.rng.below(8) {
            0 | 1 => {
                let at = self.b.rng.between(0, unit.size - 1);
                self.int(at)
            }
            2 => self.with(BinaryOp::And, unit.me, !7),
            3 => {
                let seen = self.seen();
                let seen = self.cast(seen, Scalar::I32);
                self.within(seen, unit.size)
            }
            4 => self.within(self.any, unit.size),
            _ => {
                let key = self.key(unit.size);
                self.slot(unit, key, turn)
            }
        }
    }

    /// Returns the condition under which threads of a unit write: mostly all, sometimes one, a few, or those that have
    /// seen certain values.
    pub fn writers(&mut self, unit: Unit) -> Option<ValueId> {
        let (of, mask, wanted) = match self.b.rng.below(10) {
            0 | 1 => (unit.me, unit.size - 1, self.b.rng.pick(&[0, 0, unit.size - 1, 5])),
            2 => (unit.me, 31, 0),
            3 => (unit.me, 1, 1),
            4 => {
                let seen = self.seen();
                (self.cast(seen, Scalar::I32), 3, 2)
            }
            _ => return None,
        };
        let part = self.with(BinaryOp::And, of, mask);
        let wanted = self.int(wanted);
        Some(self.compare(CompareOp::Eq, part, wanted))
    }
}
