//! Statements and control flow.
//!
//! Jumps refer to labels until [`Compiler::resolve`] replaces them by positions. A uniform branch is a plain jump. A
//! divergent branch names the position where lanes reconverge; so does a loop whose lanes can leave, or start the next
//! iteration, at different times.

use super::operation::Scalars;
use super::{Compiler, Result, TypedSrc};
use crate::ir::eval::int_range;
use crate::ir::{BinaryOp, Block, CompareOp, LoopId, PrintPiece, Stmt, StmtId, ValueId};
use crate::sim::bytecode::{Inst, Print, Src, slot};
use crate::types::{Const, Scalar};

/// A position in the code that may not be known yet.
pub(super) type Label = u32;

/// A loop as a target of jumps.
struct Target {
    label: LoopId,
    /// The target of `break`, and true if lanes reconverge there.
    exit: (Label, bool),
    /// The target of `continue`, likewise.
    latch: (Label, bool),
}

/// Labels and the loops around the statement being compiled.
#[derive(Default)]
pub(super) struct Targets {
    labels: Vec<u32>,
    loops: Vec<Target>,
}

impl<'a> Compiler<'a> {
    pub(super) fn label(&mut self) -> Label {
        self.targets.labels.push(u32::MAX);
        self.targets.labels.len() as u32 - 1
    }

    /// Binds the label to the next instruction.
    pub(super) fn bind(&mut self, label: Label) {
        let here = self.here();
        self.targets.labels[label as usize] = here;
    }

    /// Replaces labels by positions.
    pub(super) fn resolve(&mut self) {
        let labels = &self.targets.labels;
        let at = |label: &mut u32| *label = labels[*label as usize];
        for inst in &mut self.program.code {
            match inst {
                Inst::Jump { to } | Inst::Branch { to, .. } | Inst::Again { to } => at(to),
                Inst::Diverge { otherwise, merge, .. } => {
                    at(otherwise);
                    at(merge);
                }
                Inst::Enter { merge } | Inst::LeaveUnless { merge, .. } | Inst::Leave { merge } => at(merge),
                _ => {}
            }
        }
    }

    pub(super) fn block(&mut self, block: &'a Block) -> Result<()> {
        let around = self.current.replace(block);
        let mut declared = Vec::new();
        for id in &block.0 {
            self.at = *id;
            let mark = self.temps.len();
            let stmt = &self.function.stmts[*id];
            self.stmt(stmt)?;
            self.at = *id;
            while self.temps.len() > mark {
                if let Some(temp) = self.temps.pop() {
                    self.release(temp);
                }
            }
            if let Stmt::Declare { var, .. } = stmt {
                declared.push(*var);
            }
            self.end_values(*id);
        }
        for var in declared {
            let operand = self.var(var)?;
            self.release((operand.src, self.block_of(operand)));
        }
        self.current = around;
        Ok(())
    }

    fn end_values(&mut self, stmt: StmtId) {
        use crate::ir::Handle;
        let dying: Vec<ValueId> = self.liveness.dying(stmt).to_vec();
        for value in dying {
            if let Some(taken) = self.owned[value.index()].take() {
                self.release(taken);
            }
        }
    }

