//! Reads and writes of a slot, each way there is.

use super::board::Board;
use super::cell::Way;
use super::kernel::Talk;
use crate::ir::{Op, Stmt, ValueId};

impl Talk {
    /// Writes what is made from what the thread has seen.
    pub fn write(&mut self, board: &Board, way: Way, slot: ValueId) {
        let view = board.write;
        match way {
            Way::Scalar => {
                for element in 0..view.count {
                    let value = self.made(view.elem, board.bits);
                    let index = self.place(board, view, slot, element);
                    let guard = self.b.rng.percent(10);
                    self.b.stmt(Stmt::Store { buffer: view.buffer, index, value, guard });
                }
            }
        }
    }

    /// Reads a slot, as a word.
    pub fn read(&mut self, board: &Board, way: Way, slot: ValueId) -> ValueId {
        let view = board.read;
        let mut words = Vec::new();
        match way {
            Way::Scalar => {
                for element in 0..view.count {
                    let index = self.place(board, view, slot, element);
                    let guard = self.b.rng.percent(10);
                    let value = self.b.emit(view.elem, Op::Load { buffer: view.buffer, index, guard });
                    words.push(self.as_word(value));
                }
            }
        }
        words.into_iter().reduce(|a, b| self.join(a, b)).unwrap_or(slot)
    }
}
