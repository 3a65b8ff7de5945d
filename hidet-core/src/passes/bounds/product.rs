//! Products of dims: the maximum of `row * cols`, if `row < rows` and the launcher guarantees that `rows * cols` fits.

use super::{Atom, Facts, Linear};
use crate::ir::{BinaryOp, DimId, Function, Handle, Op, ValueId};
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;
use std::collections::BTreeMap;

/// A positive number times dims; the dims are sorted and may repeat.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DimProduct {
    factor: i128,
    dims: Vec<DimId>,
}

impl DimProduct {
    fn constant(number: i128) -> Option<DimProduct> {
        (0 < number && number < 1 << 40).then_some(DimProduct { factor: number, dims: Vec::new() })
    }

    fn dim(dim: DimId) -> DimProduct {
        DimProduct { factor: 1, dims: vec![dim] }
    }

    fn times(&self, other: &DimProduct) -> Option<DimProduct> {
        let mut dims = [self.dims.as_slice(), &other.dims].concat();
        dims.sort_unstable();
        let factor = self.factor.checked_mul(other.factor).filter(|factor| *factor < 1 << 80)?;
        Some(DimProduct { factor, dims })
    }

    /// Returns the quotient, if the other product divides this one.
    fn over(&self, other: &DimProduct) -> Option<DimProduct> {
        let mut dims = self.dims.clone();
        for dim in &other.dims {
            dims.remove(dims.iter().position(|have| have == dim)?);
        }
        (self.factor % other.factor == 0).then_some(DimProduct { factor: self.factor / other.factor, dims })
    }

    /// Returns the product that a formula of the signature is, if it is one, multiplied out: of a strided buffer the
    /// size is `(rows - 1) * cols + (cols - 1) + 1`.
    pub(super) fn of_formula(formula: &IndexExpr) -> Option<DimProduct> {
        let mut terms = multiply_out(formula)?.into_iter();
        let (dims, factor) = terms.next()?;
        let product = DimProduct { dims, ..DimProduct::constant(factor)? };
        terms.next().is_none().then_some(product)
    }

    /// Returns it as a linear form of one atom; equal products have equal forms.
    pub(super) fn form(&self) -> Option<Linear> {
        let atom = match self.dims.as_slice() {
            [] => return Some(Linear::constant(self.factor)),
            [dim] => Atom::Dim(*dim),
            [first, rest @ ..] => {
                let symbol = |dim: &DimId| IndexExpr::Symbol(dim.index() as u32);
                let times = |product, dim| IndexExpr::Binary(IndexOp::Mul, Box::new(product), Box::new(symbol(dim)));
                Atom::Formula(rest.iter().fold(symbol(first), times))
            }
        };
        Linear::atom(atom).times(self.factor)
    }
}

/// Returns a formula as a sum: the factor of each sorted product of dims. `None` if it has other operations, or if numbers
/// get large.
fn multiply_out(formula: &IndexExpr) -> Option<BTreeMap<Vec<DimId>, i128>> {
    let mut sum = BTreeMap::new();
    let mut add = |dims: Vec<DimId>, factor: i128| {
        let total: &mut i128 = sum.entry(dims).or_default();
        *total = total.checked_add(factor)?;
        (total.unsigned_abs() < 1 << 80).then_some(())
    };
    match formula {
        IndexExpr::Const(number) => add(Vec::new(), i128::from(*number))?,
        IndexExpr::Symbol(symbol) => add(vec![DimId::new(*symbol as usize)], 1)?,
        IndexExpr::Binary(op @ (IndexOp::Add | IndexOp::Sub), a, b) => {
            let sign = if *op == IndexOp::Sub { -1 } else { 1 };
            multiply_out(a)?.into_iter().try_for_each(|(dims, factor)| add(dims, factor))?;
            multiply_out(b)?.into_iter().try_for_each(|(dims, factor)| add(dims, sign * factor))?;
        }
        IndexExpr::Binary(IndexOp::Mul, a, b) => {
            let (left, right) = (multiply_out(a)?, multiply_out(b)?);
            for (dims, factor) in &left {
                for (others, by) in &right {
                    let mut dims = [dims.as_slice(), others].concat();
                    dims.sort_unstable();
                    add(dims, factor.checked_mul(*by)?)?;
                }
            }
        }
        IndexExpr::Binary(..) => return None,
    }
    sum.retain(|_, factor| *factor != 0);
    Some(sum)
}

