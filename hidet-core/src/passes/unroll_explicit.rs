//! Unrolls loops that are marked for explicit unrolling.
//!
//! Precondition: no `ForTask`. Postcondition: no loop with `Unroll::Explicit`, or an error if a trip count is not
//! known.
//!
//! `for i in 0 .. 2 explicit { f(i) }` becomes `f(0) f(1)`. If the body jumps, each copy is wrapped in a loop that runs
//! once, so that `continue` leaves the copy; `break` leaves a loop around all copies.

use super::LoweringOptions;
use super::fold::{fold, int};
use crate::error::Result;
use crate::ir::walk::{Copier, jumps};
use crate::ir::{Block, Function, LoopId, Op, Stmt, StmtId, Unroll, ValueId};
use crate::types::Const;
use std::collections::HashMap;

/// Maximum trip count; a larger one is considered a mistake.
pub(super) const MAX_TRIP_COUNT: i128 = 4096;
/// Maximum number of statements into which a loop, with those inside of it, is unrolled.
const MAX_STATEMENTS: usize = 1 << 19;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    let body = std::mem::take(&mut function.body);
    function.body = Unrolling { function, known: HashMap::new(), most: None }.block(body)?;
    Ok(())
}

struct Unrolling<'a> {
    function: &'a mut Function,
    /// The values that are constants so far.
    known: HashMap<ValueId, Const>,
    /// Maximum number of statements of the function after unrolling the outermost loop.
    most: Option<usize>,
}

impl Unrolling<'_> {
    fn block(&mut self, block: Block) -> Result<Block> {
        let mut out = Vec::with_capacity(block.0.len());
        for id in block.0 {
            match &self.function.stmts[id] {
                Stmt::Let { value, op } => {
                    let constant = fold(op, self.function.ty(*value), &|value| self.known.get(&value).copied());
                    if let Some(constant) = constant {
                        self.known.insert(*value, constant);
                    }
                    out.push(id);
                }
                Stmt::For { unroll: Unroll::Explicit, .. } => self.unroll(id, &mut out)?,
                _ => {
                    let inner: Vec<Block> = self.function.stmts[id].blocks_mut().map(std::mem::take).collect();
                    let mut unrolled = Vec::with_capacity(inner.len());
                    for block in inner {
                        unrolled.push(self.block(block)?);
                    }
                    for (place, block) in self.function.stmts[id].blocks_mut().zip(unrolled) {
                        *place = block;
                    }
                    out.push(id);
                }
            }
        }
        Ok(Block(out))
    }

    fn unroll(&mut self, id: StmtId, out: &mut Vec<StmtId>) -> Result<()> {
        let Stmt::For { label, index, start, end, inclusive, step, body, .. } = self.function.stmts[id].clone() else {
            out.push(id);
            return Ok(());
        };
        let number = |value| self.known.get(&value).copied().and_then(int);
        let (Some(start), Some(end), Some(step)) = (number(start), number(end), number(step)) else {
            return Err(self.function.error_at(
                id,
                "this loop cannot be unrolled: its trip count is not constant; give it constant bounds or \
                 leave the unrolling to the device's compiler",
            ));
        };
        let end = end + i128::from(inclusive);
        let too_much = |function: &Function| {
            let most = format!(
                "at most {MAX_TRIP_COUNT} iterations, and {MAX_STATEMENTS} statements with the loops around it"
            );
            function.error_at(id, format!("a loop from {start} to {end} by {step} cannot be unrolled ({most})"))
        };
        if step <= 0 || end - start > step * MAX_TRIP_COUNT {
            return Err(too_much(self.function));
        }
        let outer = self.most;
        let most = *self.most.get_or_insert(self.function.stmts.len() + MAX_STATEMENTS);
        let span = self.function.spans[id];
        let (breaks, continues) = jumps(self.function, &body, label);
        let body = if continues { self.leave_by_continue(body, label, id) } else { body };
        let ty = self.function.ty(index);
        let mut copies = Vec::new();
        let mut turn = start;
        while turn < end {
            let constant = Const::int(ty.scalar, turn as i64);
            let name = self.function.values[index].name.clone();
            let value = self.function.new_value(ty, name);
            copies.push(self.function.new_stmt(Stmt::Let { value, op: Op::Const(constant) }, span));
            self.known.insert(value, constant);
            let mut copier = Copier::default();
            copier.values.insert(index, value);
            let copy = copier.block(self.function, &body);
            copies.extend(self.block(copy)?.0);
            if self.function.stmts.len() > most {
                return Err(too_much(self.function));
            }
            turn += step;
        }
        self.most = outer;
        if breaks {
            copies.push(self.function.new_stmt(Stmt::Break(label), span));
            out.push(self.function.new_stmt(Stmt::Loop { label, body: Block(copies) }, span));
        } else {
            out.extend(copies);
        }
        Ok(())
    }

    /// Returns the body in a loop that runs once, which `continue` leaves.
    fn leave_by_continue(&mut self, body: Block, label: LoopId, id: StmtId) -> Block {
        let span = self.function.spans[id];
        let once = self.function.loops.push(Default::default());
        let mut found = Vec::new();
        self.function.each_stmt_in(&body, &mut |id, stmt| {
            if *stmt == Stmt::Continue(label) {
                found.push(id);
            }
        });
        for id in found {
            self.function.stmts[id] = Stmt::Break(once);
        }
        let mut body = body;
        body.0.push(self.function.new_stmt(Stmt::Break(once), span));
        Block(vec![self.function.new_stmt(Stmt::Loop { label: once, body }, span)])
    }
}
