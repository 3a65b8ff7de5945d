//! Facts about integers: intervals, linear inequalities, and proofs from them.
//!
//! The facts are: the block's extents; dims are at least 0 and at most [`LARGEST_EXTENT`]; a block index is below the
//! grid's extent; the constraints on dims that the launcher checks; the range of a loop's index; and, inside of a
//! branch, its condition. A value counts as a linear form of others only if the arithmetic provably does not wrap.
//!
//! A proof of `l >= 0` tries intervals, then eliminates one atom after the other with facts `f >= 0`. It is sound but
//! incomplete: what is not proved may still be true.

mod access;
mod counter;
mod interval;
mod linear;
mod product;
mod prove;
mod rotation;

pub(crate) use access::{Proofs, proved_statements, tile, together};
pub(crate) use interval::{fits_i32, needs_i64};
pub(crate) use linear::{Atom, Linear};

use counter::Counter;
use interval::formula_interval;
use product::DimProduct;
use prove::Tried;

use super::fold::int_range;
use crate::ir::hash::HandleMap;
use crate::ir::{
    BinaryOp, Block, CompareOp, DimId, Function, Handle, LARGEST_EXTENT, Op, Relation, SecondaryMap, Special, Stmt,
    UnaryOp, ValueId, VarId,
};
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::rc::Rc;

/// The largest value of a dim.
const MOST_EXTENT: i128 = LARGEST_EXTENT as i128;
/// Maximum number of terms; a value with a longer form becomes an atom.
const MOST_TERMS: usize = 12;

/// The facts that hold at a point of a function.
pub(crate) struct Facts {
    ops: SecondaryMap<ValueId, Option<Op>>,
    counters: HandleMap<ValueId, Counter>,
    intervals: SecondaryMap<ValueId, Option<(i128, i128)>>,
    forms: SecondaryMap<ValueId, Option<Linear>>,
    grid: [(i128, i128); 3],
    /// The smallest and largest number that a variable has where it is read.
    variables: HandleMap<VarId, (i128, i128)>,
    /// Linear forms that are known to be nonnegative: first those that hold everywhere, then those of the open
    /// branches.
    facts: Vec<Linear>,
    /// Linear forms that are known to be multiples of a number.
    multiples: Vec<(Linear, i128)>,
    /// The number of facts that hold everywhere.
    everywhere: usize,
    /// For each fact of the open branches, the number of the set of facts that it completes.
    sets: Vec<u32>,
    /// How many sets of facts there were.
    count: u32,
    /// What is known of sums of terms under each set of facts.
    tried: HandleMap<u32, HandleMap<Vec<(Atom, i128)>, Tried>>,
    /// The facts that hold for an atom by its definition.
    defining: HandleMap<Atom, Rc<[Linear]>>,
    /// Every value is examined where it is computed, so that the facts at that point hold for it.
    in_place: bool,
    /// Values that are products of dims.
    products: HandleMap<ValueId, DimProduct>,
    /// Products of dims that the launcher guarantees to be at most a number.
    sizes: Vec<(DimProduct, i128)>,
    /// Products that are proved not to overflow, with the facts about each.
    bounded: HandleMap<ValueId, Vec<Linear>>,
    budget: u32,
    /// The fingerprints of the forms that the current proof failed to prove, each with the depth that was left.
    failed: HandleMap<u64, u32>,
}

impl Facts {
    /// Returns the facts that hold at the beginning of a function.
    pub fn of(function: &Function) -> Facts {
        let mut facts = Facts {
            ops: SecondaryMap::new(),
            counters: HandleMap::default(),
            intervals: SecondaryMap::new(),
            forms: SecondaryMap::new(),
            grid: std::array::from_fn(|axis| formula_interval(&function.launch.grid[axis])),
            variables: rotation::rings(function),
            facts: Vec::new(),
            multiples: Vec::new(),
            everywhere: 0,
            sets: Vec::new(),
            count: 0,
            tried: HandleMap::default(),
            defining: HandleMap::default(),
            in_place: false,
            products: HandleMap::default(),
            sizes: Vec::new(),
            bounded: HandleMap::default(),
            budget: 0,
            failed: HandleMap::default(),
        };
        for constraint in &function.constraints {
            if let (Relation::LessEqual, Some(size), Some(most)) =
                (constraint.relation, DimProduct::of_formula(&constraint.left), constraint.right.as_const())
            {
                let gap = size.form().and_then(|size| Linear::constant(i128::from(most)).minus(&size));
                facts.facts.extend(gap);
                facts.sizes.push((size, i128::from(most)));
                continue;
            }
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
            // A block index is at most the grid's extent minus one.
            if let Some(extent) = formula(&function.launch.grid[axis]) {
                facts.facts.extend(extent.minus(&Linear::atom(Atom::Special(special))).map(|gap| gap.offset(-1)));
            }
        }
        facts.everywhere = facts.facts.len();
        facts
    }

    /// Returns the same facts for a walk that examines each value only where it is computed, so that proofs may use the
    /// conditions of the branches around it.
    pub fn in_place(function: &Function) -> Facts {
        Facts { in_place: true, ..Facts::of(function) }
    }

    /// Notes the definition of a value by a `let`.
    pub fn define(&mut self, function: &Function, value: ValueId, op: &Op) {
        self.ops[value] = Some(op.clone());
        if function.ty(value).scalar.is_int() {
            if self.in_place && function.ty(value).lanes == 1 {
                self.define_product(function, value, op);
            }
            // Forms are computed in order of definition, so that those of operands are already known.
            self.linear(function, value);
        }
    }

