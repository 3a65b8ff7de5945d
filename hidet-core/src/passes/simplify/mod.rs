//! Simplification: folds constants, applies algebra, merges common subexpressions and hoists loop invariants.
//!
//! Precondition: a valid function. Postcondition: the same effects in the same order. Rounds are repeated until one
//! changes nothing, at most [`MAX_ROUNDS`] times; the result is correct even then, but running the pass again may
//! simplify more.
//!
//! One walk in order of execution does everything, because each part enables the others:
//! - constants are folded and the [`rules`] of integer algebra applied, with the ranges that [`Facts`] proves: the
//!   remainder of a smaller number is that number, a comparison that always holds is `true`;
//! - an operation whose result is available is not computed again;
//! - constants, dims and indices are computed once, at the start; an operation on integers or booleans that is the same
//!   in every iteration of a loop is hoisted out of it, if it cannot fail;
//! - a variable whose content is known is not read; branches on known conditions are removed, and so are loops with no
//!   or one iteration.
//!
//! Loads, stores, calls, barriers, checks and jumps are neither moved nor merged. Floats are folded if the result is
//! exact or rounded once, and never reassociated.
//!
//! ```text
//! for i in 0 .. 4 { let a = thread / 32; let b = a * 8; let c = b + i; let d = c % 64; store x[d] }
//! ```
//!
//! becomes, in a block of 128 threads, `let b = (thread >> 5) * 8; for i in 0 .. 4 { let c = b + i; store x[c] }`.

mod arithmetic;
mod control;
mod key;
mod rules;

use super::bounds::Facts;
use super::fold::fold;
use super::{LoweringOptions, eliminate_dead};
use crate::error::Result;
use crate::ir::hash::HandleMap;
use crate::ir::{BinaryOp, Block, Function, Op, Param, Span, Stmt, StmtId, UnaryOp, ValueId, VarId};
use crate::types::{Const, Scalar, Type};
use key::{OpKey, key};

/// Maximum number of rounds.
const MAX_ROUNDS: usize = 6;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    eliminate_dead::run(function, options)?;
    function.compact();
    for _ in 0..MAX_ROUNDS {
        let before = function.clone();
        let body = std::mem::take(&mut function.body);
        let facts = Facts::of(&before);
        let mut simplifier = Simplifier::new(function, facts);
        function.body = simplifier.whole(body);
        eliminate_dead::run(function, options)?;
        function.compact();
        // Both are compact, so equal functions have equal numbers.
        if function.equals(&before) {
            break;
        }
    }
    Ok(())
}

/// A block under construction.
struct Frame {
    out: Vec<StmtId>,
    /// It is the body of a loop.
    in_loop: bool,
    /// The operations that became available in it, forgotten at its end.
    keys: Vec<OpKey>,
    values: Vec<ValueId>,
}

struct Simplifier<'a> {
    function: &'a mut Function,
    facts: Facts,
    frames: Vec<Frame>,
    /// The replacements of values.
    replaced: HandleMap<ValueId, ValueId>,
    constants: HandleMap<ValueId, Const>,
    /// The conditions that are known at this point, with their values.
    conditions: HandleMap<ValueId, bool>,
    available: HandleMap<OpKey, ValueId>,
    /// The frame in which each visible value is defined.
    depth: HandleMap<ValueId, usize>,
    /// The known contents of variables at this point.
    content: HandleMap<VarId, ValueId>,
    span: Span,
}

impl<'a> Simplifier<'a> {
    fn new(function: &'a mut Function, facts: Facts) -> Self {
        Simplifier {
            function,
            facts,
            frames: Vec::new(),
            replaced: HandleMap::default(),
            constants: HandleMap::default(),
            conditions: HandleMap::default(),
            available: HandleMap::default(),
            depth: HandleMap::default(),
            content: HandleMap::default(),
            span: Span::default(),
        }
    }

    /// Simplifies the whole body: frame 0 takes what is computed at the start, frame 1 the rest.
    fn whole(&mut self, body: Block) -> Block {
        self.open(false);
        for param in self.function.params.clone() {
            if let Param::Scalar { value, .. } = param {
                self.defined(value, 0);
            }
        }
        let rest = self.block(body, false);
        let mut first = self.close();
        first.0.extend(rest.0);
        first
    }

    fn open(&mut self, in_loop: bool) {
        self.frames.push(Frame { out: Vec::new(), in_loop, keys: Vec::new(), values: Vec::new() });
    }

    fn close(&mut self) -> Block {
        let Some(frame) = self.frames.pop() else { return Block::default() };
        for key in frame.keys {
            self.available.remove(&key);
        }
        for value in frame.values {
            self.depth.remove(&value);
        }
        Block(frame.out)
    }

