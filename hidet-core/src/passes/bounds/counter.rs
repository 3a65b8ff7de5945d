//! Counted loops: facts about their index, and proofs that it does not overflow.

use super::Facts;
use crate::ir::{Function, Stmt, ValueId};
use crate::passes::fold::int_range;

/// The parts of a counted loop.
#[derive(Clone, Copy)]
pub(super) struct Counter {
    pub start: ValueId,
    pub end: ValueId,
    pub inclusive: bool,
    pub step: ValueId,
}

impl Counter {
    /// Returns the minimum distance of the last index from the end.
    pub fn short(self) -> i128 {
        i128::from(!self.inclusive)
    }
}

impl Facts {
    /// Notes a counted loop; call it before its body.
    pub fn count(&mut self, stmt: &Stmt) {
        if let Stmt::For { index, start, end, inclusive, step, .. } = *stmt {
            self.counters.insert(index, Counter { start, end, inclusive, step });
        }
    }

    /// Returns true if `end + 1` is proved to fit in the type, so that a loop including `end` is a loop up to
    /// `end + 1`.
    pub fn has_next(&mut self, function: &Function, end: ValueId) -> bool {
        self.interval(function, end).1 < int_range(function.ty(end).scalar).1
    }

    /// Returns true if every index of a loop plus its step is proved to fit in the type, so that the loop may add first
    /// and then compare.
    pub fn steps_exactly(&mut self, function: &Function, stmt: &Stmt) -> bool {
        let Stmt::For { end, inclusive, step, .. } = *stmt else { return false };
        let most = int_range(function.ty(end).scalar).1;
        let last = self.interval(function, end).1 - i128::from(!inclusive);
        last + self.interval(function, step).1 <= most
    }
}
