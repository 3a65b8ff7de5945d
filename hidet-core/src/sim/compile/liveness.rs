//! The last use of each value, so that its registers can be reused.
//!
//! Control flow is structured, so a value lives from its definition to the last statement of the same block that uses
//! it, directly or in a nested block. A part of a vector and a bitcast share the registers of their operand, which then
//! lives as long as they do.

use crate::ir::{Block, Function, Handle, Op, Stmt, StmtId, ValueId};
use std::collections::HashMap;

/// The result of the analysis.
#[derive(Default)]
pub struct Liveness {
    /// By statement: the values whose last use it is.
    dying: HashMap<StmtId, Vec<ValueId>>,
}

impl Liveness {
    pub fn of(function: &Function) -> Liveness {
        let mut walk = Walk {
            function,
            owner: function.values.handles().collect(),
            home: vec![None; function.values.len()],
            last: vec![None; function.values.len()],
            blocks: 0,
        };
        walk.block(&function.body);
        let mut dying: HashMap<StmtId, Vec<ValueId>> = HashMap::new();
        for (index, last) in walk.last.iter().enumerate() {
            if let Some(stmt) = last {
                dying.entry(*stmt).or_default().push(ValueId::new(index));
            }
        }
        Liveness { dying }
    }

    pub fn dying(&self, stmt: StmtId) -> &[ValueId] {
        self.dying.get(&stmt).map_or(&[], Vec::as_slice)
    }
}

struct Walk<'a> {
    function: &'a Function,
    /// By value: the value whose registers it shares.
    owner: Vec<ValueId>,
    /// By value: the block of its definition.
    home: Vec<Option<u32>>,
    last: Vec<Option<StmtId>>,
    blocks: u32,
}

impl Walk<'_> {
    /// Returns the values used in the block and defined outside of it.
    fn block(&mut self, block: &Block) -> Vec<ValueId> {
        self.blocks += 1;
        let number = self.blocks;
        let mut outer = Vec::new();
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            let mut used = Vec::new();
            stmt.each_use(&mut |value| used.push(value));
            for nested in stmt.blocks() {
                used.extend(self.block(nested));
            }
            if let Stmt::Let { value, op } = stmt {
                if let Op::Extract(of, _) | Op::Bitcast(of) = op {
                    if shares(self.function, op, *value) {
                        self.owner[value.index()] = self.owner[of.index()];
                    }
                }
            }
            stmt.each_definition(&mut |value| {
                self.home[value.index()] = Some(number);
                self.last[value.index()] = Some(*id);
            });
            for value in used {
                let value = self.owner[value.index()];
                if self.home[value.index()] == Some(number) {
                    self.last[value.index()] = Some(*id);
                } else {
                    outer.push(value);
                }
            }
        }
        outer
    }
}

/// Returns true if a value shares the registers of its operand.
pub fn shares(function: &Function, op: &Op, value: ValueId) -> bool {
    match op {
        Op::Extract(..) => true,
        Op::Bitcast(of) => {
            let (from, to) = (function.ty(*of), function.ty(value));
            from.lanes == to.lanes && from.scalar.bytes() == to.scalar.bytes()
        }
        _ => false,
    }
}
