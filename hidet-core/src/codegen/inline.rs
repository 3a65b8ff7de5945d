//! Which values are written where they are used, and which integers count positions in memory.

use crate::ir::{BinaryOp, Block, Function, Handle, Op, SecondaryMap, Stmt, StmtId, ValueId, VarId};
use crate::passes::bounds::Facts;
use crate::types::Scalar;

/// What is known of the uses of values.
#[derive(Default)]
pub struct Uses {
    /// How often each value is used.
    pub count: SecondaryMap<ValueId, u32>,
    /// Values that may be written at their only use: nothing can change in between what they read.
    pub inline: SecondaryMap<ValueId, bool>,
    /// Integers that lead to an index or a loop bound by sums and products; those do not overflow. Not those that decide
    /// a comparison, which may be the one that protects the index, unless they are proved not to.
    pub index: SecondaryMap<ValueId, bool>,
    /// Integers that are never negative, by their form: constants, counters from a constant on, sums and products of them.
    pub counts: SecondaryMap<ValueId, bool>,
}

/// Calls `f` for each value by which a statement counts: in an index, or as the bound of a loop.
fn each_position(stmt: &Stmt, f: &mut impl FnMut(ValueId)) {
    stmt.each_index(&mut |_, index| index.iter().copied().for_each(&mut *f));
    match stmt {
        Stmt::For { start, end, step, .. } => [*start, *end, *step].into_iter().for_each(f),
        Stmt::Check { index, .. } | Stmt::Align { index, .. } => index.iter().copied().for_each(f),
        _ => {}
    }
}

/// Finds out about the values of a function.
pub fn analyse(function: &Function) -> Uses {
    let mut uses = Uses::default();
    let mut order = Vec::new();
    count(function, &function.body, &mut uses, &mut order);
    decisions(function, &order, &mut uses);
    choose(function, &function.body, &mut uses);
    uses
}

fn count(function: &Function, block: &Block, uses: &mut Uses, order: &mut Vec<StmtId>) {
    for id in &block.0 {
        order.push(*id);
        let stmt = &function.stmts[*id];
        stmt.each_use(&mut |value| uses.count[value] += 1);
        each_position(stmt, &mut |value| uses.index[value] = true);
        match stmt {
            Stmt::Let { value, op: Op::Const(constant) } => {
                uses.counts[*value] = constant.as_int().is_some_and(|number| number >= 0);
            }
            Stmt::Let { value, op: Op::Binary(BinaryOp::Add | BinaryOp::Mul, a, b) } => {
                uses.counts[*value] = uses.counts[*a] && uses.counts[*b];
            }
            Stmt::For { index, start, .. } => uses.counts[*index] = uses.counts[*start],
            _ => {}
        }
        for inner in stmt.blocks() {
            count(function, inner, uses, order);
        }
    }
}

/// The same integer may say where an element lies, and whether that is inside: `let i = x + 1; if 0 <= i && i < n`. C++
/// takes for granted that its `+` does not overflow, and could leave out a test of `i` by what is known of `x`. So what
/// decides wraps, unless it is proved not to; nearly everything made of thread indices and counters is.
fn decisions(function: &Function, order: &[StmtId], uses: &mut Uses) {
    let mut decides = SecondaryMap::new();
    for id in order {
        match &function.stmts[*id] {
            Stmt::Let { op: Op::Compare(_, a, b), .. } => (decides[*a], decides[*b]) = (true, true),
            Stmt::For { start, end, .. } => (decides[*start], decides[*end]) = (true, true),
            Stmt::Check { index, .. } => index.iter().for_each(|value| decides[*value] = true),
            _ => {}
        }
    }
    spread(function, order, &mut decides, |op, from| from.is_int() && !matches!(op, Op::Load { .. }));
    spread(function, order, &mut uses.index, |op, from| carries(op) && matches!(from, Scalar::I32 | Scalar::I64));
    let mut facts = Facts::of(function);
    for id in order {
        match &function.stmts[*id] {
            Stmt::Let { value, op } => {
                facts.define(function, *value, op);
                if uses.index[*value] && decides[*value] && wraps(op) {
                    uses.index[*value] = facts.exact(function, *value);
                }
            }
            Stmt::For { index, start, end, step, .. } => facts.count(*index, *start, *end, *step),
            _ => {}
        }
    }
}

/// Marks what marked values are computed from, by the operations and from the types through which the mark goes. Uses
/// stand after definitions, so a walk backwards is enough, but for what goes through variables.
fn spread(
    function: &Function,
    order: &[StmtId],
    marks: &mut SecondaryMap<ValueId, bool>,
    through: impl Fn(&Op, Scalar) -> bool,
) {
    let mut vars: SecondaryMap<VarId, bool> = SecondaryMap::new();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for id in order.iter().rev() {
            match &function.stmts[*id] {
                Stmt::Let { value, op: Op::Read(var) } if marks[*value] && !vars[*var] => {
                    vars[*var] = true;
                    changed = true;
                }
                Stmt::Let { value, op } if marks[*value] => op.each_operand(&mut |operand| {
                    if through(op, function.ty(operand).scalar) {
                        marks[operand] = true;
                    }
                }),
                Stmt::Assign { var, value } | Stmt::Declare { var, init: Some(value) } if vars[*var] => {
                    marks[*value] = true;
                }
                _ => {}
            }
        }
    }
}

/// Whether an operation is written in one way where it does not overflow and in another where it may.
fn wraps(op: &Op) -> bool {
    matches!(op, Op::Binary(BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul, ..))
}

/// Whether a position is computed from positions by this operation.
fn carries(op: &Op) -> bool {
    use BinaryOp::*;
    matches!(op, Op::Binary(Add | Sub | Mul | Div | Min | Max, ..) | Op::Cast(_) | Op::Select(..))
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
