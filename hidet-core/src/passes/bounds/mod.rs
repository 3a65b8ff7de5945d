//! What is known of integers: intervals, linear facts, and proofs from them.
//!
//! Known are the block's extents, that dims are at least 0 and at most [`LARGEST_EXTENT`], that a block index is below
//! the grid's extent, what the launcher checks of the dims, the range of a loop's index, and, inside of a branch, its
//! condition. A value is taken for a linear form of others only where the arithmetic provably does not wrap.
//!
//! A proof of `l >= 0` tries intervals, then eliminates one atom after the other with facts `f >= 0`. It is sound and
//! gives up early: what is not proved may still be true.

mod access;
mod linear;

pub(crate) use access::{Proofs, elements, proved_statements};
pub(crate) use linear::{Atom, Linear};

use super::fold::int_range;
use crate::ir::{
    BinaryOp, Block, CompareOp, DimId, Function, Handle, LARGEST_EXTENT, Op, Relation, Special, Stmt, UnaryOp, ValueId,
};
use crate::types::Type;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::collections::HashMap;

/// The largest dim.
const MOST_EXTENT: i128 = LARGEST_EXTENT as i128;
/// Steps a proof may take.
const BUDGET: u32 = 400;
/// Forms of more terms are not followed.
const MOST_TERMS: usize = 12;
/// Facts a proof may use one after the other.
const DEPTH: u32 = 5;

/// What is known at a place of a function.
pub(crate) struct Facts {
    ops: HashMap<ValueId, Op>,
    counters: HashMap<ValueId, Counter>,
    intervals: HashMap<ValueId, (i128, i128)>,
    forms: HashMap<ValueId, Linear>,
    grid: [(i128, i128); 3],
    /// Linear forms known not to be negative: everywhere, then inside of the branches open now.
    facts: Vec<Linear>,
    /// Linear forms known to be multiples.
    multiples: Vec<(Linear, i128)>,
    /// How many of the facts hold everywhere.
    everywhere: usize,
    budget: u32,
}

/// The parts of a loop that counts.
#[derive(Clone, Copy)]
struct Counter {
    start: ValueId,
    end: ValueId,
    step: ValueId,
}

impl Facts {
    /// What is known at the beginning of a function.
    pub fn of(function: &Function) -> Facts {
        let mut facts = Facts {
            ops: HashMap::new(),
            counters: HashMap::new(),
            intervals: HashMap::new(),
            forms: HashMap::new(),
            grid: std::array::from_fn(|axis| formula_interval(&function.launch.grid[axis])),
            facts: Vec::new(),
            multiples: Vec::new(),
            everywhere: 0,
            budget: 0,
        };
        for constraint in &function.constraints {
            let (Some(left), Some(right)) = (formula(&constraint.left), formula(&constraint.right)) else { continue };
            let Some(gap) = right.minus(&left) else { continue };
            match constraint.relation {
                Relation::LessEqual => facts.facts.push(gap),
                Relation::Less => facts.facts.push(gap.offset(-1)),
                Relation::Equal => {
                    facts.facts.extend(gap.times(-1));
                    facts.facts.push(gap);
                }
                Relation::MultipleOf => {
                    if let Some(of) = right.as_constant().filter(|of| *of > 0) {
                        facts.multiples.push((left, of));
                    }
                }
            }
        }
        for (axis, special) in [Special::BlockX, Special::BlockY, Special::BlockZ].into_iter().enumerate() {
            // A block index is at most the grid's extent less one.
            if let Some(extent) = formula(&function.launch.grid[axis]) {
                facts.facts.extend(extent.minus(&Linear::atom(Atom::Special(special))).map(|gap| gap.offset(-1)));
            }
        }
        facts.everywhere = facts.facts.len();
        facts
    }

    /// Notes what a `let` defines.
    pub fn define(&mut self, function: &Function, value: ValueId, op: &Op) {
        self.ops.insert(value, op.clone());
        if function.ty(value).scalar.is_int() {
            // In order of definition, so that the form of an operand is always known already.
            self.linear(function, value);
        }
    }

    /// Notes a loop that counts; call it before its body.
    pub fn count(&mut self, index: ValueId, start: ValueId, end: ValueId, step: ValueId) {
        self.counters.insert(index, Counter { start, end, step });
    }

    /// What the value is, where a `let` defines it.
    pub fn op(&self, value: ValueId) -> Option<&Op> {
        self.ops.get(&value)
    }

