//! Operands of an epilogue that are the same for all rows, such as a bias of columns, in shared memory.

use hidet_core::dsl::intrinsics::thread_id;
use hidet_core::dsl::{Epilogue, Expr, In, View, registers, shared, unroll};
use hidet_core::types::Element;
use hidet_macros::device;
use std::cell::Cell;
use std::rc::Rc;

/// The most operands that are copied; others are read where they are.
const MOST: i32 = 2;

/// The row operands of type `T` of an epilogue: what of them belongs to the tile of a warp group, of `cols` columns.
#[derive(Clone)]
pub(crate) struct StagedRows<T> {
    /// Their numbers and tensors.
    operands: Vec<(usize, In<T, 1>)>,
    /// What a thread has read: operand, step.
    own: View<T, 2>,
    /// Operand, warp group, column.
    rows: View<T, 3>,
    cols: i32,
    /// True if the kernel has read them for the store that comes next in its text.
    ahead: Rc<Cell<bool>>,
}

impl<T: Element> StagedRows<T> {
    /// Returns the bytes of shared memory that they take at most.
    pub fn bytes(groups: i32, cols: i32) -> i32 {
        MOST * groups * cols * T::SCALAR.bytes() as i32
    }

    /// Makes room for the operands of an epilogue, if there are any.
    #[track_caller]
    pub fn new<C: Element, const R: usize>(epilogue: &Epilogue<C, R>, groups: i32, cols: i32) -> Option<StagedRows<T>> {
        let mut operands = epilogue.row_operands::<T>();
        operands.truncate(MOST as usize);
        let count = operands.len() as i32;
        (count > 0).then(|| StagedRows {
            operands,
            own: registers::<T, 2>([count, (cols + 127) / 128]),
            rows: shared::<T, 3>([count, groups, cols]),
            cols,
            ahead: Rc::default(),
        })
    }

    /// Reads the columns from `col` on, before it is known what is done with them.
    #[track_caller]
    pub fn read_ahead(&self, col: Expr<i32>) {
        self.ahead.set(true);
        self.read(col);
    }

    #[device(crate = hidet_core)]
    fn read(&self, col: Expr<i32>) {
        let t = thread_id() % 128;
        for (number, (_, operand)) in self.operands.iter().enumerate() {
            for step in unroll(0..(self.cols + 127) / 128) {
                self.own[[number as i32, step]] = operand.get((col + (step * 128 + t),));
            }
        }
    }

    /// Shares the columns from `col` on with a warp group, whose threads must all have read those of before, and must meet before
    /// they read these.
    #[device(crate = hidet_core)]
    pub fn share(&self, group: Expr<i32>, col: Expr<i32>) {
        let t = thread_id() % 128;
        if !self.ahead.replace(false) {
            self.read(col);
        }
        for number in unroll(0..self.operands.len() as i32) {
            for step in unroll(0..(self.cols + 127) / 128) {
                if step * 128 + t < self.cols {
                    self.rows[[number, group, step * 128 + t]] = self.own[[number, step]];
                }
            }
        }
    }

    /// Returns the epilogue that reads what was copied for a warp group, of the columns from `col` on.
    #[track_caller]
    pub fn read_by<C: Element, const R: usize>(
        &self,
        epilogue: Epilogue<C, R>,
        group: Expr<i32>,
        col: Expr<i32>,
    ) -> Epilogue<C, R> {
        self.operands.iter().enumerate().fold(epilogue, |epilogue, (own, (number, _))| {
            epilogue.read_from(*number, self.rows.slice(own as i32).slice(group), [col])
        })
    }
}
