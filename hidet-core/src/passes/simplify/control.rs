//! Branches and loops: the facts inside of them, and those that remain after them.

use super::Simplifier;
use crate::ir::walk::jumps;
use crate::ir::{BinaryOp, Block, CompareOp, LoopId, Op, Stmt, StmtId, UnaryOp, ValueId};
use crate::passes::bounds::leaves;
use crate::types::{Const, Type};

impl Simplifier<'_> {
    pub(super) fn branch(&mut self, id: StmtId, cond: ValueId, then: Block, otherwise: Block) {
        if let Some(known) = self.constant_of(cond).and_then(Const::as_bool) {
            return self.stmts(if known { then } else { otherwise });
        }
        let span = self.span;
        let before = self.content.clone();
        let mark = self.facts.mark();
        let conditions = self.conditions.clone();
        self.assume(cond, true);
        let then = self.block(then, false);
        let after_then = std::mem::replace(&mut self.content, before);
        self.facts.forget(mark);
        self.conditions = conditions.clone();
        self.assume(cond, false);
        let otherwise = self.block(otherwise, false);
        self.facts.forget(mark);
        self.conditions = conditions;
        // Done before the condition is assumed to hold.
        let swapped = (then.0.is_empty() && !otherwise.0.is_empty())
            .then(|| self.simplified(Op::Unary(UnaryOp::Not, cond), Type::BOOL, None));
        let (then_leaves, otherwise_leaves) = (leaves(self.function, &then), leaves(self.function, &otherwise));
        if then_leaves && !otherwise_leaves {
            self.assume(cond, false);
        } else {
            if !otherwise_leaves {
                // Control reaches this point from both branches: only common facts remain.
                self.content.retain(|var, value| after_then.get(var) == Some(value));
            } else {
                self.content = after_then;
            }
            if otherwise_leaves && !then_leaves {
                self.assume(cond, true);
            }
        }
        self.forget_invisible();
        self.span = span;
        if let Some(cond) = swapped {
            self.keep(id, Stmt::If { cond, then: otherwise, otherwise: then });
        } else {
            self.keep(id, Stmt::If { cond, then, otherwise });
        }
    }

    pub(super) fn counted(&mut self, id: StmtId, stmt: Stmt) {
        let Stmt::For { label, index, start, mut end, mut inclusive, step, unroll, body } = stmt else {
            return self.keep(id, stmt);
        };
        if inclusive && self.facts.has_next(self.function, end) {
            let ty = self.function.ty(end);
            let one = self.int(ty.scalar, 1);
            end = self.simplified(Op::Binary(BinaryOp::Add, end, one), ty, None);
            inclusive = false;
        }
        let begins = if inclusive { CompareOp::Le } else { CompareOp::Lt };
        if self.facts.compare(self.function, begins, start, end) == Some(false) {
            return;
        }
        if !inclusive && self.runs_once(start, end, step) && jumps(self.function, &body, label) == (false, false) {
            self.replaced.insert(index, start);
            return self.stmts(body);
        }
        let head = |body| Stmt::For { label, index, start, end, inclusive, step, unroll, body };
        self.facts.count(&head(Block::default()));
        // The index is defined in the frame of the body, which is opened next.
        self.depth.insert(index, self.here() + 1);
        let body = self.repeated(body);
        self.depth.remove(&index);
        self.keep(id, head(body));
    }

    /// Returns true if a loop is known to run exactly once.
    pub(super) fn runs_once(&mut self, start: ValueId, end: ValueId, step: ValueId) -> bool {
        let (first, last) = (self.facts.linear(self.function, start), self.facts.linear(self.function, end));
        let step = self.facts.linear(self.function, step);
        let Some(trip) = last.minus(&first) else { return false };
        let Some(short) = step.minus(&trip) else { return false };
        self.facts.nonnegative(self.function, &trip.offset(-1)) && self.facts.nonnegative(self.function, &short)
    }

    /// Simplifies the body of a loop. The contents of variables that it assigns are unknown in it and after it.
    pub(super) fn repeated(&mut self, body: Block) -> Block {
        let span = self.span;
        self.forget_assigned(&body);
        let before = self.content.clone();
        let body = self.block(body, true);
        self.content = before;
        self.forget_invisible();
        self.span = span;
        body
    }

    pub(super) fn forget_assigned(&mut self, block: &Block) {
        let content = &mut self.content;
        self.function.each_stmt_in(block, &mut |_, stmt| {
            if let Stmt::Assign { var, .. } | Stmt::Declare { var, .. } = stmt {
                content.remove(var);
            }
        });
    }

    pub(super) fn forget_invisible(&mut self) {
        let depth = &self.depth;
        self.content.retain(|_, value| depth.contains_key(value));
    }

    pub(super) fn ends_with(&self, block: &Block, stmt: &Stmt) -> bool {
        block.0.last().is_some_and(|id| self.function.stmts[*id] == *stmt)
    }

    /// Returns whether a block has a `break` and a `continue` of a loop before its last statement.
    pub(super) fn jumps_before_last(&self, block: &Block, label: LoopId) -> (bool, bool) {
        let inner = block.0[..block.0.len().saturating_sub(1)].to_vec();
        jumps(self.function, &Block(inner), label)
    }
}
