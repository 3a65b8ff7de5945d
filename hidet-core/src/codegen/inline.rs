//! Decides which values are written inline, where they are used.

use crate::ir::{Block, Function, Handle, Op, SecondaryMap, Stmt, ValueId};

/// The uses of values.
#[derive(Default)]
pub struct ValueUses {
    /// The number of uses of each value.
    pub count: SecondaryMap<ValueId, u32>,
    /// Values that may be written at their only use, because nothing in between can change what they read.
    pub inline: SecondaryMap<ValueId, bool>,
}

/// Returns the uses of the values of a function.
pub fn analyse(function: &Function) -> ValueUses {
    let mut uses = ValueUses::default();
    function.each_stmt_in(&function.body, &mut |_, stmt| stmt.each_use(&mut |value| uses.count[value] += 1));
    choose(function, &function.body, &mut uses);
    uses
}

/// Marks the values of a block that may be written at their only use.
fn choose(function: &Function, block: &Block, uses: &mut ValueUses) {
    let stmts: Vec<&Stmt> = block.0.iter().map(|id| &function.stmts[*id]).collect();
    let mut user = vec![None; function.values.len()];
    // For each statement, the one at which its value is actually written: itself, or that of its user.
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
    // The end and step of a loop would be evaluated again in each iteration.
    if let Stmt::For { end, step, .. } = user
        && (*end == value || *step == value)
    {
        return false;
    }
    // Vectors are written lane by lane, so they need a name; so do values that a check or a template mentions twice.
    if function.ty(value).lanes > 1 || matches!(op, Op::Vector(_) | Op::Bitcast(_)) {
        return matches!(user, Stmt::Store { .. });
    }
    let vector = matches!(user, Stmt::Let { value, op }
        if function.ty(*value).lanes > 1 && !matches!(op, Op::Vector(_) | Op::Load { .. }));
    !vector && !matches!(user, Stmt::Check { .. } | Stmt::Align { .. } | Stmt::Asm { .. })
}