    /// The number of facts now, for [`Facts::forget`].
    pub fn mark(&self) -> usize {
        self.facts.len()
    }

    /// Forgets the facts noted since.
    pub fn forget(&mut self, mark: usize) {
        self.facts.truncate(mark);
    }

    /// Notes that a condition holds, or that it does not.
    pub fn assume(&mut self, function: &Function, cond: ValueId, holds: bool) {
        match self.ops.get(&cond).cloned() {
            Some(Op::Unary(UnaryOp::Not, inner)) => self.assume(function, inner, !holds),
            Some(Op::Binary(op, a, b)) if (op == BinaryOp::And && holds) || (op == BinaryOp::Or && !holds) => {
                self.assume(function, a, holds);
                self.assume(function, b, holds);
            }
            Some(Op::Compare(op, a, b)) => {
                if !function.ty(a).scalar.is_int() {
                    return;
                }
                let op = if holds { op } else { op.negated() };
                let (a, b) = (self.linear(function, a), self.linear(function, b));
                let Some(gap) = b.minus(&a) else { return };
                let gaps = match op {
                    CompareOp::Lt => vec![Some(gap.offset(-1))],
                    CompareOp::Le => vec![Some(gap)],
                    CompareOp::Gt => vec![gap.times(-1).map(|gap| gap.offset(-1))],
                    CompareOp::Ge => vec![gap.times(-1)],
                    CompareOp::Eq => vec![gap.times(-1), Some(gap)],
                    CompareOp::Ne => vec![],
                };
                for gap in gaps.into_iter().flatten() {
                    let gap = self.tightened(gap);
                    self.facts.push(gap);
                }
            }
            _ => {}
        }
    }

    /// A fact as strong as it can be: `4 * i + c >= 0` holds for the next lower multiple of 4 in place of `c`.
    fn tightened(&self, mut fact: Linear) -> Linear {
        let common = fact.terms.iter().fold(0, |common, (atom, factor)| gcd(common, factor * self.divisor(atom)));
        if common > 1 {
            fact.constant = fact.constant.div_euclid(common) * common;
        }
        fact
    }

    /// A number that an atom is known to be a multiple of.
    fn divisor(&self, atom: &Atom) -> i128 {
        let of_atom =
            |(form, by): &(Linear, i128)| (form.constant == 0 && form.terms == [(atom.clone(), 1)]).then_some(*by);
        self.multiples.iter().filter_map(of_atom).fold(1, |known, by| known / gcd(known, by) * by)
    }

    /// The least and the largest number a value can be.
    pub fn interval(&mut self, function: &Function, value: ValueId) -> (i128, i128) {
        if let Some(known) = self.intervals.get(&value) {
            return *known;
        }
        let ty = function.ty(value);
        let range = if ty.scalar.is_int() { int_range(ty.scalar) } else { (0, 1) };
        let mut found = if ty.lanes == 1 { self.interval_of_op(function, value) } else { None }.unwrap_or(range);
        // What goes beyond the type may wrap.
        if found.0 < range.0 || found.1 > range.1 || found.0 > found.1 {
            found = range;
        }
        self.intervals.insert(value, found);
        found
    }

    fn interval_of_op(&mut self, function: &Function, value: ValueId) -> Option<(i128, i128)> {
        if let Some(Counter { start, end, .. }) = self.counters.get(&value).copied() {
            return Some((self.interval(function, start).0, self.interval(function, end).1 - 1));
        }
        let op = self.ops.get(&value)?.clone();
        Some(match op {
            Op::Const(constant) => {
                let number = i128::from(constant.as_int()?);
                (number, number)
            }
            Op::Dim(_) => (0, MOST_EXTENT),
            Op::Special(special) => self.special_interval(function, special),
            Op::Select(_, a, b) if function.ty(a).scalar.is_int() => {
                let (a, b) = (self.interval(function, a), self.interval(function, b));
                (a.0.min(b.0), a.1.max(b.1))
            }
            Op::Cast(a) if function.ty(a).scalar.is_int() => {
                let (low, high) = self.interval(function, a);
                let range = int_range(function.ty(value).scalar);
                if low < range.0 || high > range.1 {
                    return None;
                }
                (low, high)
            }
            Op::Cast(a) if function.ty(a) == Type::BOOL => (0, 1),
            Op::Binary(op, a, b) if function.ty(a).scalar.is_int() => {
                let (a, b) = (self.interval(function, a), self.interval(function, b));
                binary_interval(op, a, b)?
            }
            _ => return None,
        })
    }

