//! Proofs that integer arithmetic of a lowered function does not overflow.
//!
//! In C++ the overflow of signed arithmetic is undefined, so code generation uses its operators only for what is proved
//! here, and wrapping functions for all else. The proofs use the facts that hold where a value is computed, including
//! the conditions of the branches around it, because nothing is moved any more.

use super::bounds::{Facts, leaves};
use crate::ir::{BinaryOp, Block, Function, LoopId, Op, SecondaryMap, Stmt, UnaryOp, ValueId};
use crate::types::Scalar;

/// The proved arithmetic of signed 32-bit and 64-bit integers.
#[derive(Default)]
pub struct Exact {
    /// Values whose operation does not overflow.
    pub exact: SecondaryMap<ValueId, bool>,
    /// Values computed only from constants and loop counters that are never negative.
    pub counts: SecondaryMap<ValueId, bool>,
    /// Integers that are converted to floats and are 0 or 1.
    pub bits: SecondaryMap<ValueId, bool>,
    /// Loops, over any integer type, whose index does not overflow when the step is added.
    pub loops: SecondaryMap<LoopId, bool>,
}

/// Proves as much as possible of a function.
pub fn exact_arithmetic(function: &Function) -> Exact {
    let mut proved = Exact::default();
    prove(function, &function.body, &mut proved, &mut Facts::in_place(function));
    proved
}

fn prove(function: &Function, block: &Block, proved: &mut Exact, facts: &mut Facts) {
    for id in &block.0 {
        let stmt = &function.stmts[*id];
        match stmt {
            Stmt::Let { value, op } => {
                facts.define(function, *value, op);
                let ty = function.ty(*value);
                if let Op::Cast(a) = op
                    && ty.scalar.is_float()
                    && function.ty(*a).scalar.is_int()
                    && function.ty(*a).lanes == 1
                {
                    let (least, most) = facts.interval(function, *a);
                    proved.bits[*a] = 0 <= least && most <= 1;
                }
                if ty.lanes == 1 && matches!(ty.scalar, Scalar::I32 | Scalar::I64) {
                    proved.exact[*value] = may_overflow(op) && facts.exact(function, *value);
                    let counts = match op {
                        Op::Const(_) => true,
                        Op::Binary(BinaryOp::Add | BinaryOp::Mul, a, b) => proved.counts[*a] && proved.counts[*b],
                        _ => false,
                    };
                    proved.counts[*value] = counts && facts.interval(function, *value).0 >= 0;
                }
            }
            Stmt::For { label, index, start, .. } => {
                proved.loops[*label] = facts.steps_exactly(function, stmt);
                facts.count(stmt);
                proved.counts[*index] = proved.counts[*start];
            }
            _ => {}
        }
        let mark = facts.mark();
        if let Stmt::If { cond, then, otherwise } = stmt {
            for (holds, block) in [(true, then), (false, otherwise)] {
                facts.assume(function, *cond, holds);
                prove(function, block, proved, facts);
                facts.forget(mark);
            }
            // Threads that get here took the branch whose end is reachable.
            match (leaves(function, then), leaves(function, otherwise)) {
                (true, false) => facts.assume(function, *cond, false),
                (false, true) => facts.assume(function, *cond, true),
                _ => {}
            }
            continue;
        }
        for inner in stmt.blocks() {
            prove(function, inner, proved, facts);
            facts.forget(mark);
        }
    }
}

/// Returns true if an operation on signed integers overflows for some operands.
fn may_overflow(op: &Op) -> bool {
    use BinaryOp::*;
    matches!(op, Op::Unary(UnaryOp::Neg, _) | Op::Binary(Add | Sub | Mul | Div | Rem, ..))
}
