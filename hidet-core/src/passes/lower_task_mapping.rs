//! Loops over task mappings become ordinary loops.
//!
//! Precondition: a valid function. Postcondition: no `ForTask`.
//!
//! A worker has a digit for every atom, outermost first: `worker / inner % own`, where `inner` is the number of workers
//! of the atoms within. A spatial atom turns its digit into one coordinate an axis, a repeat into loops, a custom atom
//! into the coordinates that its formulas give. A coordinate of the task is `((c0 * d1 + c1) * d2 + c2) ..` over the
//! atoms' coordinates `ci` and extents `di`. `for i in repeat(4) * spatial(32) on w { body }` becomes
//!
//! ```text
//! if w < 32 { for r in 0 .. 4 { let i = r * 32 + w; body } }
//! ```
//!
//! The guard is needed: without it a worker beyond the last would redo the tasks of others. A later pass drops it where
//! the bounds of the worker prove it.

use super::Options;
use crate::error::Result;
use crate::ir::emit::{Emitter, Int};
use crate::ir::walk::jumps;
use crate::ir::{
    Block, CompareOp, Extent, Function, LoopId, Mapping, MappingAtom, Op, Span, Stmt, StmtId, Unroll, ValueId,
};
use crate::types::Type;
use hidet_mapping::{Arith, IndexExpr};
use std::collections::HashMap;

pub(super) fn run(function: &mut Function, _: &Options) -> Result<()> {
    function.rewrite(&mut |function, id, out| {
        if !matches!(function.stmts[id], Stmt::ForTask { .. }) {
            out.push(id);
            return Ok(());
        }
        let stmt = std::mem::replace(&mut function.stmts[id], Stmt::Return);
        let span = function.spans[id];
        if let Stmt::ForTask { label, mapping, worker, task, body } = stmt {
            let loops = Lowering { function, span, stmt: id, mapping: &mapping, levels: Vec::new() };
            loops.lower(label, worker, &task, body, out)?;
        }
        Ok(())
    })
}

/// What is left of an atom once its loops are open: a coordinate an axis.
struct Lowering<'a> {
    function: &'a mut Function,
    span: Span,
    stmt: StmtId,
    mapping: &'a Mapping,
    /// The loops opened, outermost first, and the statements before each.
    levels: Vec<Level>,
}