    fn special_interval(&self, function: &Function, special: Special) -> (i128, i128) {
        let block = function.launch.block.map(i128::from);
        let threads: i128 = block.iter().product();
        let cluster: i128 = function.launch.cluster.iter().map(|extent| i128::from(*extent)).product();
        let below = |extent: i128| (0, (extent - 1).max(0));
        let exactly = |number: i128| (number, number);
        match special {
            Special::ThreadX => below(block[0]),
            Special::ThreadY => below(block[1]),
            Special::ThreadZ => below(block[2]),
            Special::BlockX => below(self.grid[0].1),
            Special::BlockY => below(self.grid[1].1),
            Special::BlockZ => below(self.grid[2].1),
            Special::BlockDimX => exactly(block[0]),
            Special::BlockDimY => exactly(block[1]),
            Special::BlockDimZ => exactly(block[2]),
            // A block runs, so there is at least one.
            Special::GridX => (1, self.grid[0].1.max(1)),
            Special::GridY => (1, self.grid[1].1.max(1)),
            Special::GridZ => (1, self.grid[2].1.max(1)),
            Special::Thread => below(threads),
            Special::Lane => below(threads.min(32)),
            Special::Warp => (0, (threads - 1).max(0) / 32),
            Special::ClusterRank => below(cluster),
            Special::ClusterSize => exactly(cluster),
        }
    }

    fn atom_interval(&mut self, function: &Function, atom: &Atom) -> (i128, i128) {
        match atom {
            Atom::Value(value) => self.interval(function, *value),
            Atom::Dim(_) => (0, MOST_EXTENT),
            Atom::Special(special) => self.special_interval(function, *special),
            Atom::Formula(formula) => formula_interval(formula),
        }
    }

    /// The value as a linear form.
    pub fn linear(&mut self, function: &Function, value: ValueId) -> Linear {
        if let Some(known) = self.forms.get(&value) {
            return known.clone();
        }
        let form = self.linear_of_op(function, value).filter(|form| form.terms.len() <= MOST_TERMS);
        let form = form.unwrap_or_else(|| Linear::atom(Atom::Value(value)));
        if self.ops.contains_key(&value) || self.counters.contains_key(&value) {
            self.forms.insert(value, form.clone());
        }
        form
    }

    fn linear_of_op(&mut self, function: &Function, value: ValueId) -> Option<Linear> {
        let ty = function.ty(value);
        if ty.lanes != 1 || !ty.scalar.is_int() {
            return None;
        }
        let range = int_range(ty.scalar);
        let form = match *self.ops.get(&value)? {
            Op::Const(constant) => return constant.as_int().map(|number| Linear::constant(i128::from(number))),
            Op::Dim(dim) => return Some(Linear::atom(Atom::Dim(dim))),
            Op::Special(special) => return Some(self.special(function, special)),
            Op::Cast(a) if function.ty(a).scalar.is_int() => {
                let (low, high) = self.interval(function, a);
                return if low >= range.0 && high <= range.1 { Some(self.linear(function, a)) } else { None };
            }
            Op::Binary(op, a, b) => {
                let (a, b) = (self.linear(function, a), self.linear(function, b));
                match (op, a.as_constant(), b.as_constant()) {
                    (BinaryOp::Add, ..) => a.plus(&b)?,
                    (BinaryOp::Sub, ..) => a.minus(&b)?,
                    (BinaryOp::Mul, Some(by), _) => b.times(by)?,
                    (BinaryOp::Mul, _, Some(by)) => a.times(by)?,
                    (BinaryOp::Shl, _, Some(by)) if (0..63).contains(&by) => a.times(1 << by)?,
                    _ => return None,
                }
            }
            _ => return None,
        };
        let (low, high) = self.range(function, &form);
        let exact = (low >= range.0 || self.nowhere_negative(function, &form.clone().offset(-range.0)))
            && (high <= range.1 || self.nowhere_negative(function, &form.times(-1)?.offset(range.1)));
        exact.then_some(form)
    }

