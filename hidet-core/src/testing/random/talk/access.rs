//! Reads and writes of a slot, by every kind of access.

use super::board::{Board, BoardView, Place, address};
use super::cell::{Memory, Way};
use super::kernel::{Talk, Unit};
use crate::intrinsics::{LoadHint, PREFETCHES, StoreHint, copy_name};
use crate::ir::{Arg, BinaryOp, BufferId, Op, Scope, Stmt, ValueId};
use crate::types::{Scalar, Type};

impl Talk {
    /// Writes a value made from what the thread has seen, or copies one.
    pub fn write(&mut self, board: &Board, way: Way, slot: ValueId) {
        let view = board.write;
        match way {
            Way::Scalar | Way::Relaxed => {
                for element in 0..view.count {
                    let value = self.made(view.elem, board.has_any_bits());
                    let Place { index, rank } = self.place(board, view, slot, element);
                    self.store(view.buffer, index, value, rank, way == Way::Relaxed);
                }
            }
            Way::Vector | Way::Hinted => {
                let lanes = self.lanes(view);
                let mut element = 0;
                while element < view.count {
                    let value = self.made_vector(view.elem, lanes, board.has_any_bits());
                    let Place { index, .. } = self.place(board, view, slot, element);
                    if way == Way::Hinted {
                        self.store_hinted(view, index, value, lanes);
                    } else {
                        self.b.stmt(Stmt::Store { buffer: view.buffer, index, value, guard: false });
                    }
                    element += i64::from(lanes);
                }
            }
            Way::Atomic => self.exchange(board, slot),
            Way::CpAsync => match board.copy.filter(|_| board.kind.memory.is_shared()) {
                Some(source) => self.copy(board, source, slot),
                None => self.write(board, Way::Scalar, slot),
            },
        }
    }

    fn store(&mut self, buffer: BufferId, index: Vec<ValueId>, value: ValueId, rank: Option<ValueId>, relaxed: bool) {
        match rank {
            Some(rank) => {
                self.call("cluster.store", vec![address(buffer, index), Arg::Value(value), Arg::Value(rank)], None);
            }
            None if relaxed => {
                self.call("store.relaxed", vec![address(buffer, index), Arg::Value(value)], None);
            }
            None => {
                let guard = self.b.rng.percent(10);
                self.b.stmt(Stmt::Store { buffer, index, value, guard });
            }
        }
    }

    /// Returns the number of lanes of a vector of a view.
    fn lanes(&mut self, view: BoardView) -> u8 {
        let most = if view.count >= 8 && view.elem.bytes() > 1 { 8 } else { view.count.min(16) };
        let least = if self.b.rng.percent(30) { most / 2 } else { most };
        least.max(2) as u8
    }

    fn store_hinted(&mut self, view: BoardView, index: Vec<ValueId>, value: ValueId, lanes: u8) {
        let hint = self.b.rng.pick(&StoreHint::ALL);
        let name = format!("store.{}.x{lanes}.b{}", hint.name(), 8 * view.elem.bytes());
        let (registers, zero) = self.registers(view, lanes);
        self.b.stmt(Stmt::Store { buffer: registers, index: vec![zero], value, guard: false });
        self.call(&name, vec![address(view.buffer, index), address(registers, vec![zero])], None);
    }

    fn registers(&mut self, view: BoardView, lanes: u8) -> (BufferId, ValueId) {
        let buffer = self.memory("lanes", Scope::Register, view.elem, vec![i64::from(lanes).into()]);
        (buffer, self.int(0))
    }

    /// Changes the thread's own slot atomically; the thread sees the old content.
    fn exchange(&mut self, board: &Board, slot: ValueId) {
        let view = board.write;
        for element in 0..view.count {
            let value = self.made(view.elem, false);
            let place = self.place(board, view, slot, element);
            let op = self.b.rng.pick(&["add", "xor", "or", "and", "min", "max", "exchange", "exchange", "cas", "cas"]);
            let mut values = vec![value];
            if op == "cas" {
                // Mostly the current content.
                let own = Board { read: view, reads: Way::Scalar, ..board.clone() };
                let there = self.load(&own, place.clone());
                let there = if self.b.rng.percent(80) { there } else { self.with(BinaryOp::Add, there, 1) };
                values.insert(0, there);
            }
            let old = self.change(board, place, op, values);
            let word = self.as_word(old);
            self.fold(word);
        }
    }