    fn block(&mut self, block: Block, in_loop: bool) -> Block {
        self.open(in_loop);
        let mark = self.facts.mark();
        let conditions = self.conditions.clone();
        self.stmts(block);
        self.conditions = conditions;
        self.facts.forget(mark);
        self.close()
    }

    fn stmts(&mut self, block: Block) {
        for id in block.0 {
            self.stmt(id);
            if matches!(self.last(), Some(Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return)) {
                // The following statements are unreachable.
                break;
            }
        }
    }

    fn last(&self) -> Option<&Stmt> {
        self.frames.last().and_then(|frame| frame.out.last()).map(|id| &self.function.stmts[*id])
    }

    fn push(&mut self, id: StmtId) {
        if let Some(frame) = self.frames.last_mut() {
            frame.out.push(id);
        }
    }

    /// Notes that a value is defined in a frame.
    fn defined(&mut self, value: ValueId, frame: usize) {
        self.depth.insert(value, frame);
        if let Some(frame) = self.frames.get_mut(frame) {
            frame.values.push(value);
        }
    }

    fn here(&self) -> usize {
        self.frames.len() - 1
    }

    fn resolve(&self, value: ValueId) -> ValueId {
        self.replaced.get(&value).copied().unwrap_or(value)
    }

    fn constant_of(&self, value: ValueId) -> Option<Const> {
        self.constants.get(&value).copied().or_else(|| self.conditions.get(&value).map(|holds| Const::bool(*holds)))
    }

    fn stmt(&mut self, id: StmtId) {
        self.span = self.function.spans[id];
        let mut stmt = std::mem::replace(&mut self.function.stmts[id], Stmt::Return);
        stmt.each_use_mut(&mut |value| *value = self.resolve(*value));
        match stmt {
            Stmt::Let { value, op } => self.binding(id, value, op),
            Stmt::Declare { var, init } => {
                match init {
                    Some(value) => self.content.insert(var, value),
                    None => self.content.remove(&var),
                };
                self.keep(id, stmt);
            }
            Stmt::Assign { var, value } => {
                if self.content.insert(var, value) != Some(value) {
                    self.keep(id, stmt);
                }
            }
            Stmt::If { cond, then, otherwise } => self.branch(id, cond, then, otherwise),
            Stmt::For { .. } => self.counted(id, stmt),
            Stmt::Loop { label, body } => {
                let (breaks, continues) = self.jumps_before_last(&body, label);
                let once = !breaks && !continues && self.ends_with(&body, &Stmt::Break(label));
                if once {
                    let mut body = body;
                    body.0.pop();
                    self.stmts(body);
                    return;
                }
                let body = self.repeated(body);
                self.keep(id, Stmt::Loop { label, body });
            }
            Stmt::ForTask { label, mapping, worker, task, body } => {
                let here = self.here() + 1;
                for value in &task {
                    self.depth.insert(*value, here);
                }
                let body = self.repeated(body);
                self.keep(id, Stmt::ForTask { label, mapping, worker, task, body });
            }
            Stmt::Group { first, threads, body } => {
                let before = self.content.clone();
                let body = self.block(body, false);
                self.content = before;
                self.forget_assigned(&body);
                self.keep(id, Stmt::Group { first, threads, body });
            }
            Stmt::Assert { cond, .. } => {
                if self.constant_of(cond) != Some(Const::bool(true)) {
                    self.keep(id, stmt);
                    self.assume(cond, true);
                }
            }
            _ => {
                let here = self.here();
                stmt.each_definition(&mut |value| self.defined(value, here));
                self.keep(id, stmt);
            }
        }
    }

    fn keep(&mut self, id: StmtId, stmt: Stmt) {
        self.function.stmts[id] = stmt;
        self.push(id);
    }

    /// Simplifies a `let`: its value may be available already, be simpler, or move further out.
    fn binding(&mut self, id: StmtId, value: ValueId, op: Op) {
        if let Op::Read(var) = op {
            match self.content.get(&var).copied().filter(|known| self.depth.contains_key(known)) {
                Some(known) => drop(self.replaced.insert(value, known)),
                None => {
                    self.content.insert(var, value);
                    self.define(value, op, id);
                }
            }
            return;
        }
        if matches!(op, Op::Load { .. }) {
            return self.define(value, op, id);
        }
        let ty = self.function.ty(value);
        let known = self.simplified(op, ty, Some((value, id)));
        if known != value {
            if self.function.values[known].name.is_empty() {
                self.function.values[known].name = self.function.values[value].name.clone();
            }
            self.replaced.insert(value, known);
        }
    }

