//! Where each value is used last, so that its registers can be used again.
//!
//! Control flow is structured, so a value lives from its definition to the last statement of the same block that uses
//! it, itself or in a block nested in it. A part of a vector and a reinterpretation share the registers of their
//! operand, which then lives as long as they do.

use crate::ir::{Arg, AsmOperand, Block, Extent, Function, Handle, MappingAtom, Op, PrintPiece, Stmt, StmtId, ValueId};
use std::collections::HashMap;

/// The result.
#[derive(Default)]
pub struct Liveness {
    /// The values that die after a statement.
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
    /// The value whose registers a value shares.
    owner: Vec<ValueId>,
    /// The block of a value's definition.
    home: Vec<Option<u32>>,
    last: Vec<Option<StmtId>>,
    blocks: u32,
}

impl Walk<'_> {
    /// Gives the values used in the block and defined outside of it.
    fn block(&mut self, block: &Block) -> Vec<ValueId> {
        self.blocks += 1;
        let number = self.blocks;
        let mut outer = Vec::new();
        for id in &block.0 {
            let stmt = &self.function.stmts[*id];
            let mut used = Vec::new();
            uses(stmt, &mut |value| used.push(value));
            for nested in nested(stmt) {
                used.extend(self.block(nested));
            }
            if let Stmt::Let { value, op } = stmt {
                if let Op::Extract(of, _) | Op::Bitcast(of) = op {
                    if shares(self.function, op, *value) {
                        self.owner[value.index()] = self.owner[of.index()];
                    }
                }
            }
            defines(stmt, &mut |value| {
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

/// Whether a value lies in the registers of its operand.
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

/// The blocks of a statement.
pub fn nested(stmt: &Stmt) -> impl Iterator<Item = &Block> {
    let (first, second) = match stmt {
        Stmt::If { then, otherwise, .. } => (Some(then), Some(otherwise)),
        Stmt::For { body, .. } | Stmt::ForTask { body, .. } | Stmt::Loop { body, .. } | Stmt::Group { body, .. } => {
            (Some(body), None)
        }
        _ => (None, None),
    };
    first.into_iter().chain(second)
}

fn defines(stmt: &Stmt, f: &mut impl FnMut(ValueId)) {
    match stmt {
        Stmt::Let { value, .. } => f(*value),
        Stmt::For { index, .. } => f(*index),
        Stmt::ForTask { task, .. } => task.iter().copied().for_each(f),
        Stmt::Call { result: Some(result), .. } => f(*result),
        Stmt::Asm { operands, .. } => operands.iter().for_each(|operand| {
            if let AsmOperand::Out(value) = operand {
                f(*value);
            }
        }),
        _ => {}
    }
}

/// The values a statement itself uses, not the blocks in it.
fn uses(stmt: &Stmt, f: &mut impl FnMut(ValueId)) {
    match stmt {
        Stmt::Let { op, .. } => op.each_operand(f),
        Stmt::Declare { init, .. } => init.iter().copied().for_each(f),
        Stmt::Assign { value, .. } => f(*value),
        Stmt::Store { index, value, .. } => {
            index.iter().copied().for_each(&mut *f);
            f(*value);
        }
        Stmt::If { cond, .. } | Stmt::Assert { cond, .. } => f(*cond),
        Stmt::For { start, end, step, .. } => [*start, *end, *step].into_iter().for_each(f),
        Stmt::ForTask { mapping, worker, .. } => {
            f(*worker);
            for atom in &mapping.atoms {
                if let MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } = atom {
                    for extent in shape {
                        if let Extent::Value(value) = extent {
                            f(*value);
                        }
                    }
                }
            }
        }
        Stmt::Call { args, .. } => {
            for arg in args {
                match arg {
                    Arg::Value(value) => f(*value),
                    Arg::Address { index, .. } => index.iter().copied().for_each(&mut *f),
                    Arg::Imm(_) | Arg::Map(_) => {}
                }
            }
        }
        Stmt::Check { index, .. } | Stmt::Align { index, .. } => index.iter().copied().for_each(f),
        Stmt::Print { pieces } => {
            for piece in pieces {
                if let PrintPiece::Value { value, .. } = piece {
                    f(*value);
                }
            }
        }
        Stmt::Asm { operands, .. } => {
            for operand in operands {
                match operand {
                    AsmOperand::In(value) => f(*value),
                    AsmOperand::Out(_) => {}
                    AsmOperand::Address { index, .. } => index.iter().copied().for_each(&mut *f),
                }
            }
        }
        Stmt::Loop { .. } | Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return | Stmt::Group { .. } => {}
    }
}
