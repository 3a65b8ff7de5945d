//! Loops that count: what is known of their index, and whether it can overflow.

use super::Facts;
use crate::ir::{Function, Stmt, ValueId};
use crate::passes::fold::int_range;

/// The parts of a loop that counts.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub start: ValueId,
    pub end: ValueId,
    pub inclusive: bool,
    pub step: ValueId,
}

impl Counter {
    /// How far the last index is from the end at least.
    pub fn short(self) -> i128 {
        i128::from(!self.inclusive)
    }
}

impl Facts {
    /// Notes a loop that counts; call it before its body.
    pub fn count(&mut self, stmt: &Stmt) {
        if let Stmt::For { index, start, end, inclusive, step, .. } = *stmt {
            self.counters.insert(index, Counter { start, end, inclusive, step });
        }
    }

    /// Whether the number after an end is proved to be one of the type: a loop that includes the end is one up to there.
    pub fn has_next(&mut self, function: &Function, end: ValueId) -> bool {
        self.interval(function, end).1 < int_range(function.ty(end).scalar).1
    }

    /// Whether the sum of any index of a loop and its step is proved to be a number of the type, so that the loop may add
    /// first and compare then.
    pub fn steps_exactly(&mut self, function: &Function, stmt: &Stmt) -> bool {
        let Stmt::For { end, inclusive, step, .. } = *stmt else { return false };
        let most = int_range(function.ty(end).scalar).1;
        let last = self.interval(function, end).1 - i128::from(!inclusive);
        last + self.interval(function, step).1 <= most
    }
}
