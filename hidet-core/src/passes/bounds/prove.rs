//! Proofs that a linear form is nonnegative, and comparisons by such proofs.

use super::{Atom, Counter, Facts, Linear, formula};
use crate::ir::{BinaryOp, CompareOp, Function, Op, Special, ValueId};
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::rc::Rc;

/// Maximum number of steps of a proof.
const BUDGET: u32 = 400;
/// Maximum number of facts that a proof uses one after the other.
const DEPTH: u32 = 5;

/// For which constants the sum of some terms and the constant was tried.
#[derive(Clone, Copy, Default)]
pub(super) struct Tried {
    /// The smallest with which it is proved to be nonnegative.
    proved: Option<i128>,
    /// The largest with which no proof was found.
    failed: Option<i128>,
}

impl Facts {
    /// Returns true if the form is proved to be nonnegative. In unrolled loops most forms differ by a constant only, so a
    /// proof is kept for larger constants, and a failure for smaller ones.
    pub fn nonnegative(&mut self, function: &Function, form: &Linear) -> bool {
        if self.range(function, form).0 >= 0 {
            return true;
        }
        let set = self.sets.last().copied().unwrap_or(0);
        let tried = self.tried.get(&set).and_then(|tried| tried.get(&form.terms)).copied().unwrap_or_default();
        if tried.proved.is_some_and(|least| form.constant >= least) {
            return true;
        }
        if tried.failed.is_some_and(|most| form.constant <= most) {
            return false;
        }
        self.budget = BUDGET;
        self.failed.clear();
        let proved = self.prove(function, form, DEPTH);
        let constant = Some(form.constant);
        let tried = if proved { Tried { proved: constant, ..tried } } else { Tried { failed: constant, ..tried } };
        self.tried.entry(set).or_default().insert(form.terms.clone(), tried);
        proved
    }

    /// Returns true if the form is proved to be nonnegative wherever its atoms are defined, independent of branches; if
    /// values stay in place, it suffices that this holds here.
    pub(super) fn nowhere_negative(&mut self, function: &Function, form: &Linear) -> bool {
        let kept = if self.in_place { self.facts.len() } else { self.everywhere };
        let here = self.facts.split_off(kept);
        let (spent, depth) = (self.budget, 3);
        let failed = std::mem::take(&mut self.failed);
        self.budget = BUDGET / 8;
        let proved = self.prove(function, form, depth);
        self.budget = spent;
        self.failed = failed;
        self.facts.extend(here);
        proved
    }

    fn prove(&mut self, function: &Function, form: &Linear, depth: u32) -> bool {
        if self.range(function, form).0 >= 0 {
            return true;
        }
        if depth == 0 || self.budget == 0 {
            return false;
        }
        // Eliminating the same atoms in another order leads to the same form.
        let fingerprint = form.fingerprint();
        if self.failed.get(&fingerprint).is_some_and(|tried| *tried >= depth) {
            return false;
        }
        if self.eliminate(function, form, depth) {
            return true;
        }
        self.failed.insert(fingerprint, depth);
        false
    }

    /// Proves a form by eliminating one of its atoms.
    fn eliminate(&mut self, function: &Function, form: &Linear, depth: u32) -> bool {
        for (atom, factor) in &form.terms {
            if let Some(cases) = self.cases(function, atom) {
                // A minimum is one of its operands, so what holds for both holds for it.
                self.budget = self.budget.saturating_sub(1);
                let rest = form.combine(1, &Linear::atom(atom.clone()), -factor);
                let mut forms = cases.iter().map(|case| rest.as_ref().and_then(|rest| rest.combine(1, case, *factor)));
                if forms.all(|form| form.is_some_and(|form| self.prove(function, &form, depth - 1))) {
                    return true;
                }
            }
            let own = self.facts_of(function, atom);
            for at in 0..own.len() + self.facts.len() {
                // Those of the innermost branch first.
                let fact = own.get(at).unwrap_or_else(|| &self.facts[self.facts.len() - 1 - (at - own.len())]);
                let theirs = fact.factor(atom);
                if theirs.signum() != factor.signum() {
                    continue;
                }
                if self.budget == 0 {
                    return false;
                }
                self.budget -= 1;
                let Some(rest) = form.combine(theirs.abs(), fact, -factor.abs()) else { continue };
                if self.prove(function, &rest, depth - 1) {
                    return true;
                }
            }
        }
        false
    }

    /// Returns the operands of an atom that is a minimum or a maximum.
    fn cases(&mut self, function: &Function, atom: &Atom) -> Option<[Linear; 2]> {
        match atom {
            Atom::Formula(IndexExpr::Binary(IndexOp::Min | IndexOp::Max, a, b)) => Some([formula(a)?, formula(b)?]),
            Atom::Value(value) => match self.ops[*value].as_ref()? {
                Op::Binary(BinaryOp::Min | BinaryOp::Max, a, b) if function.ty(*a).scalar.is_int() => {
                    let (a, b) = (*a, *b);
                    Some([self.linear(function, a), self.linear(function, b)])
                }
                _ => None,
            },
            Atom::Formula(_) | Atom::Dim(_) | Atom::Special(_) => None,
        }
    }

    /// Returns the facts that hold for an atom by its definition.
    fn facts_of(&mut self, function: &Function, atom: &Atom) -> Rc<[Linear]> {
        if let Some(known) = self.defining.get(atom) {
            return known.clone();
        }
        let found: Rc<[Linear]> = self.defining_facts(function, atom).into();
        self.defining.insert(atom.clone(), found.clone());
        found
    }

