//! Walks and rewrites: the values a statement uses and defines, its blocks, and copies of blocks.
//!
//! Depends on the structure of the IR only, not on its meaning.

use super::SecondaryMap;
use super::function::{BufferId, Function, Loop, LoopId, ValueId, VarId};
use super::handles::MentionMut;
use super::op::Op;
use super::stmt::{Arg, AsmOperand, Block, Stmt, StmtId};
use crate::error::{Error, Result};
use std::collections::HashMap;

impl Stmt {
    /// Calls `f` for each buffer index that the statement accesses.
    pub fn each_index(&self, f: &mut dyn FnMut(BufferId, &[ValueId])) {
        match self {
            Stmt::Let { op: Op::Load { buffer, index, .. }, .. } | Stmt::Store { buffer, index, .. } => {
                f(*buffer, index)
            }
            Stmt::Call { args, .. } => {
                for arg in args {
                    if let Arg::Address { buffer, index } = arg {
                        f(*buffer, index);
                    }
                }
            }
            Stmt::Asm { operands, .. } => {
                for operand in operands {
                    if let AsmOperand::Address { buffer, index } = operand {
                        f(*buffer, index);
                    }
                }
            }
            _ => {}
        }
    }

    /// Calls `f` for each buffer index that the statement accesses, to replace it.
    pub fn each_index_mut(&mut self, f: &mut dyn FnMut(BufferId, &mut Vec<ValueId>)) {
        match self {
            Stmt::Let { op: Op::Load { buffer, index, .. }, .. } | Stmt::Store { buffer, index, .. } => {
                f(*buffer, index)
            }
            Stmt::Call { args, .. } => {
                for arg in args {
                    if let Arg::Address { buffer, index } = arg {
                        f(*buffer, index);
                    }
                }
            }
            Stmt::Asm { operands, .. } => {
                for operand in operands {
                    if let AsmOperand::Address { buffer, index } = operand {
                        f(*buffer, index);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Function {
    /// Replaces every statement of the body, inner before outer: `f` appends the replacement to the list, which may be
    /// the statement itself.
    pub fn rewrite(&mut self, f: &mut dyn FnMut(&mut Function, StmtId, &mut Vec<StmtId>) -> Result<()>) -> Result<()> {
        let body = std::mem::take(&mut self.body);
        self.body = self.rewrite_block(body, f)?;
        Ok(())
    }

    fn rewrite_block(
        &mut self,
        block: Block,
        f: &mut dyn FnMut(&mut Function, StmtId, &mut Vec<StmtId>) -> Result<()>,
    ) -> Result<Block> {
        let mut out = Vec::with_capacity(block.0.len());
        for id in block.0 {
            let inner: Vec<Block> = self.stmts[id].blocks_mut().map(std::mem::take).collect();
            let mut rewritten = Vec::with_capacity(inner.len());
            for block in inner {
                rewritten.push(self.rewrite_block(block, f)?);
            }
            for (place, block) in self.stmts[id].blocks_mut().zip(rewritten) {
                *place = block;
            }
            f(self, id, &mut out)?;
        }
        Ok(Block(out))
    }

    /// Replaces values where statements of the block, or of nested blocks, use them.
    pub fn replace_uses(&mut self, block: &Block, with: &HashMap<ValueId, ValueId>) {
        if with.is_empty() {
            return;
        }
        for id in &block.0 {
            let stmt = &mut self.stmts[*id];
            stmt.each_use_mut(&mut |value| *value = with.get(value).copied().unwrap_or(*value));
            let inner: Vec<Block> = stmt.blocks().cloned().collect();
            for block in inner {
                self.replace_uses(&block, with);
            }
        }
    }

    /// Returns an error at the position of a statement of this kernel.
    pub fn error_at(&self, stmt: StmtId, message: impl Into<String>) -> Error {
        Error::Kernel { kernel: self.name.clone(), message: message.into(), place: self.place(stmt) }
    }

    /// Returns the operation of each value defined by a `let` of the body.
    pub fn definitions(&self) -> SecondaryMap<ValueId, Option<&Op>> {
        let mut definitions = SecondaryMap::new();
        let mut blocks = vec![&self.body];
        while let Some(block) = blocks.pop() {
            for id in &block.0 {
                let stmt = &self.stmts[*id];
                if let Stmt::Let { value, op } = stmt {
                    definitions[*value] = Some(op);
                }
                blocks.extend(stmt.blocks());
            }
        }
        definitions
    }
}

/// Copies blocks with fresh values, variables and loops.
#[derive(Default)]
pub struct Copier {
    /// Maps values of the original to the copy; may be filled beforehand.
    pub values: HashMap<ValueId, ValueId>,
    vars: HashMap<VarId, VarId>,
    loops: HashMap<LoopId, LoopId>,
}

impl Copier {
    /// Copies a block.
    pub fn block(&mut self, function: &mut Function, block: &Block) -> Block {
        Block(block.0.iter().map(|id| self.stmt(function, *id)).collect())
    }

    fn stmt(&mut self, function: &mut Function, id: StmtId) -> StmtId {
        let mut stmt = function.stmts[id].clone();
        stmt.each_use_mut(&mut |value| *value = self.values.get(value).copied().unwrap_or(*value));
        stmt.each_mention_mut(&mut |mention| {
            let MentionMut::Define(value) = mention else { return };
            let copy = function.values[*value].clone();
            let new = function.values.push(copy);
            self.values.insert(*value, new);
            *value = new;
        });
        match &mut stmt {
            Stmt::Declare { var, .. } => {
                let copy = function.vars[*var].clone();
                let new = function.vars.push(copy);
                self.vars.insert(*var, new);
                *var = new;
            }
            Stmt::Assign { var, .. } | Stmt::Let { op: Op::Read(var), .. } => {
                *var = self.vars.get(var).copied().unwrap_or(*var);
            }
            Stmt::For { label, .. } | Stmt::ForTask { label, .. } | Stmt::Loop { label, .. } => {
                let copy: Loop = function.loops[*label].clone();
                let new = function.loops.push(copy);
                self.loops.insert(*label, new);
                *label = new;
            }
            Stmt::Break(label) | Stmt::Continue(label) => {
                *label = self.loops.get(label).copied().unwrap_or(*label);
            }
            _ => {}
        }
        for block in stmt.blocks_mut() {
            let original = std::mem::take(block);
            *block = self.block(function, &original);
        }
        function.new_stmt(stmt, function.spans[id])
    }
}

/// Returns true for each jump of the block that targets a loop: `break` (first) and `continue` (second).
pub fn jumps(function: &Function, block: &Block, label: LoopId) -> (bool, bool) {
    let mut found = (false, false);
    function.each_stmt_in(block, &mut |_, stmt| match stmt {
        Stmt::Break(target) if *target == label => found.0 = true,
        Stmt::Continue(target) if *target == label => found.1 = true,
        _ => {}
    });
    found
}
