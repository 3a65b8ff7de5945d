//! Ring counters: `stage += 1; if stage == 4 { stage = 0; }` keeps `stage` from 0 to 3.
//!
//! Pipelines count their stages this way. In the IR the branch follows the assignment of the sum immediately, so
//! nothing reads the variable while it equals the end.

use crate::ir::hash::HandleMap;
use crate::ir::{BinaryOp, Block, CompareOp, Function, Op, SecondaryMap, Stmt, ValueId, VarId};

/// The operation of each value that a `let` defines.
type Definitions<'a> = SecondaryMap<ValueId, Option<&'a Op>>;

/// Returns the smallest and largest number that each such variable has where it is read.
pub(super) fn rings(function: &Function) -> HandleMap<VarId, (i128, i128)> {
    let ops = function.definitions();
    let mut rings = HandleMap::default();
    find(function, &ops, &function.body, &mut rings);
    // Every other assignment must stay within the ring.
    let mut wrong = Vec::new();
    function.each_stmt_in(&function.body, &mut |_, stmt| {
        let (var, value) = match stmt {
            Stmt::Assign { var, value } | Stmt::Declare { var, init: Some(value) } => (var, value),
            _ => return,
        };
        if let Some(Ring { end, steps }) = rings.get(var) {
            let inside = number(&ops, *value).is_some_and(|number| (0..*end).contains(&number));
            if !inside && !steps.contains(value) {
                wrong.push(*var);
            }
        }
    });
    rings.retain(|var, _| !wrong.contains(var));
    rings.into_iter().map(|(var, ring)| (var, (0, ring.end - 1))).collect()
}

struct Ring {
    end: i128,
    /// The sums that are assigned immediately before a branch that resets the variable.
    steps: Vec<ValueId>,
}

fn number(ops: &Definitions<'_>, value: ValueId) -> Option<i128> {
    match ops[value]? {
        Op::Const(constant) => constant.as_int().map(i128::from),
        _ => None,
    }
}

fn find(function: &Function, ops: &Definitions<'_>, block: &Block, rings: &mut HandleMap<VarId, Ring>) {
    let stmts: Vec<&Stmt> = block.0.iter().map(|id| &function.stmts[*id]).collect();
    for (position, stmt) in stmts.iter().enumerate() {
        if let Stmt::Assign { var, value } = stmt
            && let Some(Stmt::If { cond, then, .. }) = stmts[position + 1..].iter().find(|next| !passes(next, *var))
            && let Some(Op::Binary(BinaryOp::Add, old, step)) = ops[*value]
            && ops[*old] == Some(&Op::Read(*var))
            && number(ops, *step) == Some(1)
            && let Some(Op::Compare(CompareOp::Eq, counted, end)) = ops[*cond]
            && counted == value
            && let Some(end) = number(ops, *end).filter(|end| *end > 0)
            && sets_back(function, then, *var)
        {
            let ring = rings.entry(*var).or_insert(Ring { end, steps: Vec::new() });
            if ring.end == end {
                ring.steps.push(*value);
            }
        }
    }
    for stmt in stmts {
        stmt.blocks().for_each(|inner| find(function, ops, inner, rings));
    }
}

/// Returns true if a statement only computes a value that does not depend on the variable.
fn passes(stmt: &Stmt, var: VarId) -> bool {
    matches!(stmt, Stmt::Let { op, .. } if *op != Op::Read(var))
}

/// Returns true if a block assigns the variable before anything in it can read it.
fn sets_back(function: &Function, block: &Block, var: VarId) -> bool {
    let mut stmts = block.0.iter().map(|id| &function.stmts[*id]);
    let other = |stmt: &&Stmt| matches!(stmt, Stmt::Assign { var: assigned, .. } if *assigned != var);
    let first = stmts.find(|stmt| !passes(stmt, var) && !other(stmt));
    matches!(first, Some(Stmt::Assign { var: assigned, .. }) if *assigned == var)
}