    /// Emits an atomic change with any memory order that the hardware has, and returns the old value.
    pub fn change(&mut self, board: &Board, place: Place, op: &str, values: Vec<ValueId>) -> ValueId {
        let view = board.write;
        // The table has no signed 64-bit atomic sum.
        let op = if op == "add" && view.elem == Scalar::I64 { "xor" } else { op };
        let order = self.b.rng.pick(&["", "", "", ".acq_rel", ".acquire", ".release"]);
        let cluster = if place.rank.is_some() { "cluster." } else { "" };
        let mut args = vec![address(view.buffer, place.index)];
        args.extend(values.into_iter().map(Arg::Value));
        args.extend(place.rank.map(Arg::Value));
        self.call(&format!("{cluster}atomic.{op}{order}"), args, Some(view.elem.into()))
    }

    /// Copies an input to the slot.
    fn copy(&mut self, board: &Board, source: BoardView, slot: ValueId) {
        let unit = self.all();
        let from = self.any_slot(unit, None);
        let from = self.index(source, from, 0);
        let to = self.place(board, board.write, slot, 0).index;
        self.copy_async(board.write, to, source, from);
    }

    /// Copies a slot asynchronously and waits for the copy.
    fn copy_async(&mut self, to: BoardView, to_index: Vec<ValueId>, from: BoardView, from_index: Vec<ValueId>) {
        let bytes = to.count * to.elem.bytes() as i64;
        let prefetch = self.b.rng.pick(&PREFETCHES);
        let name = copy_name(bytes as u32, self.b.rng.percent(50), prefetch);
        // The rest is filled with zeros.
        let part =
            if self.b.rng.percent(15) { bytes / 2 / to.elem.bytes() as i64 * to.elem.bytes() as i64 } else { bytes };
        let part = self.int(part);
        self.call(&name, vec![address(to.buffer, to_index), address(from.buffer, from_index), Arg::Value(part)], None);
        if self.b.rng.percent(50) {
            self.call("cp.async.wait.all", Vec::new(), None);
        } else {
            self.call("cp.async.commit", Vec::new(), None);
            self.call("cp.async.wait", vec![Arg::Imm(0)], None);
        }
    }

    /// Reads a slot as a word.
    pub fn read(&mut self, board: &Board, slot: ValueId) -> ValueId {
        let view = board.read;
        let mut words = Vec::new();
        match board.reads {
            Way::Scalar | Way::Relaxed | Way::Atomic => {
                let first = if view.count > 4 { self.b.rng.between(0, view.count - 4) } else { 0 };
                for element in first..view.count.min(first + 4) {
                    let place = self.place(board, view, slot, element);
                    let value = self.load(board, place);
                    words.push(self.as_word(value));
                }
            }
            Way::Vector | Way::Hinted if view.count == 1 => {
                let Place { index, .. } = self.place(board, view, slot, 0);
                let value = self.b.emit(view.elem, Op::Load { buffer: view.buffer, index, guard: false });
                words.push(self.as_word(value));
            }
            Way::Vector | Way::Hinted => {
                let lanes = self.lanes(view);
                let chunks = view.count / i64::from(lanes);
                let chunk = self.b.rng.between(0, chunks - 1);
                let Place { index, .. } = self.place(board, view, slot, chunk * i64::from(lanes));
                let value = if board.reads == Way::Hinted {
                    self.load_hinted(board, index, lanes)
                } else {
                    let ty = Type::vector(view.elem, lanes);
                    self.b.emit(ty, Op::Load { buffer: view.buffer, index, guard: false })
                };
                words.push(self.vector_as_word(value));
            }
            Way::CpAsync => match board.copy {
                Some(own) => {
                    let from = self.place(board, view, slot, 0).index;
                    let to = self.index(own, self.thread, 0);
                    self.copy_async(own, to, view, from);
                    for element in 0..own.count.min(4) {
                        let index = self.index(own, self.thread, element);
                        let value = self.b.emit(own.elem, Op::Load { buffer: own.buffer, index, guard: false });
                        words.push(self.as_word(value));
                    }
                }
                None => return slot,
            },
        }
        words.into_iter().reduce(|a, b| self.join(a, b)).unwrap_or(slot)
    }

