//! Prints statements and operations.

use super::super::{constant, layout};
use super::mapping::unroll_name;
use super::{Printer, name_of};
use crate::ir::{Arg, AsmOperand, Block, Format, Handle, LoopId, Op, PrintPiece, Stmt, StmtId, Unroll, ValueId};
use crate::types::Type;

impl Printer<'_> {
    pub(super) fn block(&mut self, block: &Block) {
        for &id in &block.0 {
            match self.f.stmts.get(id) {
                Some(stmt) if self.open.insert(id) => {
                    self.stmt(id, stmt);
                    self.open.remove(&id);
                }
                Some(_) => self.line("; a statement inside of itself"),
                None => self.line("; no such statement"),
            }
        }
    }

    /// Returns ` !file:line:column`, if spans are printed.
    fn span(&self, id: StmtId) -> String {
        let span = self.f.spans[id];
        if self.spans && span != Default::default() {
            format!(" !{}:{}:{}", span.file, span.line, span.column)
        } else {
            String::new()
        }
    }

    /// Prints `head { body }`.
    fn nest(&mut self, id: StmtId, head: &str, body: &Block) {
        let span = self.span(id);
        self.line(&format!("{head}{span} {{"));
        self.indent += 1;
        self.block(body);
        self.indent -= 1;
        self.line("}");
    }

    fn stmt(&mut self, id: StmtId, stmt: &Stmt) {
        let text = match stmt {
            Stmt::Let { value, op } => format!("{} = {}", self.typed(*value), self.op(*value, op)),
            Stmt::Declare { var, init } => {
                let ty = self.f.vars.get(*var).map_or(Type::I32, |var| var.ty);
                let init = init.map_or(String::new(), |value| format!(" = {}", self.value(value)));
                format!("var {}: {ty}{init}", self.var(*var))
            }
            Stmt::Assign { var, value } => format!("{} = {}", self.var(*var), self.value(*value)),
            Stmt::Store { buffer, index, value, guard } => {
                let guard = if *guard { ".guard" } else { "" };
                format!("store{guard} {} = {}", self.address(*buffer, index), self.value(*value))
            }
            Stmt::If { cond, then, otherwise } => {
                let head = format!("if {}", self.value(*cond));
                self.nest(id, &head, then);
                if !otherwise.0.is_empty() {
                    self.out.truncate(self.out.trim_end().len());
                    self.out.push_str(" else {\n");
                    self.indent += 1;
                    self.block(otherwise);
                    self.indent -= 1;
                    self.line("}");
                }
                return;
            }
            Stmt::For { label, index, start, end, inclusive, step, unroll, body } => {
                let dots = if *inclusive { "..=" } else { ".." };
                let range = format!("{}{dots}{} step {}", self.value(*start), self.value(*end), self.value(*step));
                let unroll = match unroll {
                    Unroll::Auto => String::new(),
                    other => format!(" unroll {}", unroll_name(*other)),
                };
                let head = format!("{}for {} in {range}{unroll}", self.loop_start(*label), self.typed(*index));
                return self.nest(id, &head, body);
            }
            Stmt::ForTask { label, mapping, worker, task, body } => {
                let task: Vec<String> = task.iter().map(|value| self.typed(*value)).collect();
                let (mapping, worker) = (self.mapping(mapping), self.value(*worker));
                let head = format!("{}for ({}) in {mapping} on {worker}", self.loop_start(*label), task.join(", "));
                return self.nest(id, &head, body);
            }
            Stmt::Loop { label, body } => {
                let head = format!("{}loop", self.loop_start(*label));
                return self.nest(id, &head, body);
            }
            Stmt::Break(label) => format!("break {}", self.label(*label)),
            Stmt::Continue(label) => format!("continue {}", self.label(*label)),
            Stmt::Return => "return".to_owned(),
            Stmt::Group { first, threads, body } => {
                return self.nest(id, &format!("group first {first} threads {threads}"), body);
            }
            Stmt::Call { intrinsic, args, result } => {
                let result = result.map_or(String::new(), |value| format!("{} = ", self.typed(value)));
                let args: Vec<String> = args.iter().map(|arg| self.arg(arg)).collect();
                format!("{result}call {}({})", intrinsic.row().name, args.join(", "))
            }
            Stmt::Check { buffer, index, tile, shape, rows } => {
                let alone = tile.len() == index.len() && tile.iter().all(|extent| *extent == 1);
                let tile = if alone { String::new() } else { format!(" tile {tile:?}") };
                let shape = layout::print_shape(shape, &self.symbol());
                let rows = rows.map_or(String::new(), |rows| format!(" rows {}", self.value(rows)));
                format!("check {}{tile} in {shape}{rows}", self.address(*buffer, index))
            }
            Stmt::Align { buffer, index, bytes } => format!("align {} to {bytes}", self.address(*buffer, index)),
            Stmt::Assert { cond, message } => format!("assert {}, {message:?}", self.value(*cond)),
            Stmt::Print { pieces } => {
                let pieces: Vec<String> = pieces.iter().map(|piece| self.piece(piece)).collect();
                format!("print({})", pieces.join(", "))
            }
            Stmt::Asm { template, operands } => {
                let operands: Vec<String> = operands.iter().map(|operand| self.asm_operand(operand)).collect();
                format!("asm {template:?} ({})", operands.join(", "))
            }
        };
        let span = self.span(id);
        self.line(&format!("{text}{span}"));
    }

    /// Returns `'label: `, if a jump names the label.
    fn loop_start(&self, label: LoopId) -> String {
        let unnamed = self.f.loops.get(label).is_some_and(|label| label.name.is_empty());
        if unnamed && !self.targets.contains(&label) { String::new() } else { format!("{}: ", self.label(label)) }
    }

    fn op(&self, result: ValueId, op: &Op) -> String {
        match op {
            Op::Const(constant) => {
                let text = constant::print(*constant);
                let ty = Type::from(constant.scalar);
                // The type of the constant is that of the value, except in invalid functions.
                match self.f.values.get(result).is_some_and(|value| value.ty == ty) {
                    true => format!("const {text}"),
                    false => format!("const {ty} {text}"),
                }
            }
            Op::Dim(dim) => format!("dim {}", name_of(&self.dims, dim.index(), "")),
            Op::Special(special) => special.name().to_owned(),
            Op::Read(var) => format!("read {}", self.var(*var)),
            Op::Load { buffer, index, guard } => {
                let guard = if *guard { ".guard" } else { "" };
                format!("load{guard} {}", self.address(*buffer, index))
            }
            Op::Unary(op, a) => format!("{} {}", op.name(), self.value(*a)),
            Op::Binary(op, a, b) => format!("{} {}", op.name(), self.values(&[*a, *b])),
            Op::Compare(op, a, b) => format!("{} {}", op.name(), self.values(&[*a, *b])),
            Op::Select(a, b, c) => format!("select {}", self.values(&[*a, *b, *c])),
            Op::Fma(a, b, c) => format!("fma {}", self.values(&[*a, *b, *c])),
            Op::Cast(a) => format!("cast {}", self.value(*a)),
            Op::Bitcast(a) => format!("bitcast {}", self.value(*a)),
            Op::Vector(values) => format!("vector({})", self.values(values)),
            Op::Extract(a, lane) => format!("extract {}, {lane}", self.value(*a)),
        }
    }

    fn arg(&self, arg: &Arg) -> String {
        match arg {
            Arg::Value(value) => self.value(*value),
            Arg::Address { buffer, index } => self.address(*buffer, index),
            Arg::Imm(number) => number.to_string(),
            Arg::Map(map) => self.map(*map),
        }
    }

    fn piece(&self, piece: &PrintPiece) -> String {
        match piece {
            PrintPiece::Text(text) => format!("{text:?}"),
            PrintPiece::Value { value, format } if *format == Format::default() => self.value(*value),
            PrintPiece::Value { value, format } => format!("{} as {:?}", self.value(*value), format.to_string()),
        }
    }

    fn asm_operand(&self, operand: &AsmOperand) -> String {
        match operand {
            AsmOperand::In(value) => format!("in {}", self.value(*value)),
            AsmOperand::Out(value) => format!("out {}", self.typed(*value)),
            AsmOperand::Address { buffer, index } => format!("address {}", self.address(*buffer, index)),
        }
    }
}