    fn stmt(&mut self, stmt: &'a Stmt) -> Result<()> {
        use crate::ir::Handle;
        match stmt {
            Stmt::Let { value, op } => self.let_value(*value, op),
            Stmt::Declare { var, init } => {
                let ty = self.function.vars[*var].ty;
                let init = init.map(|init| self.value(init)).transpose()?;
                let (src, _) = self.fresh(self.uniform.var(*var), ty.scalar, ty.lanes as u32);
                let operand = TypedSrc { src, ty };
                self.vars[var.index()] = Some(operand);
                if let Some(init) = init {
                    self.pending += 1;
                    self.copy_all(operand, init);
                }
                Ok(())
            }
            Stmt::Assign { var, value } => {
                let (to, from) = (self.var(*var)?, self.value(*value)?);
                self.pending += 1;
                if to.src != from.src {
                    self.copy_all(to, from);
                }
                Ok(())
            }
            Stmt::Store { buffer, index, value, guard } => {
                self.pending += 1;
                self.store(*buffer, index, *value, *guard)
            }
            Stmt::If { cond, then, otherwise } => {
                let cond = self.value(*cond)?;
                self.branch(cond.src, then, otherwise)
            }
            Stmt::For { label, index, start, end, inclusive, step, body, .. } => {
                self.counted(*label, *index, [*start, *end, *step], *inclusive, body)
            }
            Stmt::ForTask { label, mapping, worker, task, body } => self.for_task(*label, mapping, *worker, task, body),
            Stmt::Loop { label, body } => {
                self.flush();
                let (exit, head) = (self.label(), self.label());
                let shape = self.uniform.shape(*label);
                if shape.exits {
                    self.emit(Inst::Enter { merge: exit });
                }
                self.bind(head);
                let latch = self.label();
                self.repeated(*label, (exit, shape.exits), (latch, shape.continues), body)?;
                self.emit(Inst::Again { to: head });
                self.reconverge(exit, shape.exits);
                Ok(())
            }
            Stmt::Break(label) => self.jump(*label, true),
            Stmt::Continue(label) => self.jump(*label, false),
            Stmt::Return => {
                self.flush();
                let site = self.site(None, "returns");
                self.emit(Inst::Exit { site });
                Ok(())
            }
            Stmt::Group { first, threads, body } => {
                // A group consists of whole warps, so the number of the warp decides.
                let (low, high) = (self.constant((*first / 32) as u64), self.constant(((first + threads) / 32) as u64));
                let warp = (Src::scalar(slot::WARP), Scalar::I32);
                let above = self.apply(Scalars::Compare(CompareOp::Ge), &[warp, (low, Scalar::I32)], Scalar::Bool);
                let below = self.apply(Scalars::Compare(CompareOp::Lt), &[warp, (high, Scalar::I32)], Scalar::Bool);
                self.flush();
                let end = self.label();
                self.emit(Inst::Branch { cond: above, to: end });
                self.emit(Inst::Branch { cond: below, to: end });
                self.block(body)?;
                self.flush();
                self.bind(end);
                Ok(())
            }
            Stmt::Call { intrinsic, args, result } => {
                self.pending += 1;
                self.call(*intrinsic, args, *result)
            }
            Stmt::Check { buffer, index, tile, shape, rows } => self.check(*buffer, index, tile, (shape, *rows)),
            Stmt::Align { buffer, index, bytes } => self.align(*buffer, index, *bytes),
            Stmt::Assert { cond, message } => {
                let cond = self.value(*cond)?.src;
                self.program.messages.push(message.clone());
                let message = self.program.messages.len() as u32 - 1;
                let site = self.site(None, "asserts");
                self.emit(Inst::Assert { cond, message, site });
                Ok(())
            }
            Stmt::Print { pieces } => {
                let piece = |piece: &PrintPiece| {
                    Ok(match piece {
                        PrintPiece::Text(_) => (piece.clone(), None),
                        PrintPiece::Value { value, .. } => {
                            let operand = self.value(*value)?;
                            (piece.clone(), Some((operand.src, operand.ty.scalar, operand.ty.lanes as u32)))
                        }
                    })
                };
                let pieces = pieces.iter().map(piece).collect::<Result<_>>()?;
                self.push_print(Print { pieces });
                Ok(())
            }
            Stmt::Asm { .. } => {
                Err(self.refuse("inline PTX is not simulated; write the operation in the language, or use a GPU"))
            }
        }
    }

    /// Binds a label where lanes reconverge if they may have diverged.
    fn reconverge(&mut self, label: Label, may: bool) {
        self.bind(label);
        if may {
            self.emit(Inst::Merge);
        }
    }

    fn branch(&mut self, cond: Src, then: &'a Block, otherwise: &'a Block) -> Result<()> {
        self.flush();
        if let Some(bits) = self.constant_of(cond) {
            self.block(if bits != 0 { then } else { otherwise })?;
            self.flush();
            return Ok(());
        }
        let end = self.label();
        let other = if otherwise.0.is_empty() { end } else { self.label() };
        let uniform = cond.is_uniform();
        if uniform {
            self.emit(Inst::Branch { cond, to: other });
        } else {
            self.emit(Inst::Diverge { cond, otherwise: other, merge: end });
        }
        self.block(then)?;
        self.flush();
        if other != end {
            self.emit(Inst::Jump { to: end });
            self.bind(other);
            self.block(otherwise)?;
            self.flush();
        }
        self.reconverge(end, !uniform);
        Ok(())
    }

    /// Compiles the body of a loop with the targets of its jumps, up to the start of the next iteration.
    fn repeated(&mut self, label: LoopId, exit: (Label, bool), latch: (Label, bool), body: &'a Block) -> Result<()> {
        if latch.1 {
            self.emit(Inst::Enter { merge: latch.0 });
        }
        self.targets.loops.push(Target { label, exit, latch });
        self.block(body)?;
        self.flush();
        self.targets.loops.pop();
        self.reconverge(latch.0, latch.1);
        Ok(())
    }

