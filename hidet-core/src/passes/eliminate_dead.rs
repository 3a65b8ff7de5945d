//! Removes dead code.
//!
//! Precondition: none. Postcondition: every `let` is used, directly or not, by something with an effect; no variable
//! is only written, written twice in a row, or declared before it is first assigned in the same block; no branch or
//! counted loop is empty; nothing follows a jump in its block.
//!
//! `let a = x + y; let b = a * 2; store c` becomes `store c`. Unused loads are removed too, because a `Check` reports
//! what is wrong with them. Calls, barriers, checks, stores and jumps stay.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::{Block, Function, Handle, Mention, Op, Stmt, StmtId, ValueId, VarId};
use std::collections::{HashMap, HashSet};

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    loop {
        let uses = Uses::of(function);
        let mut changed = false;
        let body = std::mem::take(&mut function.body);
        function.body = prune(function, body, &uses, &mut changed);
        if !changed {
            return Ok(());
        }
    }
}

/// The values and variables that statements with an effect need.
struct Uses {
    values: Vec<bool>,
    vars: Vec<bool>,
}

impl Uses {
    fn of(function: &Function) -> Uses {
        let mut uses = Uses { values: vec![false; function.values.len()], vars: vec![false; function.vars.len()] };
        // In reverse order a definition comes after its uses, except for variables that loops carry.
        loop {
            let before = uses.vars.clone();
            uses.block(function, &function.body);
            if uses.vars == before {
                return uses;
            }
        }
    }

    fn block(&mut self, function: &Function, block: &Block) {
        for id in block.0.iter().rev() {
            let stmt = &function.stmts[*id];
            for inner in stmt.blocks() {
                self.block(function, inner);
            }
            let needed = match stmt {
                Stmt::Let { value, .. } => self.value(*value),
                Stmt::Declare { var, .. } | Stmt::Assign { var, .. } => self.vars[var.index()],
                _ => true,
            };
            if !needed {
                continue;
            }
            if let Stmt::Let { op: Op::Read(var), .. } = stmt {
                self.vars[var.index()] = true;
            }
            stmt.each_use(&mut |value| self.values[value.index()] = true);
        }
    }

    fn value(&self, value: ValueId) -> bool {
        self.values[value.index()]
    }

    fn var(&self, var: VarId) -> bool {
        self.vars[var.index()]
    }
}

fn prune(function: &mut Function, block: Block, uses: &Uses, changed: &mut bool) -> Block {
    let mut out: Vec<StmtId> = Vec::with_capacity(block.0.len());
    let count = block.0.len();
    let block = declare_late(function, block);
    let overwritten = overwritten(function, &block);
    for id in &overwritten {
        if let Stmt::Declare { init, .. } = &mut function.stmts[*id] {
            *init = None;
            *changed = true;
        }
    }
    for (position, id) in block.0.into_iter().enumerate() {
        let inner: Vec<Block> = function.stmts[id].blocks_mut().map(std::mem::take).collect();
        let inner: Vec<Block> = inner.into_iter().map(|block| prune(function, block, uses, changed)).collect();
        for (place, block) in function.stmts[id].blocks_mut().zip(inner) {
            *place = block;
        }
        let stmt = &function.stmts[id];
        let keep = match stmt {
            Stmt::Let { value, .. } => uses.value(*value),
            Stmt::Declare { var, .. } | Stmt::Assign { var, .. } => uses.var(*var),
            Stmt::If { then, otherwise, .. } => !then.0.is_empty() || !otherwise.0.is_empty(),
            Stmt::For { body, .. } | Stmt::ForTask { body, .. } | Stmt::Group { body, .. } => !body.0.is_empty(),
            _ => true,
        } && !(matches!(stmt, Stmt::Assign { .. }) && overwritten.contains(&id));
        if !keep {
            *changed = true;
            continue;
        }
        let jump = matches!(stmt, Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return);
        out.push(id);
        if jump {
            *changed |= position + 1 < count;
            break;
        }
    }
    Block(out)
}

/// Moves the declarations of variables without initial value to their first assignment, if that is in the same block.
fn declare_late(function: &mut Function, block: Block) -> Block {
    let mut unset: HashMap<VarId, StmtId> = HashMap::new();
    let mut late = HashSet::new();
    for id in &block.0 {
        match function.stmts[*id] {
            Stmt::Declare { var, init: None } => drop(unset.insert(var, *id)),
            Stmt::Assign { var, value } if unset.contains_key(&var) => {
                late.extend(unset.remove(&var));
                function.stmts[*id] = Stmt::Declare { var, init: Some(value) };
            }
            _ if unset.is_empty() => {}
            _ => {
                let mut forget = |stmt: &Stmt| {
                    stmt.each_mention(&mut |mention| {
                        if let Mention::Var(var) = mention {
                            unset.remove(&var);
                        }
                    });
                };
                let stmt = &function.stmts[*id];
                forget(stmt);
                stmt.blocks().for_each(|inner| function.each_stmt_in(inner, &mut |_, stmt| forget(stmt)));
            }
        }
    }
    Block(block.0.into_iter().filter(|id| !late.contains(id)).collect())
}

/// Returns the assignments and initial values in a block whose variable is assigned again before anything can read it.
fn overwritten(function: &Function, block: &Block) -> HashSet<StmtId> {
    let mut found = HashSet::new();
    // The variables that are assigned later in the block before they are read.
    let mut unread: HashSet<VarId> = HashSet::new();
    for id in block.0.iter().rev() {
        match &function.stmts[*id] {
            Stmt::Assign { var, .. } => {
                if !unread.insert(*var) {
                    found.insert(*id);
                }
            }
            Stmt::Declare { var, init } => {
                if unread.remove(var) && init.is_some() {
                    found.insert(*id);
                }
            }
            Stmt::Let { op: Op::Read(var), .. } => drop(unread.remove(var)),
            // Nested blocks and the targets of jumps may read.
            Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return => unread.clear(),
            stmt if stmt.blocks().next().is_some() => unread.clear(),
            _ => {}
        }
    }
    found
}
