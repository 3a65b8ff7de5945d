//! Parses statements and operations.

use super::super::lex::Token;
use super::super::{MAX_DEPTH, constant, error};
use super::{Known, Parser};
use crate::Result;
use crate::intrinsics::Intrinsic;
use crate::ir::{
    Arg, AsmOperand, BinaryOp, Block, BufferId, CompareOp, DimId, Format, Handle, Loop, LoopId, Op, PrintPiece, Span,
    Special, Stmt, StmtId, UnaryOp, Unroll, ValueId,
};
use crate::types::{Scalar, Type};

impl<'s> Parser<'s> {
    /// Parses a block in braces.
    fn block(&mut self) -> Result<Block> {
        self.sign("{")?;
        self.block_rest()
    }

    /// Parses statements up to the closing brace.
    pub(super) fn block_rest(&mut self) -> Result<Block> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(error(self.line(), format!("blocks are nested deeper than {MAX_DEPTH}")));
        }
        let mut block = Block::default();
        while !self.try_sign("}") {
            let stmt = self.stmt()?;
            block.0.push(stmt);
        }
        self.depth -= 1;
        Ok(block)
    }

    /// Parses an optional `!file:line:column`.
    fn span(&mut self) -> Result<Span> {
        if !self.try_sign("!") {
            return Ok(Span::default());
        }
        let file = self.number("the number of a file")?;
        self.sign(":")?;
        let line = self.number("a line")?;
        self.sign(":")?;
        Ok(Span { file, line, column: self.number("a column")? })
    }

    fn stmt(&mut self) -> Result<StmtId> {
        let here = self.line();
        let (stmt, mut span) = match self.peek().clone() {
            Token::Handle('%', _) => self.definition_stmt()?,
            Token::Handle('$', _) => {
                let var = self.var()?;
                self.sign("=")?;
                let value = self.value()?;
                (Stmt::Assign { var, value }, self.span()?)
            }
            Token::Handle('\'', _) => {
                let label = self.loop_definition()?;
                self.sign(":")?;
                self.loop_stmt(label)?
            }
            Token::Word("for" | "loop") => {
                let label = self.f.loops.push(Loop::default());
                self.loop_stmt(label)?
            }
            Token::Word(word) => {
                let known = [
                    "var",
                    "store",
                    "store.guard",
                    "if",
                    "break",
                    "continue",
                    "return",
                    "group",
                    "call",
                    "check",
                    "align",
                    "assert",
                    "print",
                    "asm",
                ];
                if !known.contains(&word) {
                    return Err(self.expected("a statement or `}`"));
                }
                self.next();
                self.word_stmt(word)?
            }
            _ => return Err(self.expected("a statement or `}`")),
        };
        if self.places && span == Span::default() {
            span = Span { file: 0, line: here, column: 1 };
        }
        Ok(self.f.new_stmt(stmt, span))
    }

    /// Parses the label at the beginning of a loop.
    fn loop_definition(&mut self) -> Result<LoopId> {
        let line = self.line();
        let shown = self.peek().to_string();
        let id = self.label()?;
        if let Some(known) = self.loops.values_mut().find(|known: &&mut Known<LoopId>| known.id == id) {
            if known.defined {
                return Err(error(line, format!("the label {shown} belongs to two loops")));
            }
            known.defined = true;
        }
        Ok(id)
    }

    fn loop_stmt(&mut self, label: LoopId) -> Result<(Stmt, Span)> {
        if self.try_word("loop") {
            let span = self.span()?;
            return Ok((Stmt::Loop { label, body: self.block()? }, span));
        }
        if !self.try_word("for") {
            return Err(self.expected("`for` or `loop`"));
        }
        if *self.peek() == Token::Sign("(") {
            let task = self.list("(", ")", Self::definition)?;
            self.word("in")?;
            let mapping = self.mapping()?;
            self.word("on")?;
            let worker = self.value()?;
            let span = self.span()?;
            return Ok((Stmt::ForTask { label, mapping, worker, task, body: self.block()? }, span));
        }
        let index = self.definition()?;
        self.word("in")?;
        let start = self.value()?;
        let inclusive = self.try_sign("..=");
        if !inclusive {
            self.sign("..")?;
        }
        let end = self.value()?;
        self.word("step")?;
        let step = self.value()?;
        let unroll = if self.try_word("unroll") { self.unroll()? } else { Unroll::Auto };
        let span = self.span()?;
        Ok((Stmt::For { label, index, start, end, inclusive, step, unroll, body: self.block()? }, span))
    }

    fn word_stmt(&mut self, word: &str) -> Result<(Stmt, Span)> {
        let stmt = match word {
            "var" => {
                let var = self.var_declaration()?;
                let init = if self.try_sign("=") { Some(self.value()?) } else { None };
                Stmt::Declare { var, init }
            }
            "store" | "store.guard" => {
                let (buffer, index) = self.address()?;
                self.sign("=")?;
                Stmt::Store { buffer, index, value: self.value()?, guard: word == "store.guard" }
            }
            "if" => {
                let cond = self.value()?;
                let span = self.span()?;
                let then = self.block()?;
                let otherwise = if self.try_word("else") { self.block()? } else { Block::default() };
                return Ok((Stmt::If { cond, then, otherwise }, span));
            }
            "break" => Stmt::Break(self.label()?),
            "continue" => Stmt::Continue(self.label()?),
            "return" => Stmt::Return,
            "group" => {
                self.word("first")?;
                let first = self.number("a thread")?;
                self.word("threads")?;
                let threads = self.number("a number of threads")?;
                let span = self.span()?;
                return Ok((Stmt::Group { first, threads, body: self.block()? }, span));
            }
            "call" => self.call(None)?,
            "check" => {
                let (buffer, index) = self.address()?;
                let tile = match self.try_word("tile") {
                    true => self.list("[", "]", |parser| parser.number("a number of elements"))?,
                    false => vec![1; index.len()],
                };
                self.word("in")?;
                let shape = self.shape()?;
                let rows = if self.try_word("rows") { Some(self.value()?) } else { None };
                Stmt::Check { buffer, index, tile, shape, rows }
            }
            "align" => {
                let (buffer, index) = self.address()?;
                self.word("to")?;
                Stmt::Align { buffer, index, bytes: self.number("a number of bytes")? }
            }
            "assert" => {
                let cond = self.value()?;
                self.sign(",")?;
                Stmt::Assert { cond, message: self.text("the message")? }
            }
            "print" => Stmt::Print { pieces: self.list("(", ")", Self::piece)? },
            _ => {
                let template = self.text("the instruction")?;
                Stmt::Asm { template, operands: self.list("(", ")", Self::asm_operand)? }
            }
        };
        Ok((stmt, self.span()?))
    }

    /// Parses `%value: type = operation`, or a call with a result.
    fn definition_stmt(&mut self) -> Result<(Stmt, Span)> {
        let value = self.definition()?;
        self.sign("=")?;
        if self.try_word("call") {
            return Ok((self.call(Some(value))?, self.span()?));
        }
        let op = self.op(value)?;
        Ok((Stmt::Let { value, op }, self.span()?))
    }

    fn call(&mut self, result: Option<ValueId>) -> Result<Stmt> {
        let intrinsic = match self.peek() {
            Token::Word(word) => Intrinsic::named(word),
            _ => None,
        };
        let intrinsic = intrinsic.ok_or_else(|| self.expected("the name of an intrinsic"))?;
        self.next();
        Ok(Stmt::Call { intrinsic, args: self.list("(", ")", Self::arg)?, result })
    }

    fn arg(&mut self) -> Result<Arg> {
        match self.peek() {
            Token::Handle('%', _) => Ok(Arg::Value(self.value()?)),
            Token::Handle('@', _) => {
                let (buffer, index) = self.address()?;
                Ok(Arg::Address { buffer, index })
            }
            Token::Handle('#', _) => Ok(Arg::Map(self.map()?)),
            Token::Number(_) | Token::Sign("-") => Ok(Arg::Imm(self.integer("a number")?)),
            _ => Err(self.expected("an operand: a value, an address (`@x[..]`), a number or a tensor map")),
        }
    }

    /// Parses `@x[%i, %j]`.
    fn address(&mut self) -> Result<(BufferId, Vec<ValueId>)> {
        let buffer = self.buffer()?;
        Ok((buffer, self.list("[", "]", Self::value)?))
    }

    fn piece(&mut self) -> Result<PrintPiece> {
        if let Token::Quoted(_) = self.peek() {
            return Ok(PrintPiece::Text(self.text("a text")?));
        }
        let value = self.value()?;
        if !self.try_word("as") {
            return Ok(PrintPiece::Value { value, format: Format::default() });
        }
        let line = self.line();
        let spec = self.text("a format")?;
        let format =
            Format::parse(&spec).ok_or_else(|| error(line, format!("{spec:?} is not a format specification")))?;
        Ok(PrintPiece::Value { value, format })
    }

    fn asm_operand(&mut self) -> Result<AsmOperand> {
        if self.try_word("in") {
            Ok(AsmOperand::In(self.value()?))
        } else if self.try_word("out") {
            Ok(AsmOperand::Out(self.definition()?))
        } else if self.try_word("address") {
            let (buffer, index) = self.address()?;
            Ok(AsmOperand::Address { buffer, index })
        } else {
            Err(self.expected("`in`, `out` or `address`"))
        }
    }

    fn op(&mut self, result: ValueId) -> Result<Op> {
        let Token::Word(word) = *self.peek() else { return Err(self.expected("an operation")) };
        if let Some(special) = Special::from_name(word) {
            self.next();
            return Ok(Op::Special(special));
        }
        if let Some(op) = UnaryOp::from_name(word) {
            self.next();
            return Ok(Op::Unary(op, self.value()?));
        }
        if let Some(op) = BinaryOp::from_name(word) {
            self.next();
            let (a, b) = self.two_values()?;
            return Ok(Op::Binary(op, a, b));
        }
        if let Some(op) = CompareOp::from_name(word) {
            self.next();
            let (a, b) = self.two_values()?;
            return Ok(Op::Compare(op, a, b));
        }
        let known =
            ["const", "dim", "read", "load", "load.guard", "select", "fma", "cast", "bitcast", "vector", "extract"];
        if !known.contains(&word) {
            return Err(self.expected("an operation"));
        }
        self.next();
        Ok(match word {
            "const" => self.constant(result)?,
            "dim" => {
                let name = self.plain_name("an extent")?;
                Op::Dim(DimId::new(self.dim_symbol(&name)? as usize))
            }
            "read" => Op::Read(self.var()?),
            "load" | "load.guard" => {
                let (buffer, index) = self.address()?;
                Op::Load { buffer, index, guard: word == "load.guard" }
            }
            "cast" => Op::Cast(self.value()?),
            "bitcast" => Op::Bitcast(self.value()?),
            "vector" => Op::Vector(self.list("(", ")", Self::value)?),
            "extract" => {
                let value = self.value()?;
                self.sign(",")?;
                Op::Extract(value, self.number("a lane")?)
            }
            _ => {
                let (a, b) = self.two_values()?;
                self.sign(",")?;
                let c = self.value()?;
                if word == "select" { Op::Select(a, b, c) } else { Op::Fma(a, b, c) }
            }
        })
    }

    fn two_values(&mut self) -> Result<(ValueId, ValueId)> {
        let a = self.value()?;
        self.sign(",")?;
        Ok((a, self.value()?))
    }

    /// Parses the constant after `const`; its type is that of the value, or precedes it.
    fn constant(&mut self, result: ValueId) -> Result<Op> {
        let stated = match self.peek() {
            Token::Word(word) => Scalar::from_name(word),
            _ => None,
        };
        self.at += usize::from(stated.is_some());
        let ty = stated.map_or(self.f.ty(result), Type::from);
        let minus = if self.try_sign("-") { "-" } else { "" };
        let found = match self.peek() {
            Token::Number(text) | Token::Word(text) => constant::read(ty.scalar, &format!("{minus}{text}")),
            _ => None,
        };
        let found = found.ok_or_else(|| self.expected(&format!("a constant of type {}", ty.scalar)))?;
        self.next();
        Ok(Op::Const(found))
    }
}
