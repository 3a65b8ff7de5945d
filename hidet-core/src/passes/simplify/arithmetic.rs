//! The rules of integer arithmetic: sums, products and quotients, simplified by the facts about their operands.
//!
//! The rules are exact for wrapping integers. Floats are not changed.

use super::Simplifier;
use super::key::commutes;
use super::rules::Simpler;
use crate::ir::{BinaryOp, CompareOp, Op, ValueId};
use crate::passes::bounds::{Atom, Linear};
use crate::passes::fold::{int, int_range};
use crate::types::{Const, Scalar, Type};

/// Maximum number of terms of an emitted form; more would cost more than the division that it replaces.
const MOST_TERMS: usize = 2;

impl Simplifier<'_> {
    pub(super) fn arithmetic(&mut self, op: BinaryOp, a: ValueId, b: ValueId, scalar: Scalar) -> Option<Simpler> {
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

    /// Simplifies a sum or difference: collects constants and cancels terms.
    fn sum(&mut self, op: BinaryOp, a: ValueId, b: ValueId, scalar: Scalar) -> Option<Simpler> {
        let sign = if op == BinaryOp::Sub { -1 } else { 1 };
        let (x, y) = (self.facts.linear(self.function, a), self.facts.linear(self.function, b));
        // This holds modulo 2^bits, so the sum may wrap.
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

    /// Returns `value + number`, as a difference if the number is negative.
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

    /// Simplifies a division or shift to `q`, or a remainder or mask to `r`, if `a` is nonnegative and known to be
    /// `by * q + r` with `0 <= r < by`.
    fn quotient(&mut self, op: BinaryOp, a: ValueId, by: i128, scalar: Scalar) -> Option<Simpler> {
        let form = self.facts.linear(self.function, a);
        if !self.facts.nonnegative(self.function, &form) {
            return None;
        }
        // `inner * factor / by` is `inner * (factor / by)` if `by` divides `factor`, however many terms `inner` has.
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
        let divides = matches!(op, BinaryOp::Div | BinaryOp::Shr);
        for (atom, factor) in &form.terms {
            if factor % by == 0 {
                whole.terms.push((atom.clone(), factor / by));
            } else if divides || self.facts.divisor(atom, *factor) % by != 0 {
                rest.terms.push((atom.clone(), *factor));
            }
        }
        let gap = Linear::constant(by - 1).minus(&rest)?;
        if !self.facts.nonnegative(self.function, &rest) || !self.facts.nonnegative(self.function, &gap) {
            return None;
        }
        let part = if divides { whole } else { rest };
        if part == form {
            return Some(Simpler::Value(a));
        }
        self.form(&part, scalar).map(Simpler::Value)
    }

    /// Emits a form of few terms whose atoms are all available in the type.
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

/// Returns the operation that adds a constant.
fn add_or_sub(number: i128, scalar: Scalar) -> BinaryOp {
    let (least, _) = int_range(scalar);
    if number < 0 && number > least { BinaryOp::Sub } else { BinaryOp::Add }
}
