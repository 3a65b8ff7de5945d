//! Random statements of one thread: assignments, stores to registers, branches and loops, nested.

use super::builder::KernelBuilder;
use super::expr::NUMBERS;
use crate::ir::{Arg, BinaryOp, CompareOp, Loop, LoopId, Op, Stmt, Unroll, ValueId};
use crate::types::{Scalar, Type};

impl KernelBuilder {
    /// Emits up to `count` statements, while the budget lasts.
    pub fn stmts(&mut self, count: usize, depth: u32) {
        for _ in 0..count {
            if self.budget <= 0 {
                return;
            }
            self.random_stmt(depth);
        }
    }

    fn random_stmt(&mut self, depth: u32) {
        match self.rng.below(12) {
            0 => {
                let scalar = self.rng.pick(&NUMBERS);
                let init = self.expr(scalar, 2);
                let var = self.declare(scalar.into(), Some(init));
                self.vars.push(var);
            }
            1..=4 => self.assign(3),
            5 => self.store_register(),
            6 if depth > 0 => self.branch(depth - 1),
            7 if depth > 0 => self.count_loop(depth - 1),
            8 if depth > 0 => self.free_loop(depth - 1),
            9 if depth > 0 => self.chosen_value(),
            10 => self.jump(),
            11 => self.atomic_or_assert(),
            _ => {
                let scalar = self.rng.pick(&NUMBERS);
                self.expr(scalar, 3);
            }
        }
    }

    pub fn assign(&mut self, depth: u32) {
        if self.vars.is_empty() {
            return;
        }
        let at = self.rng.below(self.vars.len());
        let var = self.vars[at];
        let scalar = self.f.vars[var].ty.scalar;
        let value = self.expr(scalar, depth);
        self.stmt(Stmt::Assign { var, value });
    }

    fn store_register(&mut self) {
        if self.registers.is_empty() {
            return;
        }
        let at = self.rng.below(self.registers.len());
        let source = self.registers[at].clone();
        let index = self.indices(&source.extents, 1);
        let value = self.expr(source.elem, 2);
        let guard = self.rng.percent(10);
        self.stmt(Stmt::Store { buffer: source.buffer, index, value, guard });
    }

    pub fn branch(&mut self, depth: u32) {
        let cond = self.expr(Scalar::Bool, 2);
        let mark = self.enter();
        self.assign(1);
        self.stmts(2, depth);
        let then = self.leave(mark);
        let mark = self.enter();
        if self.rng.percent(60) {
            self.assign(1);
            self.stmts(2, depth);
        }
        let otherwise = self.leave(mark);
        self.stmt(Stmt::If { cond, then, otherwise });
    }

    /// Emits an `if` used as a value: a variable that both branches set.
    fn chosen_value(&mut self) {
        let scalar = self.rng.pick(&NUMBERS);
        let var = self.declare(scalar.into(), None);
        let cond = self.expr(Scalar::Bool, 2);
        let mut branch = || {
            let mark = self.enter();
            let value = self.expr(scalar, 2);
            self.stmt(Stmt::Assign { var, value });
            self.leave(mark)
        };
        let (then, otherwise) = (branch(), branch());
        self.stmt(Stmt::If { cond, then, otherwise });
        self.vars.push(var);
    }

    /// Returns a new loop, sometimes with a name.
    pub fn new_loop(&mut self) -> LoopId {
        let name = if self.rng.percent(30) { "outer" } else { "" };
        self.f.loops.push(Loop { name: name.to_owned() })
    }

    /// Emits a `for` with a small trip count, uniform or divergent.
    pub fn count_loop(&mut self, depth: u32) {
        let wide = self.rng.percent(15);
        let scalar = if wide { Scalar::I64 } else { Scalar::I32 };
        let start = self.rng.between(0, 2);
        let turns = self.rng.between(0, 4);
        let step = self.rng.between(1, 3);
        let constant = self.rng.percent(60);
        let (from, by) = (self.constant(scalar, start as u64), self.constant(scalar, step as u64));
        let last = start + turns * step;
        let end = if constant {
            self.constant(scalar, last as u64)
        } else {
            let any = self.expr(scalar, 1);
            let three = self.constant(scalar, 3);
            self.binary(BinaryOp::And, any, three)
        };
        let limit = if constant { last } else { 4 };
        let unroll = match constant {
            true => self.rng.pick(&[Unroll::Auto, Unroll::Full, Unroll::Explicit, Unroll::By(2), Unroll::Never]),
            false => Unroll::Auto,
        };
        let label = self.new_loop();
        let index = self.f.new_value(scalar, "i");
        let mark = self.enter();
        self.values.push(index);
        if limit > 0 && !wide {
            self.bounded.push((index, limit));
        }
        // Explicit unrolling copies the body, so it must not jump to this loop or to loops around it.
        let around = std::mem::take(&mut self.loops);
        if unroll != Unroll::Explicit {
            self.loops.clone_from(&around);
            self.loops.push(label);
        }
        self.assign(2);
        self.stmts(2, depth);
        self.loops = around;
        let body = self.leave(mark);
        self.stmt(Stmt::For { label, index, start: from, end, inclusive: false, step: by, unroll, body });
    }

    /// Emits a `loop` that counts its iterations and ends after a few.
    fn free_loop(&mut self, depth: u32) {
        let zero = self.int(0);
        let turns = self.declare(Type::I32, Some(zero));
        let most = self.rng.between(1, 4);
        let label = self.new_loop();
        let mark = self.enter();
        let turn = self.emit(Type::I32, Op::Read(turns));
        let one = self.int(1);
        let next = self.binary(BinaryOp::Add, turn, one);
        // Counted before anything can continue with the next iteration.
        self.stmt(Stmt::Assign { var: turns, value: next });
        let most = self.int(most);
        let over = self.emit(Type::BOOL, Op::Compare(CompareOp::Ge, turn, most));
        self.jump_if(over, Stmt::Break(label));
        self.loops.push(label);
        self.assign(2);
        self.stmts(2, depth);
        self.loops.pop();
        let body = self.leave(mark);
        self.stmt(Stmt::Loop { label, body });
    }

    fn jump_if(&mut self, cond: ValueId, jump: Stmt) {
        let mark = self.enter();
        self.stmt(jump);
        let then = self.leave(mark);
        self.stmt(Stmt::If { cond, then, otherwise: Default::default() });
    }

    fn jump(&mut self) {
        if self.loops.is_empty() {
            return;
        }
        let label = self.rng.pick(&self.loops.clone());
        let cond = self.expr(Scalar::Bool, 2);
        let jump = if self.rng.percent(50) { Stmt::Break(label) } else { Stmt::Continue(label) };
        self.jump_if(cond, jump);
    }

    fn atomic_or_assert(&mut self) {
        if let (Some(source), true) = (self.histogram.clone(), self.rng.percent(60)) {
            // The old value depends on the order of threads, so it is not used.
            let index = self.indices(&source.extents, 1);
            let value = self.expr(source.elem, 1);
            let args = vec![Arg::Address { buffer: source.buffer, index }, Arg::Value(value)];
            self.call("atomic.add", args, Some(source.elem.into()));
            self.values.pop();
        } else if self.rng.percent(30) {
            let (value, limit) = self.bounded[self.rng.below(self.bounded.len())];
            let limit = self.int(limit);
            let cond = self.emit(Type::BOOL, Op::Compare(CompareOp::Lt, value, limit));
            self.stmt(Stmt::Assert { cond, message: "an index stays below its limit".to_owned() });
        }
    }
}