impl Facts {
    /// Notes a `let` of integers that is a product of dims, and tries to prove that the product does not overflow. Only
    /// for values that are not moved, because the facts here may not hold elsewhere.
    pub(super) fn define_product(&mut self, function: &Function, value: ValueId, op: &Op) {
        let product = match op {
            Op::Const(constant) => constant.as_int().and_then(|number| DimProduct::constant(i128::from(number))),
            Op::Dim(dim) => Some(DimProduct::dim(*dim)),
            Op::Cast(a) => self.products.get(a).cloned(),
            Op::Binary(BinaryOp::Mul, a, b) => match (self.products.get(a), self.products.get(b)) {
                (Some(a), Some(b)) => a.times(b),
                _ => None,
            },
            _ => None,
        };
        if let Op::Binary(BinaryOp::Mul, a, b) = op {
            if let Some(most) = product.as_ref().and_then(|product| self.at_most(function, product)) {
                self.intervals[value] = Some((0, most));
                self.bounded.entry(value).or_default();
            }
            for (index, stride) in [(*a, *b), (*b, *a)] {
                let Some(stride) = self.products.get(&stride).cloned() else { continue };
                // Of a constant stride the form says more than the bounds do, if it is exact anyhow.
                if !stride.dims.is_empty() || !self.exact(function, value) {
                    self.bound_product(function, value, index, &stride);
                    self.forms[value] = None;
                }
            }
        }
        self.products.extend(product.map(|product| (value, product)));
    }

    /// Returns the least number that the product is known not to exceed: of a size that is known to fit and is that
    /// product times dims that are at least 1.
    fn at_most(&mut self, function: &Function, product: &DimProduct) -> Option<i128> {
        let mut least: Option<i128> = None;
        for (size, most) in self.sizes.clone() {
            let Some(rest) = size.over(product) else { continue };
            let mut positive = |dim: &DimId| self.nonnegative(function, &Linear::atom(Atom::Dim(*dim)).offset(-1));
            if rest.dims.iter().all(&mut positive) {
                least = Some(least.map_or(most, |least| least.min(most)));
            }
        }
        least
    }

    /// Notes the bounds of `value = index * stride`: if `0 <= index < d` for a dim `d`, it is at most
    /// `d * stride - stride`, and it does not overflow if a size that is known to fit is a multiple of `d * stride`.
    fn bound_product(&mut self, function: &Function, value: ValueId, index: ValueId, stride: &DimProduct) {
        let index = self.linear(function, index);
        if !self.nonnegative(function, &index) {
            return;
        }
        let mut facts = Vec::new();
        let mut largest: Option<i128> = None;
        for dim in function.dims.handles() {
            let below = Linear::atom(Atom::Dim(dim)).minus(&index).map(|gap| gap.offset(-1));
            if !below.is_some_and(|gap| self.nonnegative(function, &gap)) {
                continue;
            }
            let Some(whole) = stride.times(&DimProduct::dim(dim)) else { continue };
            largest = [largest, self.at_most(function, &whole)].into_iter().flatten().min();
            let gap = whole.form().and_then(|whole| whole.minus(&stride.form()?));
            facts.extend(gap.and_then(|gap| gap.minus(&Linear::atom(Atom::Value(value)))));
        }
        if let Some(most) = largest {
            self.intervals[value] = Some((0, most));
            self.bounded.entry(value).or_default().extend(facts);
        }
    }
}
