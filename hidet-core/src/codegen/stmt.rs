//! Statements.

use super::kernel::{Generator, LoopFrame};
use super::names::NameKind;
use super::types;
use crate::error::Result;
use crate::ir::{Block, Function, LoopId, Stmt, StmtId, Unroll, VarId};

impl Generator<'_> {
    /// Writes a statement.
    pub(super) fn stmt(&mut self, id: StmtId) -> Result<()> {
        let function = self.function;
        match &function.stmts[id] {
            Stmt::Let { value, op } => self.let_stmt(*value, op)?,
            Stmt::Declare { var, init } => {
                let ty = function.vars[*var].ty;
                let name = self.names.source(&function.vars[*var].name, NameKind::Variable);
                let init = init.map(|value| self.value(value)).transpose()?;
                let init = init.map_or_else(String::new, |init| format!(" = {}", init.text));
                self.vars[*var] = name.clone();
                self.out.line(format!("{} {name}{init};", types::name(ty)));
            }
            Stmt::Assign { var, value } => {
                let value = self.value(*value)?;
                self.out.line(format!("{} = {};", self.var(*var)?, value.text));
            }
            Stmt::Store { buffer, index, value, guard } => {
                let lanes = function.ty(*value).lanes;
                let value = self.value(*value)?;
                self.store(*buffer, index, lanes, &value, *guard)?;
            }
            Stmt::If { cond, then, otherwise } => {
                let cond = self.value(*cond)?;
                self.out.open(format!("if ({}) {{", cond.text));
                self.block(then)?;
                if !otherwise.0.is_empty() {
                    self.out.close("} else {");
                    self.out.open_again();
                    self.block(otherwise)?;
                }
                self.out.close("}");
            }
            Stmt::For { label, index, start, end, inclusive, step, unroll, body } => {
                let (start, end, step) = (self.value(*start)?, self.value(*end)?, self.value(*step)?);
                match unroll {
                    Unroll::Auto | Unroll::Full if self.opaque.long_steps[*label] => self.out.line("#pragma unroll 1"),
                    Unroll::Auto => {}
                    Unroll::Never => self.out.line("#pragma unroll 1"),
                    Unroll::Full => self.out.line("#pragma unroll"),
                    Unroll::By(times) => self.out.line(format!("#pragma unroll {times}")),
                    Unroll::Explicit => return Err(self.error("an explicitly unrolled loop was not unrolled")),
                }
                let ty = types::name(function.ty(*index));
                let i = self.name_like(*index, NameKind::Counter);
                let (start, step) = (start.text, step.text);
                let head = match (inclusive, self.proved.loops[*label]) {
                    (false, true) => format!("for ({ty} {i} = {start}; {i} < {}; {i} += {step}) {{", end.within(3)),
                    (true, true) => format!("for ({ty} {i} = {start}; {i} <= {}; {i} += {step}) {{", end.within(3)),
                    (false, false) => {
                        let last = end.within(3);
                        let next = format!("hidet_next<{ty}>({i}, {}, {step})", end.text);
                        format!("for ({ty} {i} = {start}; {i} < {last}; {i} = {next}) {{")
                    }
                    (true, false) => {
                        let more = self.names.own(NameKind::More);
                        let first = format!("{more} = {i} <= {}", end.within(3));
                        let next = format!("{more} = hidet_more<{ty}>({i}, {}, {step})", end.text);
                        format!("for ({ty} {i} = {start}, {first}; {more}; {next}) {{")
                    }
                };
                self.loop_body(*label, &head, None, body)?;
            }
            Stmt::Loop { label, body } => {
                let gives_up = self.report.as_ref().filter(|_| self.faults);
                let gives_up = gives_up.map(|report| format!("if (hidet_faulted({report})) {}", self.leave()));
                self.loop_body(*label, "while (true) {", gives_up, body)?;
            }
            Stmt::Break(target) => self.jump(*target, true)?,
            Stmt::Continue(target) => self.jump(*target, false)?,
            Stmt::Return => self.out.line("return;"),
            Stmt::Call { intrinsic, args, result } => self.call(*intrinsic, args, *result)?,
            Stmt::Check { buffer, index, tile, shape, rows } => self.check(*buffer, index, tile, shape, *rows)?,
            Stmt::Align { buffer, index, bytes } => self.align(*buffer, index, *bytes)?,
            Stmt::Assert { cond, message } => self.assert(*cond, message)?,
            Stmt::Print { pieces } => self.print(pieces)?,
            Stmt::Asm { template, operands } => self.asm(template, operands)?,
            Stmt::ForTask { .. } => return Err(self.error("a loop over a task mapping was not lowered")),
            Stmt::Group { .. } => return Err(self.error("a thread group was not lowered")),
        }
        Ok(())
    }

    /// Returns the name of a variable.
    pub(super) fn var(&self, var: VarId) -> Result<&str> {
        let name = &self.vars[var];
        if name.is_empty() {
            Err(self.error(format!("variable {var} is used before it is declared")))
        } else {
            Ok(name)
        }
    }

    /// Writes a loop; `first` is written at the start of each iteration.
    fn loop_body(&mut self, id: LoopId, head: &str, first: Option<String>, body: &Block) -> Result<()> {
        let name = &self.function.loops[id].name;
        let mut label = |kind: &str, word| match name.is_empty() {
            true => self.names.own(word),
            false => self.names.source(&format!("{kind}_{name}"), word),
        };
        let (next, end) = (label("next", NameKind::Next), label("end", NameKind::End));
        self.loops.push(LoopFrame { id, next: next.clone(), end: end.clone(), next_used: false, end_used: false });
        // In C++ a jump to the end of the body must not skip declarations of the body, so these get a block of their
        // own.
        let jumps = jumps_inside(self.function, body, id);
        self.out.open(head);
        if let Some(first) = first {
            self.out.line(first);
        }
        if jumps {
            self.out.open("{");
        }
        self.block(body)?;
        let frame = self.loops.pop();
        if jumps {
            self.out.close("}");
            if frame.as_ref().is_some_and(|frame| frame.next_used) {
                self.out.line(format!("{next}:;"));
            }
        }
        self.out.close("}");
        if frame.is_some_and(|frame| frame.end_used) {
            self.out.line(format!("{end}:;"));
        }
        Ok(())
    }

    fn jump(&mut self, target: LoopId, leave: bool) -> Result<()> {
        let innermost = self.loops.last().is_some_and(|frame| frame.id == target);
        let Some(frame) = self.loops.iter_mut().find(|frame| frame.id == target) else {
            return Err(self.error(format!("a jump to loop {target}, which does not enclose it")));
        };
        let line = match (leave, innermost) {
            (true, true) => "break;".to_owned(),
            (false, true) => "continue;".to_owned(),
            (true, false) => {
                frame.end_used = true;
                format!("goto {};", frame.end)
            }
            (false, false) => {
                frame.next_used = true;
                format!("goto {};", frame.next)
            }
        };
        self.out.line(line);
        Ok(())
    }
}

/// Returns true if a loop inside of the body jumps to the end of the body.
fn jumps_inside(function: &Function, block: &Block, target: LoopId) -> bool {
    fn walk(function: &Function, block: &Block, target: LoopId, nested: bool) -> bool {
        block.0.iter().any(|id| {
            let stmt = &function.stmts[*id];
            let nested_here = nested || matches!(stmt, Stmt::For { .. } | Stmt::Loop { .. } | Stmt::ForTask { .. });
            matches!(stmt, Stmt::Continue(to) if *to == target && nested)
                || stmt.blocks().any(|inner| walk(function, inner, target, nested_here))
        })
    }
    walk(function, block, target, false)
}