    /// Returns the operation that defines the value, if it is a `let`.
    pub fn op(&self, value: ValueId) -> Option<&Op> {
        self.ops[value].as_ref()
    }

    /// Returns the current number of facts, for [`Facts::forget`].
    pub fn mark(&self) -> usize {
        self.facts.len()
    }

    /// Forgets the facts noted since [`Facts::mark`].
    pub fn forget(&mut self, mark: usize) {
        self.facts.truncate(mark);
        self.sets.truncate(mark.saturating_sub(self.everywhere));
    }

    /// Notes that a condition is true (`holds`) or false.
    pub fn assume(&mut self, function: &Function, cond: ValueId, holds: bool) {
        match self.ops[cond].clone() {
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
                    self.count += 1;
                    self.sets.push(self.count);
                }
            }
            _ => {}
        }
    }

    /// Strengthens a fact: if `4 * i + c >= 0`, this also holds with `c` rounded down to a multiple of 4.
    fn tightened(&self, mut fact: Linear) -> Linear {
        let common = fact.terms.iter().fold(0, |common, (atom, factor)| gcd(common, self.divisor(atom, *factor)));
        if common > 1 {
            fact.constant = fact.constant.div_euclid(common) * common;
        }
        fact
    }

    /// Returns a known divisor of an atom times a factor.
    pub fn divisor(&self, atom: &Atom, factor: i128) -> i128 {
        let of_atom =
            |(form, by): &(Linear, i128)| (form.constant == 0 && form.terms == [(atom.clone(), 1)]).then_some(*by);
        let both = |known: i128, by: i128| (known / gcd(known, by)).checked_mul(by).unwrap_or(known);
        let divisor = self.multiples.iter().filter_map(of_atom).fold(self.stride(atom), both);
        factor.checked_mul(divisor).unwrap_or(factor)
    }

    /// Returns a known divisor of every index of a loop; 1 for other atoms.
    fn stride(&self, atom: &Atom) -> i128 {
        let Atom::Value(value) = atom else { return 1 };
        let Some(Counter { start, step, .. }) = self.counters.get(value) else { return 1 };
        let number = |value: &ValueId| self.forms[*value].as_ref().and_then(Linear::as_constant);
        match (number(start), number(step)) {
            (Some(start), Some(step)) if step > 0 => gcd(step, start),
            _ => 1,
        }
    }

    /// Returns the value as a linear form.
    pub fn linear(&mut self, function: &Function, value: ValueId) -> Linear {
        if let Some(known) = self.forms[value].as_ref() {
            return known.clone();
        }
        let form = self.linear_of_op(function, value).filter(|form| form.terms.len() <= MOST_TERMS);
        let form = form.unwrap_or_else(|| Linear::atom(Atom::Value(value)));
        if self.ops[value].is_some() || self.counters.contains_key(&value) {
            self.forms[value] = Some(form.clone());
        }
        form
    }

    fn linear_of_op(&mut self, function: &Function, value: ValueId) -> Option<Linear> {
        let ty = function.ty(value);
        if ty.lanes != 1 || !ty.scalar.is_int() {
            return None;
        }
        let range = int_range(ty.scalar);
        let form = match *self.ops[value].as_ref()? {
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
        if self.bounded.contains_key(&value) {
            return Some(form);
        }
        let (low, high) = self.range(function, &form);
        let exact = (low >= range.0 || self.nowhere_negative(function, &form.clone().offset(-range.0)))
            && (high <= range.1 || self.nowhere_negative(function, &form.times(-1)?.offset(range.1)));
        exact.then_some(form)
    }

    /// Returns true if the operation that defines an integer is proved not to wrap.
    pub fn exact(&mut self, function: &Function, value: ValueId) -> bool {
        let (least, most) = int_range(function.ty(value).scalar);
        if let Some(Op::Binary(BinaryOp::Div | BinaryOp::Rem, a, b)) = self.ops[value].clone() {
            // Only the smallest number divided by -1 overflows.
            let (a, b) = (self.interval(function, a), self.interval(function, b));
            return a.0 > least || b.0 > -1 || b.1 < -1;
        }
        self.bounded.contains_key(&value)
            || self.linear(function, value) != Linear::atom(Atom::Value(value))
            || self.interval_of_op(function, value).is_some_and(|(low, high)| least <= low && high <= most)
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

    /// Returns true if a form is known to be a multiple of a number.
    pub fn is_multiple(&self, form: &Linear, of: i128) -> bool {
        form.constant % of == 0 && form.terms.iter().all(|(atom, factor)| self.divisor(atom, *factor) % of == 0)
    }
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

/// Returns a formula of the signature as a linear form.
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

impl CompareOp {
    /// Returns the comparison of integers that holds exactly if this one does not.
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

/// Returns true if control never reaches the end of a block.
pub(crate) fn leaves(function: &Function, block: &Block) -> bool {
    match block.0.last().map(|id| &function.stmts[*id]) {
        Some(Stmt::Break(_) | Stmt::Continue(_) | Stmt::Return) => true,
        Some(Stmt::If { then, otherwise, .. }) => leaves(function, then) && leaves(function, otherwise),
        _ => false,
    }
}
