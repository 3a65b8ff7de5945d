//! Intervals: the smallest and the largest number that a value can be.

use super::{Atom, Facts, Linear, MOST_EXTENT};
use crate::ir::{BinaryOp, Function, Op, Special, ValueId};
use crate::passes::fold::int_range;
use crate::types::{Scalar, Type};
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

impl Facts {
    /// Returns the smallest and the largest number that a value can be.
    pub fn interval(&mut self, function: &Function, value: ValueId) -> (i128, i128) {
        if let Some(known) = self.intervals[value].as_ref() {
            return *known;
        }
        let ty = function.ty(value);
        let range = if ty.scalar.is_int() { int_range(ty.scalar) } else { (0, 1) };
        let mut found = if ty.lanes == 1 { self.interval_of_op(function, value) } else { None }.unwrap_or(range);
        // A result beyond the type may wrap.
        if found.0 < range.0 || found.1 > range.1 || found.0 > found.1 {
            found = range;
        }
        self.intervals[value] = Some(found);
        found
    }

    /// Returns the interval of the operation that defines an integer, if it does not wrap.
    pub(super) fn interval_of_op(&mut self, function: &Function, value: ValueId) -> Option<(i128, i128)> {
        if let Some(counter) = self.counters.get(&value).copied() {
            let last = self.interval(function, counter.end).1 - counter.short();
            return Some((self.interval(function, counter.start).0, last));
        }
        let op = self.ops[value].clone()?;
        Some(match op {
            Op::Const(constant) => {
                let number = i128::from(constant.as_int()?);
                (number, number)
            }
            Op::Dim(_) => (0, MOST_EXTENT),
            Op::Load { buffer, .. } if function.is_rows(buffer) => (0, MOST_EXTENT),
            Op::Special(special) => self.special_interval(function, special),
            Op::Read(var) => *self.variables.get(&var)?,
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

    pub(super) fn special_interval(&self, function: &Function, special: Special) -> (i128, i128) {
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
            // There is at least the block that runs.
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

    /// Returns the smallest and largest number that a form can be, from intervals alone, or an unbounded interval if
    /// the numbers get too large.
    pub fn range(&mut self, function: &Function, form: &Linear) -> (i128, i128) {
        self.computed_range(function, form).unwrap_or((i128::MIN, i128::MAX))
    }

    fn computed_range(&mut self, function: &Function, form: &Linear) -> Option<(i128, i128)> {
        let (mut low, mut high) = (form.constant, form.constant);
        for (atom, factor) in &form.terms {
            let (least, most) = self.atom_interval(function, atom);
            let (a, b) = (least.checked_mul(*factor)?, most.checked_mul(*factor)?);
            low = low.checked_add(a.min(b))?;
            high = high.checked_add(a.max(b))?;
        }
        Some((low, high))
    }
}

/// Returns the smallest and largest value of a formula of the signature.
pub(super) fn formula_interval(expr: &IndexExpr) -> (i128, i128) {
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

/// Returns true if a formula and all of its parts fit in `i32`.
pub(crate) fn fits_i32(formula: &IndexExpr) -> bool {
    let (range, (least, most)) = (int_range(Scalar::I32), formula_interval(formula));
    let parts = match formula {
        IndexExpr::Binary(_, a, b) => fits_i32(a) && fits_i32(b),
        IndexExpr::Const(_) | IndexExpr::Symbol(_) => true,
    };
    parts && range.0 <= least && most <= range.1
}

/// Returns true if a formula may be wrong when computed in `i32`. `fits` says that the whole is known to fit. Parts of
/// sums and products need not fit, because they wrap and the whole wraps back. Parts of quotients must fit.
pub(crate) fn needs_i64(formula: &IndexExpr, fits: bool) -> bool {
    let (range, (least, most)) = (int_range(Scalar::I32), formula_interval(formula));
    if !fits && (least < range.0 || most > range.1) {
        return true;
    }
    let IndexExpr::Binary(op, a, b) = formula else { return false };
    let wrap_back = !matches!(op, IndexOp::Div | IndexOp::Rem | IndexOp::Min | IndexOp::Max);
    needs_i64(a, wrap_back) || needs_i64(b, wrap_back)
}

/// Returns the interval of an operation on integers that does not wrap.
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
        // A division by 0 is a fault, so a nonnegative divisor is at least 1.
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
