//! Lowers loops over task mappings to ordinary loops.
//!
//! Precondition: a valid function. Postcondition: no `ForTask`.
//!
//! [`Mapping::nest`] is the formula: what the worker alone decides is computed once, and every loop adds its index times
//! a stride. `for i in repeat(4) * spatial(32) on w { body }` becomes
//!
//! ```text
//! if w >= 0 && w < 32 { for r in 0 .. 4 { let i = w + r * 32; body } }
//! ```
//!
//! The guard is needed: without it a worker beyond the last would repeat the tasks of others, and a worker before the
//! first would leave the task domain. A later pass removes the parts of the guard that the bounds of the worker imply.
//! The tasks of a custom function become a loop in which the index selects each coordinate; the loop is marked for
//! unrolling, which removes the selection.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::walk::jumps;
use crate::ir::{Block, CompareOp, Function, LoopId, Mapping, Op, Span, Stmt, StmtId, Unroll, ValueId};
use crate::types::{Const, Type};
use std::collections::HashMap;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    function.rewrite(&mut |function, id, out| {
        if !matches!(function.stmts[id], Stmt::ForTask { .. }) {
            out.push(id);
            return Ok(());
        }
        let stmt = std::mem::replace(&mut function.stmts[id], Stmt::Return);
        let span = function.spans[id];
        if let Stmt::ForTask { label, mapping, worker, task, body } = stmt {
            if let Err(error) = mapping.check() {
                return Err(function.error_at(id, error.to_string()));
            }
            Lowering { function, span, levels: Vec::new() }.lower(label, &mapping, worker, &task, body, out);
        }
        Ok(())
    })
}

struct Lowering<'a> {
    function: &'a mut Function,
    span: Span,
    /// The open loops, outermost first.
    levels: Vec<Level>,
}

/// A loop under construction: the statements before it in its block, and its parts.
struct Level {
    before: Vec<StmtId>,
    index: ValueId,
    trips: ValueId,
    unroll: Unroll,
}

impl Lowering<'_> {
    fn lower(
        mut self,
        label: LoopId,
        mapping: &Mapping,
        worker: ValueId,
        task: &[ValueId],
        body: Block,
        out: &mut Vec<StmtId>,
    ) {
        let mut emit = self.emit(out);
        let total = mapping.workers_value(&mut emit, &mut |_, extent| IntValue::Value(extent));
        let first = emit.compare(CompareOp::Ge, IntValue::Value(worker), IntValue::Const(0));
        let last = emit.compare(CompareOp::Lt, IntValue::Value(worker), total);
        let guard = emit.both(first, last);

        let mut block = Vec::new();
        let nest = mapping
            .nest(&mut self.emit(&mut block), &IntValue::Value(worker), &mut |_, extent| IntValue::Value(extent));
        let mut coordinates = nest.base;
        for inner in &nest.loops {
            let trips = self.emit(&mut block).value(inner.extent);
            let index = self.function.new_value(Type::I32, "");
            let before = std::mem::take(&mut block);
            self.levels.push(Level { before, index, trips, unroll: inner.unroll });
            coordinates = inner.enter(&mut self.emit(&mut block), &coordinates, &IntValue::Value(index), &mut choose);
        }
        let mut replaced = HashMap::new();
        for (value, coordinate) in task.iter().zip(coordinates) {
            let coordinate = self.emit(&mut block).value(coordinate.unwrap_or(IntValue::Const(0)));
            if self.function.values[coordinate].name.is_empty() {
                self.function.values[coordinate].name = self.function.values[*value].name.clone();
            }
            replaced.insert(*value, coordinate);
        }
        self.function.replace_uses(&body, &replaced);
        self.close(label, block, body, guard, out);
    }

    fn emit<'b>(&'b mut self, block: &'b mut Vec<StmtId>) -> Emitter<'b> {
        Emitter::new(self.function, block, self.span)
    }

    /// Closes the loops, innermost first, and puts the guard around them.
    fn close(
        mut self,
        label: LoopId,
        mut block: Vec<StmtId>,
        body: Block,
        guard: Result<ValueId, bool>,
        out: &mut Vec<StmtId>,
    ) {
        let span = self.span;
        block.extend(body.0);
        let levels = std::mem::take(&mut self.levels);
        let whole = Block(block);
        let (breaks, continues) = jumps(self.function, &whole, label);
        block = whole.0;
        // `continue` belongs to the innermost loop, `break` to the outermost.
        let outermost = if levels.len() > 1 {
            let copy = self.function.loops[label].clone();
            let outer = self.function.loops.push(copy);
            if breaks {
                retarget(self.function, &block, label, outer);
            }
            outer
        } else {
            label
        };
        if levels.is_empty() && (breaks || continues) {
            // With a single task, both jumps leave it, as its end does.
            retarget_continue(self.function, &block, label);
            block.push(self.function.new_stmt(Stmt::Break(label), span));
            block = vec![self.function.new_stmt(Stmt::Loop { label, body: Block(block) }, span)];
        }
        let innermost = levels.len().saturating_sub(1);
        for (position, level) in levels.into_iter().enumerate().rev() {
            let label = match position {
                _ if position == innermost => {
                    if innermost == 0 {
                        outermost
                    } else {
                        label
                    }
                }
                0 => outermost,
                _ => self.function.loops.push(Default::default()),
            };
            let mut before = level.before;
            let mut emit = Emitter::new(self.function, &mut before, span);
            let (start, step) = (emit.value(IntValue::Const(0)), emit.value(IntValue::Const(1)));
            let (index, end, unroll) = (level.index, level.trips, level.unroll);
            emit.push(Stmt::For { label, index, start, end, inclusive: false, step, unroll, body: Block(block) });
            block = before;
        }
        let mut emit = Emitter::new(self.function, out, span);
        let cond = match guard {
            Ok(cond) => cond,
            Err(known) => emit.constant_value(Const::bool(known)),
        };
        emit.push(Stmt::If { cond, then: Block(block), otherwise: Block::default() });
    }
}

/// Emits the selection of an item by the index of a loop.
fn choose(emit: &mut Emitter<'_>, index: &IntValue, items: Vec<IntValue>) -> IntValue {
    let mut items = items.into_iter();
    let first = items.next().unwrap_or(IntValue::Const(0));
    items.enumerate().fold(first, |chosen, (number, item)| {
        let (chosen, item) = (emit.value(chosen), emit.value(item));
        match emit.compare(CompareOp::Eq, *index, IntValue::Const(number as i64 + 1)) {
            Ok(this) => IntValue::Value(emit.emit(Type::I32, Op::Select(this, item, chosen))),
            Err(this) => IntValue::Value(if this { item } else { chosen }),
        }
    })
}

/// Redirects every `break` of a loop to another loop.
fn retarget(function: &mut Function, block: &[StmtId], from: LoopId, to: LoopId) {
    replace(function, block, &|stmt| if *stmt == Stmt::Break(from) { Some(Stmt::Break(to)) } else { None });
}

/// Replaces every `continue` of a loop by a `break`.
fn retarget_continue(function: &mut Function, block: &[StmtId], label: LoopId) {
    replace(function, block, &|stmt| if *stmt == Stmt::Continue(label) { Some(Stmt::Break(label)) } else { None });
}

fn replace(function: &mut Function, block: &[StmtId], with: &dyn Fn(&Stmt) -> Option<Stmt>) {
    let mut found = Vec::new();
    function.each_stmt_in(&Block(block.to_vec()), &mut |id, stmt| {
        if let Some(new) = with(stmt) {
            found.push((id, new));
        }
    });
    for (id, new) in found {
        function.stmts[id] = new;
    }
}
