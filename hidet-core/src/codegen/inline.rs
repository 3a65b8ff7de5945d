//! Which values are written where they are used, and which integers count positions in memory.

use crate::ir::{
    Arg, AsmOperand, BinaryOp, Block, Function, Handle, Op, PrintPiece, SecondaryMap, Stmt, StmtId, ValueId, VarId,
};
use crate::types::Scalar;

/// What is known of the uses of values.
#[derive(Default)]
pub struct Uses {
    /// How often each value is used.
    pub count: SecondaryMap<ValueId, u32>,
    /// Values that may be written at their only use: nothing can change in between what they read.
    pub inline: SecondaryMap<ValueId, bool>,
    /// Integers that lead to an index or a loop bound by sums and products; those do not overflow.
    pub index: SecondaryMap<ValueId, bool>,
    /// Integers that are never negative, by their form: constants, counters from a constant on, sums and products of them.
    pub counts: SecondaryMap<ValueId, bool>,
}

/// Calls `f` for each value that a statement uses itself (blocks within it aside), and whether it is a position.
pub fn each_use(stmt: &Stmt, f: &mut impl FnMut(ValueId, bool)) {
    match stmt {
        Stmt::Let { op: Op::Load { index, .. }, .. } => index.iter().for_each(|v| f(*v, true)),
        Stmt::Let { op, .. } => op.each_operand(&mut |v| f(v, false)),
        Stmt::Declare { init, .. } => init.iter().for_each(|v| f(*v, false)),
        Stmt::Assign { value, .. } => f(*value, false),
        Stmt::Store { index, value, .. } => {
            index.iter().for_each(|v| f(*v, true));
            f(*value, false);
        }
        Stmt::If { cond, .. } | Stmt::Assert { cond, .. } => f(*cond, false),
        Stmt::For { start, end, step, .. } => [start, end, step].into_iter().for_each(|v| f(*v, true)),
        Stmt::ForTask { worker, .. } => f(*worker, true),
        Stmt::Call { args, .. } => {
            for arg in args {
                match arg {
                    Arg::Value(value) => f(*value, false),
                    Arg::Address { index, .. } => index.iter().for_each(|v| f(*v, true)),
                    Arg::Imm(_) | Arg::Map(_) => {}
                }
            }
        }
        Stmt::Check { index, .. } | Stmt::Align { index, .. } => index.iter().for_each(|v| f(*v, true)),
        Stmt::Print { pieces } => {
            for piece in pieces {
                if let PrintPiece::Value { value, .. } = piece {
                    f(*value, false);
                }
            }
        }
        Stmt::Asm { operands, .. } => {
            for operand in operands {
                match operand {
                    AsmOperand::In(value) => f(*value, false),
                    AsmOperand::Address { index, .. } => index.iter().for_each(|v| f(*v, true)),
                    AsmOperand::Out(_) => {}
                }
            }
        }
        Stmt::Loop { .. } | Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return | Stmt::Group { .. } => {}
    }
}

/// Finds out about the values of a function.
pub fn analyse(function: &Function) -> Uses {
    let mut uses = Uses::default();
    let mut order = Vec::new();
    count(function, &function.body, &mut uses, &mut order);
    positions(function, &order, &mut uses);
    choose(function, &function.body, &mut uses);
    uses
}

fn count(function: &Function, block: &Block, uses: &mut Uses, order: &mut Vec<StmtId>) {
    for id in &block.0 {
        order.push(*id);
        let stmt = &function.stmts[*id];
        each_use(stmt, &mut |value, position| {
            uses.count[value] += 1;
            uses.index[value] |= position;
        });
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

/// Uses stand after definitions, so a walk backwards is enough, but for what goes through variables.
fn positions(function: &Function, order: &[StmtId], uses: &mut Uses) {
    let mut vars: SecondaryMap<VarId, bool> = SecondaryMap::new();
    let mut changed = true;
    while std::mem::take(&mut changed) {
        for id in order.iter().rev() {
            match &function.stmts[*id] {
                Stmt::Let { value, op: Op::Read(var) } if uses.index[*value] && !vars[*var] => {
                    vars[*var] = true;
                    changed = true;
                }
                Stmt::Let { value, op } if uses.index[*value] && carries(op) => {
                    op.each_operand(&mut |operand| {
                        if matches!(function.ty(operand).scalar, Scalar::I32 | Scalar::I64) {
                            uses.index[operand] = true;
                        }
                    });
                }
                Stmt::Assign { var, value } | Stmt::Declare { var, init: Some(value) } if vars[*var] => {
                    uses.index[*value] = true;
                }
                _ => {}
            }
        }
    }
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
        each_use(stmt, &mut |value, _| user[value.index()] = Some(position));
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