    /// Defines a value at the current point of the walk.
    fn define(&mut self, value: ValueId, op: Op, id: StmtId) {
        let here = self.here();
        self.note(value, &op, here);
        self.keep(id, Stmt::Let { value, op });
    }

    fn note(&mut self, value: ValueId, op: &Op, frame: usize) {
        self.facts.define(self.function, value, op);
        if let Op::Const(constant) = op {
            self.constants.insert(value, *constant);
        }
        self.defined(value, frame);
    }

    /// Returns a value for an operation without effect: simplified, found, or emitted. `at` is the value and the
    /// statement to use if it is emitted.
    fn simplified(&mut self, op: Op, ty: Type, at: Option<(ValueId, StmtId)>) -> ValueId {
        let op = match fold(&op, ty, &|value| self.constant_of(value)) {
            Some(constant) => Op::Const(constant),
            None => op,
        };
        let op = match self.rule(op, ty) {
            rules::Simpler::Value(value) => return value,
            rules::Simpler::Op(op) => op,
        };
        let Some(key) = key(&op, ty) else { return self.emit(op, ty, at, None) };
        if let Some(known) = self.available.get(&key) {
            return *known;
        }
        self.emit(op, ty, at, Some(key))
    }

    fn emit(&mut self, op: Op, ty: Type, at: Option<(ValueId, StmtId)>, key: Option<OpKey>) -> ValueId {
        let frame = self.place(&op, ty);
        let (value, id) = match at {
            Some(at) => at,
            None => (self.function.new_value(ty, ""), self.function.new_stmt(Stmt::Return, self.span)),
        };
        self.note(value, &op, frame);
        self.function.stmts[id] = Stmt::Let { value, op };
        if let Some(frame) = self.frames.get_mut(frame) {
            frame.out.push(id);
        }
        if let Some(key) = key {
            if let Some(frame) = self.frames.get_mut(frame) {
                frame.keys.push(key.clone());
            }
            self.available.insert(key, value);
        }
        value
    }

    /// Returns the frame in which an operation is best computed.
    fn place(&mut self, op: &Op, ty: Type) -> usize {
        let here = self.here();
        if matches!(op, Op::Const(_) | Op::Dim(_) | Op::Special(_)) {
            return 0;
        }
        if ty.lanes != 1 || ty.scalar.is_float() || !self.cannot_fail(op) {
            return here;
        }
        let mut deepest = 1;
        op.each_operand(&mut |value| {
            // A parameter is visible everywhere.
            deepest = deepest.max(self.depth.get(&value).copied().unwrap_or(0));
        });
        // Operations move out of loops, and out of branches only on the way out of a loop.
        let mut best = here;
        for frame in (deepest + 1..=here).rev() {
            if self.frames[frame].in_loop {
                best = frame - 1;
            }
        }
        best
    }

    /// Returns true if an operation may be computed speculatively, where the author's program would not compute it.
    fn cannot_fail(&mut self, op: &Op) -> bool {
        match op {
            Op::Binary(op @ (BinaryOp::Div | BinaryOp::Rem | BinaryOp::Shl | BinaryOp::Shr), a, b) => {
                let Some(by) = self.constants.get(b).copied() else { return false };
                let scalar = self.function.ty(*a).scalar;
                scalar.is_int() && crate::ir::eval::fault(*op, scalar, by.bits).is_none()
            }
            Op::Read(_) | Op::Load { .. } => false,
            _ => true,
        }
    }

    fn constant(&mut self, constant: Const) -> ValueId {
        self.simplified(Op::Const(constant), constant.scalar.into(), None)
    }

    fn int(&mut self, scalar: Scalar, number: i64) -> ValueId {
        self.constant(Const::int(scalar, number))
    }

    fn assume(&mut self, cond: ValueId, holds: bool) {
        self.facts.assume(self.function, cond, holds);
        let mut open = vec![(cond, holds)];
        while let Some((cond, holds)) = open.pop() {
            self.conditions.insert(cond, holds);
            match self.facts.op(cond) {
                Some(Op::Unary(UnaryOp::Not, inner)) => open.push((*inner, !holds)),
                Some(Op::Binary(BinaryOp::And, a, b)) if holds => open.extend([(*a, true), (*b, true)]),
                Some(Op::Binary(BinaryOp::Or, a, b)) if !holds => open.extend([(*a, false), (*b, false)]),
                _ => {}
            }
        }
    }

    /// Returns the operation that computes a value.
    fn op(&self, value: ValueId) -> Option<&Op> {
        self.facts.op(value)
    }
}