    fn counted(
        &mut self,
        label: LoopId,
        index: ValueId,
        [start, end, step]: [ValueId; 3],
        inclusive: bool,
        body: &'a Block,
    ) -> Result<()> {
        let (start, end, step) = (self.value(start)?, self.value(end)?, self.value(step)?);
        self.positive(step);
        let uniform = start.src.is_uniform() && step.src.is_uniform();
        let counter = self.define(index, uniform);
        self.copy_all(counter, start);
        self.counted_loop(label, counter, (end.src, inclusive), step.src, |_| Ok(()), body)
    }

    /// Emits a fault for a step that is not positive.
    fn positive(&mut self, step: TypedSrc) {
        if self.constant_of(step.src).is_none() {
            let operands = [(step.src, step.ty.scalar), (self.constant(0), step.ty.scalar)];
            let cond = self.apply(Scalars::Compare(CompareOp::Gt), &operands, Scalar::Bool);
            self.program.messages.push("the step of a loop must be positive".to_owned());
            let message = self.program.messages.len() as u32 - 1;
            let site = self.site(None, "counts");
            self.emit(Inst::Assert { cond, message, site });
        }
    }

    /// Returns true if constants prove that the sum of index and step of a loop never exceeds the type.
    fn steps_exactly(&self, scalar: Scalar, (end, inclusive): (Src, bool), step: Src) -> bool {
        let int = |src| self.constant_of(src).and_then(|bits| Const { scalar, bits }.as_int()).map(i128::from);
        match (int(step), int(end)) {
            (Some(1), _) if !inclusive => true,
            (Some(step), Some(end)) => end - i128::from(!inclusive) + step <= int_range(scalar).1,
            _ => false,
        }
    }

    /// Compiles a counted loop from the current value of the counter. `first` is emitted at the start of every
    /// iteration.
    pub(super) fn counted_loop(
        &mut self,
        label: LoopId,
        counter: TypedSrc,
        (end, inclusive): (Src, bool),
        step: Src,
        first: impl FnOnce(&mut Self) -> Result<()>,
        body: &'a Block,
    ) -> Result<()> {
        let scalar = counter.ty.scalar;
        self.flush();
        let shape = self.uniform.shape(label);
        let (exit, head, latch) = (self.label(), self.label(), self.label());
        let uniform = counter.src.is_uniform() && end.is_uniform();
        let may_diverge = shape.exits || !uniform;
        if may_diverge {
            self.emit(Inst::Enter { merge: exit });
        }
        // If the sum of index and step may exceed the type, the remaining distance is compared before the step is
        // added.
        let exact = self.steps_exactly(scalar, (end, inclusive), step);
        if exact {
            self.bind(head);
        }
        let more = self.temp(uniform, Scalar::Bool, 1);
        let go_on = |compiler: &mut Self| {
            compiler.emit(match may_diverge {
                true => Inst::LeaveUnless { cond: more, merge: exit },
                false => Inst::Branch { cond: more, to: exit },
            });
        };
        let operands = [(counter.src, scalar), (end, scalar)];
        let before = if inclusive { CompareOp::Le } else { CompareOp::Lt };
        self.apply_to(Scalars::Compare(before), &operands, more, Scalar::Bool)?;
        go_on(self);
        if !exact {
            self.bind(head);
        }
        self.pending += 2;
        first(self)?;
        self.flush();
        self.repeated(label, (exit, may_diverge), (latch, shape.continues), body)?;
        if !exact {
            let unsigned = scalar.unsigned();
            let left = self.temp(uniform, unsigned, 1);
            let operands = [(end, unsigned), (counter.src, unsigned)];
            self.apply_to(Scalars::Binary(BinaryOp::Sub), &operands, left, unsigned)?;
            let operands = [(step, unsigned), (left, unsigned)];
            self.apply_to(Scalars::Compare(before), &operands, more, Scalar::Bool)?;
            go_on(self);
        }
        // First to a separate register: the destination of an operation must not overlap its operands.
        let next = self.temp(counter.src.is_uniform(), scalar, 1);
        let operands = [(counter.src, scalar), (step, scalar)];
        self.apply_to(Scalars::Binary(BinaryOp::Add), &operands, next, scalar)?;
        self.copy(counter.src, next, scalar);
        self.emit(Inst::Again { to: head });
        self.reconverge(exit, may_diverge);
        Ok(())
    }

    fn jump(&mut self, label: LoopId, exits: bool) -> Result<()> {
        self.flush();
        let Some(target) = self.targets.loops.iter().find(|target| target.label == label) else {
            return Err(self.refuse(format!("{label} is not a loop around this statement")));
        };
        let (to, parts) = if exits { target.exit } else { target.latch };
        self.emit(if parts { Inst::Leave { merge: to } } else { Inst::Jump { to } });
        Ok(())
    }
}
