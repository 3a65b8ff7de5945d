//! A round: threads read, synchronize, write, synchronize, and read the same slots again.

use super::board::Board;
use super::cell::Way;
use super::kernel::Talk;
use super::link::Link;
use crate::ir::{BinaryOp, CompareOp, Stmt, Unroll, ValueId};
use crate::types::{Scalar, Type};

impl Talk {
    /// Emits rounds in random control flow that is uniform for the unit.
    pub fn rounds(&mut self, boards: &[Board], link: &Link) {
        match self.b.rng.below(8) {
            0 | 1 => {
                let turns = self.b.rng.between(2, 3);
                let end = self.int(turns);
                let unroll =
                    self.b.rng.pick(&[Unroll::Auto, Unroll::Never, Unroll::Full, Unroll::By(2), Unroll::Explicit]);
                self.counted(boards, link, end, unroll);
            }
            2 | 3 => {
                let unroll = self.b.rng.pick(&[Unroll::Auto, Unroll::Auto, Unroll::Never, Unroll::By(2)]);
                self.counted(boards, link, self.turns, unroll);
            }
            4 => self.endless(boards, link),
            5 => {
                let limit = self.b.rng.pick(&[0, 2]);
                let limit = self.int(limit);
                let cond = self.compare(CompareOp::Gt, self.any, limit);
                let mark = self.b.enter();
                self.round(boards, link, None);
                let then = self.b.leave(mark);
                let mark = self.b.enter();
                if self.b.rng.percent(50) {
                    self.round(boards, link, None);
                }
                let otherwise = self.b.leave(mark);
                self.b.stmt(Stmt::If { cond, then, otherwise });
            }
            _ => self.round(boards, link, None),
        }
    }

    fn counted(&mut self, boards: &[Board], link: &Link, end: ValueId, unroll: Unroll) {
        let (start, step) = (self.int(0), self.int(1));
        let label = self.b.new_loop();
        let index = self.b.f.new_value(Type::I32, "turn");
        let mark = self.b.enter();
        self.round(boards, link, Some(index));
        let body = self.b.leave(mark);
        self.b.stmt(Stmt::For { label, index, start, end, inclusive: false, step, unroll, body });
    }

    /// Emits a loop that a `break` ends.
    fn endless(&mut self, boards: &[Board], link: &Link) {
        let zero = self.int(0);
        let turn = self.b.declare(Type::I32, Some(zero));
        let label = self.b.new_loop();
        let mark = self.b.enter();
        let now = self.b.emit(Type::I32, crate::ir::Op::Read(turn));
        let over = self.compare(CompareOp::Ge, now, self.turns);
        self.when(over, |talk| talk.b.stmt(Stmt::Break(label)));
        let next = self.with(BinaryOp::Add, now, 1);
        self.b.stmt(Stmt::Assign { var: turn, value: next });
        self.round(boards, link, Some(now));
        let body = self.b.leave(mark);
        self.b.stmt(Stmt::Loop { label, body });
    }

    /// Emits a body that only runs if the condition holds.
    pub fn when(&mut self, cond: ValueId, body: impl FnOnce(&mut Talk)) {
        let mark = self.b.enter();
        body(self);
        let then = self.b.leave(mark);
        self.b.stmt(Stmt::If { cond, then, otherwise: Default::default() });
    }

    /// Emits a round. All threads have synchronized since the last writes.
    fn round(&mut self, boards: &[Board], link: &Link, turn: Option<ValueId>) {
        let slots: Vec<(ValueId, ValueId)> = boards.iter().map(|board| self.slots(board, link, turn)).collect();
        for (board, (from, _)) in boards.iter().zip(&slots) {
            if self.b.rng.percent(85) {
                let word = self.read(board, *from);
                self.see(word);
            }
        }
        self.meet(link);
        for (board, (_, to)) in boards.iter().zip(&slots) {
            if board.kind.way == Way::Atomic && link.partner().is_none() && self.b.rng.percent(40) {
                let slot = self.any_slot(board.unit, turn);
                let op = self.b.rng.pick(&["add", "xor", "or", "and", "min", "max"]);
                self.gather(board, op, slot);
                continue;
            }
            match self.writers(board.unit) {
                Some(cond) => self.when(cond, |talk| talk.leave(board, *to)),
                None => self.leave(board, *to),
            }
        }
        self.meet(link);
        for (board, (from, _)) in boards.iter().zip(&slots) {
            let word = self.read(board, *from);
            self.see(word);
            if link.partner().is_none() && self.b.rng.percent(25) {
                let other = self.any_slot(board.unit, turn);
                let word = self.read(board, other);
                self.see(word);
            }
        }
    }

    /// Returns the slots that the thread reads and writes.
    fn slots(&mut self, board: &Board, link: &Link, turn: Option<ValueId>) -> (ValueId, ValueId) {
        let Some(flip) = link.partner() else {
            let key = self.key(board.unit.size);
            return (self.any_slot(board.unit, turn), self.slot(board.unit, key, turn));
        };
        // Its own slot, and that of the only thread with which it synchronizes.
        let other = self.with(BinaryOp::Xor, board.unit.me, flip);
        let from = if self.b.rng.percent(80) { other } else { board.unit.me };
        (from, board.unit.me)
    }

    /// Writes a slot: once, twice, or with a read in between.
    fn leave(&mut self, board: &Board, slot: ValueId) {
        let way = board.kind.way;
        match self.b.rng.below(10) {
            0 | 1 => {
                self.write(board, way, slot);
                let word = self.word(77);
                self.fold(word);
                self.write(board, way, slot);
            }
            2 => {
                let word = self.read(board, slot);
                self.see(word);
                self.write(board, way, slot);
            }
            3 => {
                self.write(board, way, slot);
                let word = self.read(board, slot);
                self.see(word);
            }
            _ => self.write(board, way, slot),
        }
    }

    /// Mixes in a word that was read, in all threads or in some.
    fn see(&mut self, word: ValueId) {
        if self.b.rng.percent(80) {
            return self.fold(word);
        }
        let seen = self.seen();
        let bit = self.with(BinaryOp::And, seen, 1);
        let some = self.cast(bit, Scalar::Bool);
        self.when(some, |talk| talk.fold(word));
    }
}
