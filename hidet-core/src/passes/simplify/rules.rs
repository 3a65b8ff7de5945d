//! The rules of algebra for single operations, exact for wrapping integers and for booleans. Floats are not changed.
//!
//! The rules of integer arithmetic are in `arithmetic`.

use super::Simplifier;
use crate::ir::{BinaryOp, CompareOp, Op, UnaryOp, ValueId};
use crate::passes::fold::{int, int_range};
use crate::types::{Const, Scalar, Type};

/// The replacement of an operation.
pub(super) enum Simpler {
    /// An existing value.
    Value(ValueId),
    /// An operation, possibly the same.
    Op(Op),
}

impl Simplifier<'_> {
    /// Returns an operation one step simpler, or unchanged.
    pub(super) fn rule(&mut self, op: Op, ty: Type) -> Simpler {
        let found = match op {
            Op::Binary(op, a, b) if ty.lanes == 1 && ty.scalar == Scalar::Bool => self.logic(op, a, b),
            Op::Binary(op, a, b) if ty.lanes == 1 && ty.scalar.is_int() => self.arithmetic(op, a, b, ty.scalar),
            Op::Unary(UnaryOp::Not, a) if ty == Type::BOOL => self.not(a),
            Op::Unary(UnaryOp::Neg | UnaryOp::Not, a) if !ty.scalar.is_float() => match (self.op(a), &op) {
                (Some(Op::Unary(UnaryOp::Neg, inner)), Op::Unary(UnaryOp::Neg, _))
                | (Some(Op::Unary(UnaryOp::Not, inner)), Op::Unary(UnaryOp::Not, _)) => Some(Simpler::Value(*inner)),
                _ => None,
            },
            Op::Compare(op, a, b) => self.comparison(op, a, b),
            Op::Select(cond, a, b) => self.selection(cond, a, b, ty),
            Op::Cast(a) => self.cast(a, ty),
            Op::Bitcast(a) if self.function.ty(a) == ty => Some(Simpler::Value(a)),
            Op::Extract(a, lane) => match self.op(a) {
                Some(Op::Vector(lanes)) => lanes.get(usize::from(lane)).copied().map(Simpler::Value),
                _ => None,
            },
            Op::Vector(ref lanes) => self.whole_vector(lanes, ty).or_else(|| self.vector_of_casts(lanes, ty)),
            _ => None,
        };
        found.unwrap_or(Simpler::Op(op))
    }

    pub(super) fn number(&self, value: ValueId) -> Option<i128> {
        self.constant_of(value).and_then(int)
    }

    pub(super) fn known_int(&mut self, scalar: Scalar, number: i128) -> Option<Simpler> {
        Some(Simpler::Value(self.int(scalar, number as i64)))
    }

    fn known_bool(&mut self, holds: bool) -> Option<Simpler> {
        Some(Simpler::Value(self.constant(Const::bool(holds))))
    }

    pub(super) fn made(&mut self, op: Op, ty: impl Into<Type>) -> Option<Simpler> {
        Some(Simpler::Value(self.simplified(op, ty.into(), None)))
    }

    fn logic(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> Option<Simpler> {
        let (x, y) = (self.constant_of(a).and_then(Const::as_bool), self.constant_of(b).and_then(Const::as_bool));
        let (a, b, known) = if x.is_some() { (b, a, x) } else { (a, b, y) };
        match (op, known) {
            (BinaryOp::And, Some(true)) | (BinaryOp::Or | BinaryOp::Xor, Some(false)) => Some(Simpler::Value(a)),
            (BinaryOp::And, Some(false)) => self.known_bool(false),
            (BinaryOp::Or, Some(true)) => self.known_bool(true),
            (BinaryOp::Xor, Some(true)) => self.made(Op::Unary(UnaryOp::Not, a), Type::BOOL),
            (BinaryOp::And | BinaryOp::Or, None) if a == b => Some(Simpler::Value(a)),
            (BinaryOp::Xor, None) if a == b => self.known_bool(false),
            (BinaryOp::And | BinaryOp::Or, None) => {
                let within = |whole, part| matches!(self.op(whole), Some(Op::Binary(inner, x, y)) if *inner == op && (*x == part || *y == part));
                if within(a, b) {
                    Some(Simpler::Value(a))
                } else if within(b, a) {
                    Some(Simpler::Value(b))
                } else {
                    None
                }
            }
            _ => None,
        }
    }

    fn not(&mut self, a: ValueId) -> Option<Simpler> {
        match self.op(a) {
            Some(Op::Unary(UnaryOp::Not, inner)) => Some(Simpler::Value(*inner)),
            // Not for floats: with NaN both may be false.
            Some(Op::Compare(op, x, y)) if self.function.ty(*x).scalar.is_int() => {
                let negated = Op::Compare(op.negated(), *x, *y);
                self.made(negated, Type::BOOL)
            }
            _ => None,
        }
    }

    fn comparison(&mut self, op: CompareOp, a: ValueId, b: ValueId) -> Option<Simpler> {
        let ty = self.function.ty(a);
        if ty == Type::BOOL {
            let known = self.constant_of(b).and_then(Const::as_bool)?;
            return match op {
                CompareOp::Eq | CompareOp::Ne if known == (op == CompareOp::Eq) => Some(Simpler::Value(a)),
                CompareOp::Eq | CompareOp::Ne => self.made(Op::Unary(UnaryOp::Not, a), Type::BOOL),
                _ => None,
            };
        }
        if !ty.scalar.is_int() {
            return None;
        }
        if let Some(holds) = self.facts.compare(self.function, op, a, b) {
            return self.known_bool(holds);
        }
        if self.number(a).is_some() {
            return Some(Simpler::Op(Op::Compare(op.mirrored(), b, a)));
        }
        None
    }

    fn selection(&mut self, cond: ValueId, a: ValueId, b: ValueId, ty: Type) -> Option<Simpler> {
        if a == b {
            return Some(Simpler::Value(a));
        }
        if let Some(holds) = self.constant_of(cond).and_then(Const::as_bool) {
            return Some(Simpler::Value(if holds { a } else { b }));
        }
        if ty == Type::BOOL {
            let (x, y) = (self.constant_of(a).and_then(Const::as_bool), self.constant_of(b).and_then(Const::as_bool));
            match (x, y) {
                (Some(true), Some(false)) => return Some(Simpler::Value(cond)),
                (Some(false), Some(true)) => return self.made(Op::Unary(UnaryOp::Not, cond), ty),
                (Some(true), None) => return self.made(Op::Binary(BinaryOp::Or, cond, b), ty),
                (None, Some(false)) => return self.made(Op::Binary(BinaryOp::And, cond, a), ty),
                _ => {}
            }
        }
        if let Some(Op::Unary(UnaryOp::Not, inner)) = self.op(cond) {
            return Some(Simpler::Op(Op::Select(*inner, b, a)));
        }
        None
    }

    fn cast(&mut self, a: ValueId, ty: Type) -> Option<Simpler> {
        let from = self.function.ty(a);
        if from == ty {
            return Some(Simpler::Value(a));
        }
        // A cast of a lossless cast is a cast of the original value.
        let Some(Op::Cast(origin)) = self.op(a) else { return None };
        let origin = *origin;
        if ty.lanes != 1 || ![ty, from, self.function.ty(origin)].iter().all(|ty| ty.scalar.is_int()) {
            return None;
        }
        let (low, high) = self.facts.interval(self.function, origin);
        let range = int_range(from.scalar);
        if low < range.0 || high > range.1 {
            return None;
        }
        self.made(Op::Cast(origin), ty)
    }

    fn whole_vector(&mut self, lanes: &[ValueId], ty: Type) -> Option<Simpler> {
        let Some(Op::Extract(whole, 0)) = self.op(*lanes.first()?) else { return None };
        let whole = *whole;
        let same = lanes.iter().enumerate().all(|(lane, value)| {
            matches!(self.op(*value), Some(Op::Extract(from, have)) if *from == whole && usize::from(*have) == lane)
        });
        (same && self.function.ty(whole) == ty).then_some(Simpler::Value(whole))
    }

    /// Casts that one instruction makes in pairs are made of vectors.
    fn vector_of_casts(&mut self, lanes: &[ValueId], ty: Type) -> Option<Simpler> {
        let origin = |lane: &ValueId| match self.op(*lane) {
            Some(Op::Cast(origin)) => Some(*origin),
            _ => None,
        };
        let origins = lanes.iter().map(origin).collect::<Option<Vec<_>>>()?;
        let from = self.function.ty(*origins.first()?);
        if !from.scalar.casts_in_pairs(ty.scalar) || origins.iter().any(|origin| self.function.ty(*origin) != from) {
            return None;
        }
        let whole = self.simplified(Op::Vector(origins), Type::vector(from.scalar, ty.lanes), None);
        self.made(Op::Cast(whole), ty)
    }
}

impl CompareOp {
    /// Returns the comparison that holds for exchanged operands.
    fn mirrored(self) -> CompareOp {
        match self {
            CompareOp::Eq | CompareOp::Ne => self,
            CompareOp::Lt => CompareOp::Gt,
            CompareOp::Le => CompareOp::Ge,
            CompareOp::Gt => CompareOp::Lt,
            CompareOp::Ge => CompareOp::Le,
        }
    }
}