/// A loop to be made: what stands before it in its block, and its parts.
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
        worker: ValueId,
        task: &[ValueId],
        body: Block,
        out: &mut Vec<StmtId>,
    ) -> Result<()> {
        let rank = task.len();
        let mut block = Vec::new();
        let workers: Vec<Int> = self.mapping.atoms.iter().map(|atom| self.workers(atom, &mut block)).collect();
        let mut total = Int::Const(1);
        // How many workers the atoms within each atom have.
        let mut inner = vec![Int::Const(1); workers.len()];
        for (position, own) in workers.iter().enumerate().rev() {
            inner[position] = total;
            total = self.emit(&mut block).mul(own, &total);
        }
        let guard = {
            let mut emit = self.emit(&mut block);
            let worker = emit.convert(worker);
            emit.compare(CompareOp::Lt, worker, total)
        };
        out.append(&mut block);

        let mut coordinates = vec![Int::Const(0); rank];
        for (position, atom) in self.mapping.atoms.iter().enumerate() {
            let digit = {
                let mut emit = self.emit(&mut block);
                let worker = emit.convert(worker);
                let digit = if workers[position] == Int::Const(1) {
                    Int::Const(0)
                } else {
                    emit.div(&worker, &inner[position])
                };
                // The guard bounds the outermost digit already.
                let outermost = workers[..position].iter().all(|count| *count == Int::Const(1));
                if outermost { digit } else { emit.rem(&digit, &workers[position]) }
            };
            let mut own = match atom {
                MappingAtom::Spatial { shape, ranks, .. } => self.spatial(&mut block, digit, shape, ranks),
                MappingAtom::Repeat { shape, ranks, unroll, .. } => self.repeat(&mut block, shape, ranks, unroll),
                MappingAtom::Custom { workers, shape, tasks, .. } => {
                    self.custom(&mut block, digit, *workers, shape.len(), tasks)?
                }
            };
            // A projected axis has one coordinate, whatever the loops and digits are.
            for (axis, coordinate) in own.iter_mut().enumerate() {
                if atom.projected().get(axis) == Some(&true) {
                    *coordinate = Int::Const(0);
                }
            }
            let extents: Vec<Int> = (0..atom.rank()).map(|axis| Emitter::extent(&atom.extent(axis))).collect();
            if own.len() != rank || extents.len() != rank {
                return Err(self.function.error_at(
                    self.stmt,
                    format!("a mapping of {} axes gives tasks of {rank} coordinates", own.len()),
                ));
            }
            let mut emit = self.emit(&mut block);
            for (axis, whole) in coordinates.iter_mut().enumerate() {
                let scaled = emit.mul(whole, &extents[axis]);
                *whole = emit.add(&scaled, &own[axis]);
            }
        }
        let mut emit = self.emit(&mut block);
        let mut replaced = HashMap::new();
        for (axis, value) in task.iter().enumerate() {
            replaced.insert(*value, emit.value(coordinates[axis]));
        }
        for (value, coordinate) in &replaced {
            let name = self.function.values[*value].name.clone();
            let named = &mut self.function.values[*coordinate].name;
            if named.is_empty() {
                *named = name;
            }
        }
        self.function.replace_uses(&body, &replaced);
        self.close(label, block, body, guard, out);
        Ok(())
    }

    fn emit<'b>(&'b mut self, block: &'b mut Vec<StmtId>) -> Emitter<'b> {
        Emitter::new(self.function, block, self.span)
    }

    fn workers(&mut self, atom: &MappingAtom, block: &mut Vec<StmtId>) -> Int {
        match atom {
            MappingAtom::Repeat { .. } => Int::Const(1),
            MappingAtom::Custom { workers, .. } => Int::Const(i64::from(*workers)),
            MappingAtom::Spatial { shape, .. } => {
                let mut emit = self.emit(block);
                shape.iter().fold(Int::Const(1), |product, extent| emit.mul(&product, &Emitter::extent(extent)))
            }
        }
    }

    /// The digit in the mixed base of the extents, the axis of highest rank varying fastest.
    fn spatial(&mut self, block: &mut Vec<StmtId>, digit: Int, shape: &[Extent], ranks: &[u8]) -> Vec<Int> {
        let mut emit = self.emit(block);
        let mut own = vec![Int::Const(0); shape.len()];
        let mut rest = digit;
        let order = by_rank(ranks);
        for (position, axis) in order.iter().enumerate().rev() {
            let extent = Emitter::extent(&shape[*axis]);
            // The digit is within the product of the extents, so the slowest coordinate needs no remainder.
            let slowest = order[..position].iter().all(|axis| shape[*axis] == Extent::Const(1));
            own[*axis] = match extent {
                Int::Const(1) => Int::Const(0),
                _ if slowest => rest,
                _ => emit.rem(&rest, &extent),
            };
            if !slowest {
                rest = emit.div(&rest, &extent);
            }
        }
        own
    }

    /// Loops, the axis of rank 0 outermost.
    fn repeat(&mut self, block: &mut Vec<StmtId>, shape: &[Extent], ranks: &[u8], unroll: &[Unroll]) -> Vec<Int> {
        let mut own = vec![Int::Const(0); shape.len()];
        for axis in by_rank(ranks) {
            if shape[axis] == Extent::Const(1) {
                continue;
            }
            let trips = Emitter::extent(&shape[axis]);
            own[axis] = self.open(block, trips, unroll.get(axis).copied().unwrap_or_default());
        }
        own
    }

    /// Opens a loop; what follows goes into its body.
    fn open(&mut self, block: &mut Vec<StmtId>, trips: Int, unroll: Unroll) -> Int {
        let trips = self.emit(block).value(trips);
        let index = self.function.new_value(Type::I32, "");
        self.levels.push(Level { before: std::mem::take(block), index, trips, unroll });
        Int::Value(index)
    }

    /// The coordinates that the formulas give for the worker: those of the only task, or chosen by a loop.
    fn custom(
        &mut self,
        block: &mut Vec<StmtId>,
        digit: Int,
        workers: u32,
        rank: usize,
        tasks: &[Vec<IndexExpr>],
    ) -> Result<Vec<Int>> {
        let symbols = [digit];
        let [first, rest @ ..] = tasks else {
            // No task at all: a loop of no turns.
            self.open(block, Int::Const(0), Unroll::Auto);
            return Ok(vec![Int::Const(0); rank]);
        };
        if tasks.iter().any(|task| task.len() != rank) {
            return Err(self.function.error_at(self.stmt, format!("a custom mapping of {rank} axes with other tasks")));
        }
        let turn = if rest.is_empty() {
            Int::Const(0)
        } else {
            let unroll = if tasks.len() <= 16 { Unroll::Full } else { Unroll::Auto };
            self.open(block, Int::Const(tasks.len() as i64), unroll)
        };
        let mut own = Vec::with_capacity(rank);
        for (axis, formula) in first.iter().enumerate() {
            let mut emit = self.emit(block).with_symbols(&symbols);
            let mut chosen = emit.index(formula);
            if let Some(step) = common_step(tasks, axis, workers) {
                let moved = emit.mul(&turn, &Int::Const(step));
                chosen = emit.add(&chosen, &moved);
            } else {
                for (number, task) in rest.iter().enumerate() {
                    let other = emit.index(&task[axis]);
                    let other = emit.value(other);
                    let before = emit.value(chosen);
                    let number = emit.value(Int::Const(number as i64 + 1));
                    let turn = emit.value(turn);
                    let this = emit.emit(Type::BOOL, Op::Compare(CompareOp::Eq, turn, number));
                    chosen = Int::Value(emit.emit(Type::I32, Op::Select(this, other, before)));
                }
            }
            own.push(chosen);
        }
        Ok(own)
    }

    /// Closes the loops, innermost first, and puts the guard around.
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
            // One task: both jumps leave it, as does its end.
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
            let (start, step) = (emit.value(Int::Const(0)), emit.value(Int::Const(1)));
            let (index, end, unroll) = (level.index, level.trips, level.unroll);
            emit.push(Stmt::For { label, index, start, end, step, unroll, body: Block(block) });
            block = before;
        }
        let mut emit = Emitter::new(self.function, out, span);
        let cond = match guard {
            Ok(cond) => cond,
            Err(known) => emit.constant_value(crate::types::Const::bool(known)),
        };
        emit.push(Stmt::If { cond, then: Block(block), otherwise: Block::default() });
    }
}

/// The axes in order of rank.
fn by_rank(ranks: &[u8]) -> Vec<usize> {
    let mut axes: Vec<usize> = (0..ranks.len()).collect();
    axes.sort_by_key(|axis| ranks[*axis]);
    axes
}

/// How far a coordinate moves from each task to the next, where that is the same for all tasks and workers.
fn common_step(tasks: &[Vec<IndexExpr>], axis: usize, workers: u32) -> Option<i64> {
    if tasks.len() == 1 {
        return Some(0);
    }
    let mut common = None;
    for worker in 0..i64::from(workers.min(1 << 16)) {
        for pair in tasks.windows(2) {
            let step = pair[1][axis].eval(&[worker]).ok()? - pair[0][axis].eval(&[worker]).ok()?;
            if *common.get_or_insert(step) != step {
                return None;
            }
        }
    }
    if workers <= 1 << 16 { common } else { None }
}

/// Lets every `break` of a loop leave another one.
fn retarget(function: &mut Function, block: &[StmtId], from: LoopId, to: LoopId) {
    replace(function, block, &|stmt| if *stmt == Stmt::Break(from) { Some(Stmt::Break(to)) } else { None });
}

/// Lets every `continue` of a loop leave it.
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