    fn special(&self, function: &Function, special: Special) -> Linear {
        let (low, high) = self.special_interval(function, special);
        if low == high {
            return Linear::constant(low);
        }
        let [_, y, z] = function.launch.block;
        match special {
            Special::ThreadX if y == 1 && z == 1 => Linear::atom(Atom::Special(Special::Thread)),
            Special::GridX => formula(&function.launch.grid[0]).unwrap_or_else(|| Linear::atom(Atom::Special(special))),
            Special::GridY => formula(&function.launch.grid[1]).unwrap_or_else(|| Linear::atom(Atom::Special(special))),
            Special::GridZ => formula(&function.launch.grid[2]).unwrap_or_else(|| Linear::atom(Atom::Special(special))),
            _ => Linear::atom(Atom::Special(special)),
        }
    }

    /// The least and largest number a form can be, from intervals alone.
    pub fn range(&mut self, function: &Function, form: &Linear) -> (i128, i128) {
        let (mut low, mut high) = (form.constant, form.constant);
        for (atom, factor) in &form.terms {
            let (least, most) = self.atom_interval(function, atom);
            let (a, b) = (least * factor, most * factor);
            low += a.min(b);
            high += a.max(b);
        }
        (low, high)
    }

    /// Whether the form is proved not to be negative.
    pub fn nonnegative(&mut self, function: &Function, form: &Linear) -> bool {
        self.budget = BUDGET;
        self.prove(function, form, DEPTH)
    }

