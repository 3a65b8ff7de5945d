//! Minima and maxima of three, one of them negated: in a minimum of three, ptxas forgets the sign.

use super::numbers::Numbers;
use crate::ir::{BinaryOp, CompareOp, Op, Stmt, UnaryOp, ValueId};

impl Numbers {
    /// Returns a minimum or maximum of three, one of which is negated in one of the ways that compilers see through.
    pub(super) fn extremum(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let scalar = self.b.f.ty(a).scalar;
        let c = self.old_of(scalar);
        let negated = match self.b.rng.below(5) {
            0 if scalar.is_signed_int() => self.b.emit(scalar, Op::Unary(UnaryOp::Neg, b)),
            0 | 1 => self.with(BinaryOp::Mul, b, -1),
            2 => {
                let flipped = self.with(BinaryOp::Xor, b, -1);
                self.with(BinaryOp::Add, flipped, 1)
            }
            3 => {
                let difference = self.b.binary(BinaryOp::Sub, c, b);
                self.b.binary(BinaryOp::Sub, difference, c)
            }
            _ => {
                let zero = self.b.constant(scalar, 0);
                let var = self.b.declare(scalar.into(), Some(zero));
                let zero = self.b.emit(scalar, Op::Read(var));
                self.b.binary(BinaryOp::Sub, zero, b)
            }
        };
        let op = self.b.rng.pick(&[BinaryOp::Min, BinaryOp::Max]);
        if self.b.rng.percent(60) {
            let inner = self.choice(op, a, negated);
            return self.choice(op, inner, c);
        }
        // Minima of which only one is taken.
        let (left, right) = (self.choice(op, a, negated), self.choice(op, c, negated));
        let cond = self.compare(if op == BinaryOp::Min { CompareOp::Lt } else { CompareOp::Gt }, a, c);
        self.b.emit(scalar, Op::Select(cond, left, right))
    }

    /// Returns a minimum or maximum, by the operation, a choice or a branch.
    fn choice(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let scalar = self.b.f.ty(a).scalar;
        let order = if op == BinaryOp::Min { CompareOp::Lt } else { CompareOp::Gt };
        match self.b.rng.below(4) {
            0 | 1 => self.b.binary(op, a, b),
            2 => {
                let cond = self.compare(order, a, b);
                self.b.emit(scalar, Op::Select(cond, a, b))
            }
            _ => {
                let var = self.b.declare(scalar.into(), Some(a));
                let old = self.b.emit(scalar, Op::Read(var));
                let cond = self.compare(order, b, old);
                let mark = self.b.enter();
                self.b.stmt(Stmt::Assign { var, value: b });
                let then = self.b.leave(mark);
                let mark = self.b.enter();
                let otherwise = self.b.leave(mark);
                self.b.stmt(Stmt::If { cond, then, otherwise });
                self.b.emit(scalar, Op::Read(var))
            }
        }
    }
}