    /// Reads a single element.
    fn load(&mut self, board: &Board, place: Place) -> ValueId {
        let view = board.read;
        match (board.reads, place.rank) {
            (Way::Atomic, _) => {
                let zero = self.b.constant(view.elem, 0);
                let op = self.b.rng.pick(&["or", "xor", "add"]);
                self.change(&Board { write: view, ..board.clone() }, place, op, vec![zero])
            }
            (_, Some(rank)) => {
                let args = vec![address(view.buffer, place.index), Arg::Value(rank)];
                self.call("cluster.load", args, Some(view.elem.into()))
            }
            (Way::Relaxed, None) => {
                self.call("load.relaxed", vec![address(view.buffer, place.index)], Some(view.elem.into()))
            }
            (_, None) => {
                let guard = self.b.rng.percent(10);
                self.b.emit(view.elem, Op::Load { buffer: view.buffer, index: place.index, guard })
            }
        }
    }

    fn load_hinted(&mut self, board: &Board, index: Vec<ValueId>, lanes: u8) -> ValueId {
        let view = board.read;
        // The kernel ahead may still write while a dependent kernel runs.
        let read_only = board.kind.memory == Memory::In && !self.b.f.launch.dependent;
        let hints: Vec<LoadHint> = LoadHint::ALL.into_iter().filter(|hint| read_only || !hint.is_read_only()).collect();
        let hint = self.b.rng.pick(&hints);
        let name = format!("load.{}.x{lanes}.b{}", hint.name(), 8 * view.elem.bytes());
        let (registers, zero) = self.registers(view, lanes);
        self.call(&name, vec![address(registers, vec![zero]), address(view.buffer, index)], None);
        let ty = Type::vector(view.elem, lanes);
        self.b.emit(ty, Op::Load { buffer: registers, index: vec![zero], guard: false })
    }

    /// Many threads change one slot by a commutative operation; no thread sees the old values.
    pub fn gather(&mut self, board: &Board, op: &str, slot: ValueId) {
        for element in 0..board.write.count {
            let value = self.made(board.write.elem, false);
            let place = self.place(board, board.write, slot, element);
            self.change(board, place, op, vec![value]);
        }
    }

    /// Returns the unit of the whole grid.
    fn all(&mut self) -> Unit {
        let zero = self.int(0);
        Unit { me: self.number, in_block: zero, in_grid: zero, size: self.size.all() }
    }

    fn made_vector(&mut self, elem: Scalar, lanes: u8, bits: bool) -> ValueId {
        let first = self.made(Scalar::U32, false);
        let words: Vec<ValueId> = (0..lanes)
            .map(|lane| match lane {
                0 => first,
                lane => self.with(BinaryOp::Add, first, i64::from(lane) * 0x0123_4567),
            })
            .collect();
        let values = words.into_iter().map(|word| self.of_word(word, elem, bits)).collect();
        self.b.emit(Type::vector(elem, lanes), Op::Vector(values))
    }

    fn vector_as_word(&mut self, value: ValueId) -> ValueId {
        let ty = self.b.f.ty(value);
        let bytes = ty.bytes() as i64;
        let mut parts = Vec::new();
        if bytes >= 4 && (ty.lanes > 4 || self.b.rng.percent(40)) {
            let words = (bytes / 4) as u8;
            let whole = Type::vector(Scalar::U32, words);
            let bits = if ty == whole { value } else { self.b.emit(whole, Op::Bitcast(value)) };
            if words == 1 {
                return bits;
            }
            parts.extend((0..words).map(|lane| self.b.emit(Type::U32, Op::Extract(bits, lane))));
        } else {
            for lane in 0..ty.lanes {
                let part = self.b.emit(ty.scalar, Op::Extract(value, lane));
                parts.push(self.as_word(part));
            }
        }
        parts.into_iter().reduce(|a, b| self.join(a, b)).unwrap_or(value)
    }
}

impl Board {
    /// Returns true if it contains arbitrary bits, not only those of small numbers.
    pub fn has_any_bits(&self) -> bool {
        self.kind.memory.is_aliased()
    }
}