    fn defining_facts(&mut self, function: &Function, atom: &Atom) -> Vec<Linear> {
        let own = Linear::atom(atom.clone());
        let mut found = Vec::new();
        let exact = |facts: &Facts, whole: &Linear, by: i128| {
            // If all other parts are multiples of the divisor, the remainder is known.
            let parts = Linear { constant: 0, terms: whole.terms.clone() };
            if facts.is_multiple(&parts, by) { whole.constant.rem_euclid(by) } else { 0 }
        };
        let between = |facts: &Facts, found: &mut Vec<Linear>, whole: &Linear, by: i128| {
            // `q = whole / by`: `by * q <= whole <= by * q + by - 1`.
            if let Some(rest) = whole.combine(1, &own, -by) {
                found.extend(rest.times(-1).map(|rest| rest.offset(by - 1)));
                found.push(rest.offset(-exact(facts, whole, by)));
            }
        };
        match atom {
            Atom::Special(Special::Warp) => {
                between(self, &mut found, &Linear::atom(Atom::Special(Special::Thread)), 32)
            }
            Atom::Special(Special::Lane) => {
                found.extend(Linear::atom(Atom::Special(Special::Thread)).minus(&own));
            }
            Atom::Formula(IndexExpr::Binary(op, a, b)) => {
                let (Some(a), Some(b)) = (formula(a), formula(b)) else { return found };
                match op {
                    IndexOp::Div => {
                        if let Some(by) = b.as_constant().filter(|by| *by > 0 && self.range(function, &a).0 >= 0) {
                            between(self, &mut found, &a, by);
                        }
                    }
                    IndexOp::Min => found.extend([a.minus(&own), b.minus(&own)].into_iter().flatten()),
                    IndexOp::Max => found.extend([own.minus(&a), own.minus(&b)].into_iter().flatten()),
                    _ => {}
                }
            }
            Atom::Value(value) => {
                if let Some(facts) = self.bounded.get(value) {
                    return facts.clone();
                }
                if let Some(counter @ Counter { start, end, inclusive, step }) = self.counters.get(value).copied() {
                    let (first, last) = (self.linear(function, start), self.linear(function, end));
                    let step = self.linear(function, step).as_constant().unwrap_or(1).max(1);
                    let trip = last.minus(&first);
                    let whole = !inclusive && trip.is_some_and(|trip| self.is_multiple(&trip, step));
                    found.extend(own.minus(&first));
                    found.extend(last.minus(&own).map(|gap| gap.offset(if whole { -step } else { -counter.short() })));
                    return found;
                }
                let Some(Op::Binary(op, a, b)) = self.ops[*value].clone() else { return found };
                if !function.ty(a).scalar.is_int() || function.ty(a).lanes != 1 {
                    return found;
                }
                let (a, b) = (self.linear(function, a), self.linear(function, b));
                let positive = b.as_constant().filter(|by| *by > 0);
                match (op, positive) {
                    (BinaryOp::Div, Some(by)) if self.range(function, &a).0 >= 0 => between(self, &mut found, &a, by),
                    (BinaryOp::Shr, Some(by)) if by < 62 && self.range(function, &a).0 >= 0 => {
                        between(self, &mut found, &a, 1 << by);
                    }
                    (BinaryOp::Rem | BinaryOp::And, _) if self.range(function, &a).0 >= 0 => {
                        found.extend(a.minus(&own));
                        // `a % b < b` for positive `b`; a remainder by 0 is a fault.
                        if op == BinaryOp::Rem && self.range(function, &b).0 >= 0 {
                            found.extend(b.minus(&own).map(|gap| gap.offset(-1)));
                        }
                    }
                    (BinaryOp::Div, None) if self.range(function, &a).0 >= 0 && self.range(function, &b).0 >= 0 => {
                        found.extend(a.minus(&own));
                    }
                    (BinaryOp::Min, _) => found.extend([a.minus(&own), b.minus(&own)].into_iter().flatten()),
                    (BinaryOp::Max, _) => found.extend([own.minus(&a), own.minus(&b)].into_iter().flatten()),
                    _ => {}
                }
            }
            _ => {}
        }
        found
    }

    /// Returns the result of a comparison of two integers, if it is known.
    pub fn compare(&mut self, function: &Function, op: CompareOp, a: ValueId, b: ValueId) -> Option<bool> {
        if !function.ty(a).scalar.is_int() || function.ty(a).lanes != 1 {
            return None;
        }
        let (x, y) = (self.linear(function, a), self.linear(function, b));
        let gap = y.minus(&x)?;
        let mut at_least =
            |form: Option<Linear>, by: i128| form.is_some_and(|form| self.nonnegative(function, &form.offset(-by)));
        let less = |at_least: &mut dyn FnMut(Option<Linear>, i128) -> bool| {
            if at_least(Some(gap.clone()), 1) {
                Some(true)
            } else if at_least(gap.times(-1), 0) {
                Some(false)
            } else {
                None
            }
        };
        let greater = |at_least: &mut dyn FnMut(Option<Linear>, i128) -> bool| {
            if at_least(gap.times(-1), 1) {
                Some(true)
            } else if at_least(Some(gap.clone()), 0) {
                Some(false)
            } else {
                None
            }
        };
        let equal = |at_least: &mut dyn FnMut(Option<Linear>, i128) -> bool| {
            if gap.as_constant() == Some(0) {
                Some(true)
            } else if at_least(Some(gap.clone()), 1) || at_least(gap.times(-1), 1) {
                Some(false)
            } else {
                None
            }
        };
        match op {
            CompareOp::Lt => less(&mut at_least),
            CompareOp::Ge => less(&mut at_least).map(|holds| !holds),
            CompareOp::Gt => greater(&mut at_least),
            CompareOp::Le => greater(&mut at_least).map(|holds| !holds),
            CompareOp::Eq => equal(&mut at_least),
            CompareOp::Ne => equal(&mut at_least).map(|holds| !holds),
        }
    }
}
