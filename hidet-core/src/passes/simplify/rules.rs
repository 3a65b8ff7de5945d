//! The rules of algebra: exact on integers that wrap, and on booleans. Floats are left alone.

use super::Simplifier;
use super::key::commutes;
use crate::ir::{BinaryOp, CompareOp, Op, UnaryOp, ValueId};
use crate::passes::bounds::{Atom, Linear};
use crate::passes::fold::{int, int_range};
use crate::types::{Const, Scalar, Type};

/// What stands for an operation.
pub(super) enum Simpler {
    /// A value that is there already.
    Value(ValueId),
    /// An operation, possibly the same.
    Op(Op),
}

/// An emitted form of more terms would cost more than the division it replaces.
const MOST_TERMS: usize = 2;

impl Simplifier<'_> {
    /// One step simpler, or the same.
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
            Op::Vector(ref lanes) => self.whole_vector(lanes, ty),
            _ => None,
        };
        found.unwrap_or(Simpler::Op(op))
    }

    fn number(&self, value: ValueId) -> Option<i128> {
        self.constant_of(value).and_then(int)
    }

    fn known_int(&mut self, scalar: Scalar, number: i128) -> Option<Simpler> {
        Some(Simpler::Value(self.int(scalar, number as i64)))
    }

    fn known_bool(&mut self, holds: bool) -> Option<Simpler> {
        Some(Simpler::Value(self.constant(Const::bool(holds))))
    }

    fn made(&mut self, op: Op, ty: impl Into<Type>) -> Option<Simpler> {
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
            // Not of floats: with NaN both may be false.
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
        // A cast of a cast that keeps every number is a cast of the origin.
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

    fn arithmetic(&mut self, op: BinaryOp, a: ValueId, b: ValueId, scalar: Scalar) -> Option<Simpler> {
        use BinaryOp::{Add, And, Div, Max, Min, Mul, Or, Rem, Shl, Shr, Sub, Xor};
        if commutes(op) && self.number(a).is_some() && self.number(b).is_none() {
            return self.made(Op::Binary(op, b, a), scalar);
        }
        if a == b {
            match op {
                Sub | Xor => return self.known_int(scalar, 0),
                And | Or | Min | Max => return Some(Simpler::Value(a)),
                _ => {}
            }
        }
        let by = self.number(b);
        match (op, by) {
            (Add | Sub | Or | Xor | Shl | Shr, Some(0)) | (Mul | Div, Some(1)) => return Some(Simpler::Value(a)),
            (Mul | And, Some(0)) | (Rem, Some(1)) => return self.known_int(scalar, 0),
            (And, Some(-1)) => return Some(Simpler::Value(a)),
            _ => {}
        }
        match op {
            Add | Sub => self.sum(op, a, b, scalar),
            Mul => self.product(a, by?, scalar),
            Div | Rem => self.division(op, a, b, scalar),
            Shr => {
                let by = by.filter(|by| (0..63).contains(by))?;
                if let Some(Op::Binary(Shr, inner, first)) = self.op(a).cloned()
                    && let Some(both) = self.number(first).map(|first| first + by)
                    && (0..8 * scalar.bytes() as i128).contains(&both)
                {
                    let both = self.int(scalar, both as i64);
                    return self.made(Op::Binary(Shr, inner, both), scalar);
                }
                self.quotient(op, a, 1 << by, scalar)
            }
            And => {
                let mask = by.filter(|mask| *mask >= 0)?;
                if let Some(Op::Binary(And, inner, other)) = self.op(a).cloned()
                    && let Some(other) = self.number(other)
                {
                    let mask = self.int(scalar, (mask & other) as i64);
                    return self.made(Op::Binary(And, inner, mask), scalar);
                }
                if (mask + 1).count_ones() == 1 { self.quotient(op, a, mask + 1, scalar) } else { None }
            }
            Min | Max => {
                let (smaller, larger) = if self.facts.compare(self.function, CompareOp::Le, a, b) == Some(true) {
                    (a, b)
                } else if self.facts.compare(self.function, CompareOp::Le, b, a) == Some(true) {
                    (b, a)
                } else {
                    return None;
                };
                Some(Simpler::Value(if op == Min { smaller } else { larger }))
            }
            _ => None,
        }
    }

    /// Sums: constants are gathered, and what cancels goes.
    fn sum(&mut self, op: BinaryOp, a: ValueId, b: ValueId, scalar: Scalar) -> Option<Simpler> {
        let sign = if op == BinaryOp::Sub { -1 } else { 1 };
        let (x, y) = (self.facts.linear(self.function, a), self.facts.linear(self.function, b));
        // Holds modulo the width, so it does not matter whether the sum wraps.
        if let Some(form) = x.combine(1, &y, sign)
            && form.terms.len() < x.terms.len().max(y.terms.len()).max(1)
            && let Some(value) = self.form(&form, scalar)
        {
            return Some(Simpler::Value(value));
        }
        match (op, self.op(a)) {
            (BinaryOp::Sub, Some(Op::Binary(BinaryOp::Add, c, d))) if *d == b => return Some(Simpler::Value(*c)),
            (BinaryOp::Sub, Some(Op::Binary(BinaryOp::Add, c, d))) if *c == b => return Some(Simpler::Value(*d)),
            (BinaryOp::Add, Some(Op::Binary(BinaryOp::Sub, c, d))) if *d == b => return Some(Simpler::Value(*c)),
            _ => {}
        }
        let by = self.number(b)?;
        let mut total = by * sign;
        let mut base = a;
        if let Some(Op::Binary(inner @ (BinaryOp::Add | BinaryOp::Sub), c, d)) = self.op(a).cloned()
            && let Some(more) = self.number(d)
        {
            total += if inner == BinaryOp::Add { more } else { -more };
            base = c;
        }
        let total = int(Const::int(scalar, total as i64))?;
        if base == a && op == add_or_sub(total, scalar) {
            return None;
        }
        self.plus(base, total, scalar).map(Simpler::Value)
    }

    /// `value + number`, as a difference where the number is negative.
    fn plus(&mut self, value: ValueId, number: i128, scalar: Scalar) -> Option<ValueId> {
        let number = int(Const::int(scalar, number as i64))?;
        if number == 0 {
            return Some(value);
        }
        let op = add_or_sub(number, scalar);
        let size = self.int(scalar, if op == BinaryOp::Sub { -number } else { number } as i64);
        Some(self.simplified(Op::Binary(op, value, size), scalar.into(), None))
    }

    fn product(&mut self, a: ValueId, by: i128, scalar: Scalar) -> Option<Simpler> {
        let Some(Op::Binary(BinaryOp::Mul, inner, other)) = self.op(a).cloned() else { return None };
        let other = self.number(other)?;
        let both = Const::int(scalar, by.wrapping_mul(other) as i64);
        let both = self.constant(both);
        self.made(Op::Binary(BinaryOp::Mul, inner, both), scalar)
    }

    fn division(&mut self, op: BinaryOp, a: ValueId, b: ValueId, scalar: Scalar) -> Option<Simpler> {
        let form = self.facts.linear(self.function, a);
        if !self.facts.nonnegative(self.function, &form) {
            return None;
        }
        if self.facts.compare(self.function, CompareOp::Lt, a, b) == Some(true) {
            return if op == BinaryOp::Rem { Some(Simpler::Value(a)) } else { self.known_int(scalar, 0) };
        }
        let by = self.number(b).filter(|by| *by > 1)?;
        if let Some(found) = self.quotient(op, a, by, scalar) {
            return Some(found);
        }
        if by.count_ones() == 1 {
            let (op, with) = match op {
                BinaryOp::Div => (BinaryOp::Shr, i128::from(by.trailing_zeros())),
                _ => (BinaryOp::And, by - 1),
            };
            let with = self.int(scalar, with as i64);
            return self.made(Op::Binary(op, a, with), scalar);
        }
        let Some(Op::Binary(BinaryOp::Div, inner, other)) = self.op(a).cloned() else { return None };
        let both = self.number(other).filter(|other| *other > 0)?.checked_mul(by)?;
        let inner_form = self.facts.linear(self.function, inner);
        if op == BinaryOp::Div && both <= i128::from(i32::MAX) && self.facts.nonnegative(self.function, &inner_form) {
            let both = self.int(scalar, both as i64);
            return self.made(Op::Binary(op, inner, both), scalar);
        }
        None
    }

    /// Of a number `a = by * q + r` that is not negative and whose parts are known with `0 <= r < by`: `q` (of a
    /// division or shift) or `r` (of a remainder or mask).
    fn quotient(&mut self, op: BinaryOp, a: ValueId, by: i128, scalar: Scalar) -> Option<Simpler> {
        let form = self.facts.linear(self.function, a);
        if !self.facts.nonnegative(self.function, &form) {
            return None;
        }
        // Of a multiple it is a multiple again, of however many terms.
        if matches!(op, BinaryOp::Div | BinaryOp::Shr)
            && let Some(Op::Binary(BinaryOp::Mul, inner, factor)) = self.op(a).cloned()
            && let Some(factor) = self.number(factor).filter(|factor| factor % by == 0)
            && self.facts.linear(self.function, inner).times(factor).as_ref() == Some(&form)
        {
            let factor = self.int(scalar, (factor / by) as i64);
            return self.made(Op::Binary(BinaryOp::Mul, inner, factor), scalar);
        }
        let (mut whole, mut rest) =
            (Linear::constant(form.constant.div_euclid(by)), Linear::constant(form.constant.rem_euclid(by)));
        for (atom, factor) in &form.terms {
            if factor % by == 0 {
                whole.terms.push((atom.clone(), factor / by));
            } else {
                rest.terms.push((atom.clone(), *factor));
            }
        }
        let gap = Linear::constant(by - 1).minus(&rest)?;
        if !self.facts.nonnegative(self.function, &rest) || !self.facts.nonnegative(self.function, &gap) {
            return None;
        }
        let part = if matches!(op, BinaryOp::Div | BinaryOp::Shr) { whole } else { rest };
        if part == form {
            return Some(Simpler::Value(a));
        }
        self.form(&part, scalar).map(Simpler::Value)
    }

    /// Computes a form of few terms whose atoms are all at hand in that type.
    fn form(&mut self, form: &Linear, scalar: Scalar) -> Option<ValueId> {
        if form.terms.len() > MOST_TERMS {
            return None;
        }
        let mut terms = Vec::new();
        for (atom, factor) in &form.terms {
            let factor = i64::try_from(*factor).ok()?;
            let value = match atom {
                Atom::Value(value) if self.function.ty(*value) == scalar.into() && self.depth.contains_key(value) => {
                    *value
                }
                Atom::Dim(dim) if scalar == Scalar::I32 => self.simplified(Op::Dim(*dim), Type::I32, None),
                Atom::Special(special) if scalar == Scalar::I32 => {
                    self.simplified(Op::Special(*special), Type::I32, None)
                }
                _ => return None,
            };
            terms.push((value, factor));
        }
        let mut sum = None;
        for (value, factor) in terms {
            let factor = self.int(scalar, factor);
            let term = self.simplified(Op::Binary(BinaryOp::Mul, value, factor), scalar.into(), None);
            sum = Some(match sum {
                None => term,
                Some(sum) => self.simplified(Op::Binary(BinaryOp::Add, sum, term), scalar.into(), None),
            });
        }
        match sum {
            None => Some(self.int(scalar, form.constant as i64)),
            Some(sum) => self.plus(sum, form.constant, scalar),
        }
    }
}

/// How a constant is added.
fn add_or_sub(number: i128, scalar: Scalar) -> BinaryOp {
    let (least, _) = int_range(scalar);
    if number < 0 && number > least { BinaryOp::Sub } else { BinaryOp::Add }
}

impl CompareOp {
    /// The comparison that holds for exchanged operands.
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