    /// Whether the form is proved not to be negative wherever its atoms are defined, whatever branch that is in.
    fn nowhere_negative(&mut self, function: &Function, form: &Linear) -> bool {
        let here = self.facts.split_off(self.everywhere);
        let (spent, depth) = (self.budget, 3);
        self.budget = BUDGET / 8;
        let proved = self.prove(function, form, depth);
        self.budget = spent;
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
        for (atom, factor) in &form.terms {
            let own = self.facts_of(function, atom);
            let open: Vec<Linear> =
                self.facts.iter().rev().filter(|fact| fact.factor(atom).signum() == factor.signum()).cloned().collect();
            for fact in own.iter().chain(&open) {
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

    /// What holds for an atom by its definition.
    fn facts_of(&mut self, function: &Function, atom: &Atom) -> Vec<Linear> {
        let own = Linear::atom(atom.clone());
        let mut found = Vec::new();
        let exact = |facts: &Facts, whole: &Linear, by: i128| {
            // What is left over of a number whose other parts are multiples is known.
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
                if let Some(Counter { start, end, step }) = self.counters.get(value).copied() {
                    let (first, last) = (self.linear(function, start), self.linear(function, end));
                    let step = self.linear(function, step).as_constant().unwrap_or(1).max(1);
                    let trip = last.minus(&first);
                    let whole = trip.is_some_and(|trip| self.is_multiple(&trip, step));
                    found.extend(own.minus(&first));
                    found.extend(last.minus(&own).map(|gap| gap.offset(if whole { -step } else { -1 })));
                    return found;
                }
                let Some(Op::Binary(op, a, b)) = self.ops.get(value).cloned() else { return found };
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
                        // `a % b < b` for positive `b`; a remainder by 0 is faulty.
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

    /// Whether a form is known to be a multiple of a number.
    pub fn is_multiple(&self, form: &Linear, of: i128) -> bool {
        let known = |atom: &Atom, factor: i128| (factor * self.divisor(atom)) % of == 0;
        form.constant % of == 0 && form.terms.iter().all(|(atom, factor)| known(atom, *factor))
    }

    /// Whether a comparison of two integers is known to hold, or known not to.
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

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

/// A formula of the signature as a linear form.
pub(crate) fn formula(expr: &IndexExpr) -> Option<Linear> {
    match expr {
        IndexExpr::Const(number) => Some(Linear::constant(i128::from(*number))),
        IndexExpr::Symbol(symbol) => Some(Linear::atom(Atom::Dim(DimId::new(*symbol as usize)))),
        IndexExpr::Binary(op, a, b) => {
            let (x, y) = (formula(a)?, formula(b)?);
            match (op, x.as_constant(), y.as_constant()) {
                (IndexOp::Add, ..) => x.plus(&y),
                (IndexOp::Sub, ..) => x.minus(&y),
                (IndexOp::Mul, Some(by), _) => y.times(by),
                (IndexOp::Mul, _, Some(by)) => x.times(by),
                _ => Some(Linear::atom(Atom::Formula(expr.clone()))),
            }
        }
    }
}

/// The least and largest value of a formula of the signature.
fn formula_interval(expr: &IndexExpr) -> (i128, i128) {
    const WIDE: (i128, i128) = (-(1 << 80), 1 << 80);
    match expr {
        IndexExpr::Const(number) => (i128::from(*number), i128::from(*number)),
        IndexExpr::Symbol(_) => (0, MOST_EXTENT),
        IndexExpr::Binary(op, a, b) => {
            let (a, b) = (formula_interval(a), formula_interval(b));
            let op = match op {
                IndexOp::Add => BinaryOp::Add,
                IndexOp::Sub => BinaryOp::Sub,
                IndexOp::Mul => BinaryOp::Mul,
                IndexOp::Div => BinaryOp::Div,
                IndexOp::Rem => BinaryOp::Rem,
                IndexOp::Xor => BinaryOp::Xor,
                IndexOp::And => BinaryOp::And,
                IndexOp::Min => BinaryOp::Min,
                IndexOp::Max => BinaryOp::Max,
            };
            let found = binary_interval(op, a, b).unwrap_or(WIDE);
            (found.0.max(WIDE.0), found.1.min(WIDE.1))
        }
    }
}

/// The interval of an operation on integers that does not wrap.
fn binary_interval(op: BinaryOp, a: (i128, i128), b: (i128, i128)) -> Option<(i128, i128)> {
    let corners = |f: &dyn Fn(i128, i128) -> Option<i128>| {
        let all = [f(a.0, b.0)?, f(a.0, b.1)?, f(a.1, b.0)?, f(a.1, b.1)?];
        Some((all.iter().copied().min()?, all.iter().copied().max()?))
    };
    let ones = |number: i128| (1i128 << (128 - number.leading_zeros())) - 1;
    match op {
        BinaryOp::Add => Some((a.0 + b.0, a.1 + b.1)),
        BinaryOp::Sub => Some((a.0 - b.1, a.1 - b.0)),
        BinaryOp::Mul => corners(&|x, y| x.checked_mul(y)),
        // A division by 0 is faulty, so a divisor from 0 on is at least 1.
        BinaryOp::Div if b.1 >= 1 && b.0 >= 0 => {
            let divisor = (b.0.max(1), b.1);
            let all = [a.0 / divisor.0, a.0 / divisor.1, a.1 / divisor.0, a.1 / divisor.1];
            Some((all.into_iter().min()?, all.into_iter().max()?))
        }
        BinaryOp::Rem if b.1 >= 1 && b.0 >= 0 => {
            let most = b.1 - 1;
            Some((if a.0 >= 0 { 0 } else { a.0.max(-most) }, a.1.clamp(0, most)))
        }
        BinaryOp::Min => Some((a.0.min(b.0), a.1.min(b.1))),
        BinaryOp::Max => Some((a.0.max(b.0), a.1.max(b.1))),
        BinaryOp::And if a.0 >= 0 && b.0 >= 0 => Some((0, a.1.min(b.1))),
        BinaryOp::And if b.0 >= 0 => Some((0, b.1)),
        BinaryOp::And if a.0 >= 0 => Some((0, a.1)),
        BinaryOp::Or | BinaryOp::Xor if a.0 >= 0 && b.0 >= 0 => Some((0, ones(a.1.max(b.1)))),
        BinaryOp::Shl if b.0 >= 0 && b.1 < 63 => {
            let all = [a.0 << b.0, a.0 << b.1, a.1 << b.0, a.1 << b.1];
            Some((all.into_iter().min()?, all.into_iter().max()?))
        }
        BinaryOp::Shr if b.0 >= 0 && b.1 < 64 => {
            let all = [a.0 >> b.0, a.0 >> b.1, a.1 >> b.0, a.1 >> b.1];
            Some((all.into_iter().min()?, all.into_iter().max()?))
        }
        _ => None,
    }
}

impl CompareOp {
    /// The comparison that holds exactly where this one does not, for integers.
    pub fn negated(self) -> CompareOp {
        match self {
            CompareOp::Eq => CompareOp::Ne,
            CompareOp::Ne => CompareOp::Eq,
            CompareOp::Lt => CompareOp::Ge,
            CompareOp::Le => CompareOp::Gt,
            CompareOp::Gt => CompareOp::Le,
            CompareOp::Ge => CompareOp::Lt,
        }
    }
}

/// Whether a block never comes to its end.
pub(crate) fn leaves(function: &Function, block: &Block) -> bool {
    match block.0.last().map(|id| &function.stmts[*id]) {
        Some(Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return) => true,
        Some(Stmt::If { then, otherwise, .. }) => leaves(function, then) && leaves(function, otherwise),
        _ => false,
    }
}
