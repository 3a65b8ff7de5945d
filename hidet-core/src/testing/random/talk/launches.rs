//! Programs of several launches: a kernel reads what the previous one writes. It may be a dependent launch, which
//! starts before the previous kernel has ended and waits for it (`grid.wait`).

use super::board::{Board, BoardView};
use super::cell::{Kind, Memory, Order, TalkScope, Way};
use super::kernel::{Size, Talk};
use crate::ir::{Access, Arg};
use crate::testing::random::rng::Rng;
use crate::testing::random::{Program, Step};
use crate::types::Scalar;

/// The layout of the board of a program, the same in both kernels.
#[derive(Clone, Copy)]
struct Shape {
    elem: Scalar,
    count: i64,
    flat: bool,
    /// Number of slots before the written ones, which are never written.
    before: i64,
}

pub(super) fn program(mut rng: Rng, kind: Kind) -> Program {
    let size = Size { threads: rng.pick(&[32, 64, 128]), blocks: rng.pick(&[1, 2, 4]), cluster: 1 };
    let mut first = Talk::new(Rng::new(rng.next()), size, "first", Vec::new());
    let (bytes, elem) = first.slot_bytes(kind);
    let count = bytes / elem.bytes() as i64;
    // Slots that are never written need initial content.
    let before = if kind.memory == Memory::Out { 0 } else { size.all() };
    let shape = Shape { elem, count, flat: count == 1 || rng.percent(50), before };
    let argument = first.arguments.len();
    let access = if kind.memory == Memory::Out { Access::Out } else { Access::InOut };
    let board = first.board_of(kind, shape, access, None);
    first.note(kind);
    first.send(&board);
    let (function, cells) = (first.finish(), first.cells);

    let mut second = Talk::new(Rng::new(rng.next()), size, "second", first.arguments);
    second.b.f.launch.dependent = kind.order == Order::GridWait;
    let access = if kind.memory == Memory::In { Access::In } else { Access::InOut };
    let board = second.board_of(kind, shape, access, Some(argument));
    second.receive(&board, shape);
    let kernels = vec![function, second.finish()];

    let once = [Step { kernel: 0, arguments: first.bound }, Step { kernel: 1, arguments: second.bound }];
    let steps = if rng.percent(50) { [once.clone(), once].concat() } else { once.to_vec() };
    let (dims, arguments) = (vec![size.all()], second.arguments);
    Program { kernels, steps, dims, arguments, cells, ..Program::default() }
}

impl Talk {
    fn board_of(&mut self, kind: Kind, shape: Shape, access: Access, argument: Option<usize>) -> Board {
        let mut unit = self.unit(TalkScope::Grid);
        unit.in_grid = self.int(shape.before);
        let Shape { elem, count, flat, before } = shape;
        let view = self.slots_of(Some(access), elem, (before + self.size.all(), count, flat), argument);
        let own = |talk: &mut Talk| -> BoardView { talk.slots_of(None, elem, (talk.size.threads, count, flat), None) };
        let copy = (kind.way == Way::CpAsync).then(|| own(self));
        let reads = match kind.way {
            // Threads of one kernel only read, so plain reads do not race with atomics.
            Way::Atomic if access == Access::In => Way::Scalar,
            Way::Atomic => self.b.rng.pick(&[Way::Scalar, Way::Relaxed, Way::Atomic]),
            way => way,
        };
        let kind = if access == Access::In { kind } else { Kind { memory: Memory::InOut, ..kind } };
        Board { kind, unit, write: view, read: view, copy, reads }
    }

    /// The first kernel: lets the next one start, delays, and writes.
    fn send(&mut self, board: &Board) {
        let early = self.b.rng.percent(60);
        if early {
            self.call("grid.launch", Vec::new(), None);
            if self.b.rng.percent(70) {
                let time = self.word(20_000);
                self.call("nanosleep", vec![Arg::Value(time)], None);
            }
        }
        let key = self.key(board.unit.size);
        let slot = self.slot(board.unit, key, None);
        let is_set = self.b.f.params.iter().all(|param| {
            !matches!(param, crate::ir::Param::Tensor { buffer, access: Access::Out } if *buffer == board.write.buffer)
        });
        if is_set && self.b.rng.percent(50) {
            let word = self.read(board, slot);
            self.fold(word);
        }
        // Atomics change the current content.
        let way = if is_set || board.kind.way != Way::Atomic { board.kind.way } else { Way::Scalar };
        match self.writers(board.unit).filter(|_| is_set) {
            Some(cond) => self.when(cond, |talk| talk.write(board, way, slot)),
            None => self.write(board, way, slot),
        }
        if self.b.rng.percent(30) {
            self.write(board, way, slot);
        }
        if !early && self.b.rng.percent(30) {
            self.call("grid.launch", Vec::new(), None);
        }
    }

    /// The second kernel: reads what the first one does not write, waits, and reads what it wrote. If it does not say that it waits, a
    /// pass does.
    fn receive(&mut self, board: &Board, shape: Shape) {
        let alone = (shape.before > 0).then(|| {
            let mut alone = board.clone();
            alone.unit.in_grid = self.int(0);
            alone
        });
        let from = self.any_slot(board.unit, None);
        if let Some(alone) = &alone {
            let word = self.read(alone, from);
            self.fold(word);
        }
        if self.b.f.launch.dependent && self.b.rng.percent(70) {
            self.call("grid.wait", Vec::new(), None);
        }
        if board.kind.memory == Memory::InOut && self.b.rng.percent(40) {
            // Each thread reads its own slot, which another thread wrote.
            let key = self.key(board.unit.size);
            let slot = self.slot(board.unit, key, None);
            let word = self.read(board, slot);
            self.fold(word);
            self.write(board, board.kind.way, slot);
            let word = self.read(board, slot);
            self.fold(word);
        } else {
            for _ in 0..self.b.rng.between(1, 2) {
                let word = self.read(board, from);
                self.fold(word);
                let other = self.any_slot(board.unit, None);
                let word = self.read(board, other);
                self.fold(word);
            }
        }
        if let Some(alone) = &alone {
            let word = self.read(alone, from);
            self.fold(word);
        }
    }
}
