//! Which values are written where they are used, and which integer arithmetic is proved not to overflow.

use crate::ir::{BinaryOp, Block, Function, Handle, Op, SecondaryMap, Stmt, UnaryOp, ValueId};
use crate::passes::bounds::{Facts, leaves};
use crate::types::Scalar;

/// What is known of the uses of values.
#[derive(Default)]
pub struct Uses {
    /// How often each value is used.
    pub count: SecondaryMap<ValueId, u32>,
    /// Values that may be written at their only use: nothing can change in between what they read.
    pub inline: SecondaryMap<ValueId, bool>,
    /// Signed integer arithmetic that is proved not to overflow. C++ takes that for granted of its operators, so all other
    /// arithmetic is written as functions that wrap.
    pub exact: SecondaryMap<ValueId, bool>,
    /// Integers made of constants and counters alone that are never negative.
    pub counts: SecondaryMap<ValueId, bool>,
}

/// Finds out about the values of a function.
pub fn analyse(function: &Function) -> Uses {
    let mut uses = Uses::default();
    let mut facts = Facts::in_place(function);
    count(function, &function.body, &mut uses, &mut facts);
    choose(function, &function.body, &mut uses);
    uses
}

fn count(function: &Function, block: &Block, uses: &mut Uses, facts: &mut Facts) {
    for id in &block.0 {
        let stmt = &function.stmts[*id];
        stmt.each_use(&mut |value| uses.count[value] += 1);
        match stmt {
            Stmt::Let { value, op } => {
                facts.define(function, *value, op);
                let ty = function.ty(*value);
                if ty.lanes == 1 && matches!(ty.scalar, Scalar::I32 | Scalar::I64) {
                    uses.exact[*value] = may_overflow(op) && facts.exact(function, *value);
                    let counts = match op {
                        Op::Const(_) => true,
                        Op::Binary(BinaryOp::Add | BinaryOp::Mul, a, b) => uses.counts[*a] && uses.counts[*b],
                        _ => false,
                    };
                    uses.counts[*value] = counts && facts.interval(function, *value).0 >= 0;
                }
            }
            Stmt::For { index, start, end, step, .. } => {
                facts.count(*index, *start, *end, *step);
                uses.counts[*index] = uses.counts[*start];
            }
            _ => {}
        }
        let mark = facts.mark();
        if let Stmt::If { cond, then, otherwise } = stmt {
            for (holds, block) in [(true, then), (false, otherwise)] {
                facts.assume(function, *cond, holds);
                count(function, block, uses, facts);
                facts.forget(mark);
            }
            // Who comes here took the branch that comes to its end.
            match (leaves(function, then), leaves(function, otherwise)) {
                (true, false) => facts.assume(function, *cond, false),
                (false, true) => facts.assume(function, *cond, true),
                _ => {}
            }
            continue;
        }
        for inner in stmt.blocks() {
            count(function, inner, uses, facts);
            facts.forget(mark);
        }
    }
}

/// Whether an operation on signed integers may overflow for some operands.
fn may_overflow(op: &Op) -> bool {
    use BinaryOp::*;
    matches!(op, Op::Unary(UnaryOp::Neg, _) | Op::Binary(Add | Sub | Mul | Div | Rem, ..))
}

/// Marks the values of a block that may be written at their only use.
fn choose(function: &Function, block: &Block, uses: &mut Uses) {
    let stmts: Vec<&Stmt> = block.0.iter().map(|id| &function.stmts[*id]).collect();
    let mut user = vec![None; function.values.len()];
    // For each statement the one at which its value is really written: itself, or its user's.
    let mut root: Vec<usize> = (0..stmts.len()).collect();
    for (position, stmt) in stmts.iter().enumerate().rev() {
        if let Stmt::Let { value, op } = stmt
            && function.values[*value].name.is_empty()
            && uses.count[*value] == 1
            && let Some(at) = user[value.index()]
            && inlinable(function, *value, op, stmts[at])
        {
            let target: usize = root[at];
            let reads = matches!(op, Op::Read(_) | Op::Load { .. });
            let calm = |between: &&Stmt| matches!(between, Stmt::Let { .. } | Stmt::Declare { .. });
            if !reads || stmts[position + 1..target].iter().all(calm) {
                uses.inline[*value] = true;
                root[position] = target;
            }
        }
        stmt.each_use(&mut |value| user[value.index()] = Some(position));
    }
    for stmt in stmts {
        for inner in stmt.blocks() {
            choose(function, inner, uses);
        }
    }
}

fn inlinable(function: &Function, value: ValueId, op: &Op, user: &Stmt) -> bool {
    // The end and step of a loop are written where they would be evaluated again each turn.
    if let Stmt::For { end, step, .. } = user
        && (*end == value || *step == value)
    {
        return false;
    }
    // Vectors are written lane by lane, so each must have a name; so must what a check or a template names twice.
    if function.ty(value).lanes > 1 || matches!(op, Op::Vector(_) | Op::Bitcast(_)) {
        return matches!(user, Stmt::Store { .. });
    }
    let vector = matches!(user, Stmt::Let { value, op }
        if function.ty(*value).lanes > 1 && !matches!(op, Op::Vector(_) | Op::Load { .. }));
    !vector && !matches!(user, Stmt::Check { .. } | Stmt::Align { .. } | Stmt::Asm { .. })
}
