//! Sums over the coordinates of a view, each times a formula of extents.
//!
//! `i * n + j + 3` has the terms `i` times `n` and `j` times 1, and the rest 3. Quotients and remainders of coordinates are
//! terms of their own: `k / n` times `n` and `k % n` are `k`, when an axis stands for several.

use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

/// The first symbol of the coordinates; the symbols below are extents.
pub(super) const INDEX: u32 = 1 << 29;

/// A sum of terms.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IndexSum {
    /// The terms, each with its factor.
    pub terms: Vec<(Term, IndexExpr)>,
    /// What does not depend on coordinates.
    pub rest: IndexExpr,
}

/// What depends on coordinates.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Term {
    /// The coordinate along an axis.
    Axis(usize),
    /// A sum divided by a formula of extents.
    Quotient(IndexSum, IndexExpr),
    /// The remainder of that division.
    Remainder(IndexSum, IndexExpr),
}

impl Default for IndexSum {
    fn default() -> IndexSum {
        IndexSum { terms: Vec::new(), rest: 0.into() }
    }
}

impl IndexSum {
    fn term(term: Term) -> IndexSum {
        IndexSum { terms: vec![(term, 1.into())], rest: 0.into() }
    }

    /// Returns a formula of coordinates and extents as a sum, if it is one.
    pub fn of(formula: &IndexExpr) -> Option<IndexSum> {
        let (op, a, b) = match formula {
            IndexExpr::Const(_) => return Some(IndexSum { rest: formula.clone(), ..IndexSum::default() }),
            IndexExpr::Symbol(symbol) => {
                return Some(match symbol.checked_sub(INDEX) {
                    Some(axis) => IndexSum::term(Term::Axis(axis as usize)),
                    None => IndexSum { rest: formula.clone(), ..IndexSum::default() },
                });
            }
            IndexExpr::Binary(op, a, b) => (*op, IndexSum::of(a)?, IndexSum::of(b)?),
        };
        match (op, a.terms.is_empty(), b.terms.is_empty()) {
            (_, true, true) => Some(IndexSum { rest: IndexExpr::binary(op, a.rest, b.rest), ..IndexSum::default() }),
            (IndexOp::Add, ..) => Some(a.plus(b)),
            (IndexOp::Sub, ..) => Some(a.plus(b.times(&IndexExpr::from(-1)))),
            (IndexOp::Mul, _, true) => Some(a.times(&b.rest)),
            (IndexOp::Mul, true, _) => Some(b.times(&a.rest)),
            (IndexOp::Div, _, true) => Some(IndexSum::term(Term::Quotient(a, b.rest))),
            (IndexOp::Rem, _, true) => Some(IndexSum::term(Term::Remainder(a, b.rest))),
            _ => None,
        }
    }

    /// Returns the sum of two.
    pub fn plus(mut self, other: IndexSum) -> IndexSum {
        for (term, by) in other.terms {
            match self.terms.iter_mut().find(|(known, _)| *known == term) {
                Some((_, known)) => *known = known.clone() + by,
                None => self.terms.push((term, by)),
            }
        }
        self.terms.retain(|(_, by)| *by != 0.into());
        self.rest = self.rest + other.rest;
        self
    }

    /// Returns the sum times a formula of extents.
    pub fn times(&self, by: &IndexExpr) -> IndexSum {
        let product = |factor: &IndexExpr| if factor.as_const() == Some(1) { by.clone() } else { by * factor };
        let terms = self.terms.iter().map(|(term, factor)| (term.clone(), product(factor))).collect();
        IndexSum { terms, rest: product(&self.rest) }
    }

    /// Returns true if it depends on the coordinate along an axis.
    pub fn mentions(&self, axis: usize) -> bool {
        self.terms.iter().any(|(term, _)| match term {
            Term::Axis(of) => *of == axis,
            Term::Quotient(of, _) | Term::Remainder(of, _) => of.mentions(axis),
        })
    }

    /// Returns the largest value for coordinates inside of these extents, if nothing is negative.
    pub fn largest(&self, extents: &[IndexExpr]) -> IndexExpr {
        self.terms.iter().fold(self.rest.clone(), |sum, (term, by)| {
            let most = match term {
                Term::Axis(axis) => extents[*axis].clone() - 1,
                Term::Quotient(of, by) => of.largest(extents) / by.clone(),
                Term::Remainder(_, by) => by.clone() - 1,
            };
            sum + most * by.clone()
        })
    }

    /// Returns the sum in which each quotient is merged with its remainder, or `None` if one has no counterpart.
    pub fn merged(mut self) -> Option<IndexSum> {
        while let Some(at) = self.terms.iter().position(|(term, _)| matches!(term, Term::Quotient(..))) {
            let (Term::Quotient(of, divisor), by) = self.terms.remove(at) else { return None };
            let remainder = Term::Remainder(of.clone(), divisor.clone());
            let other = self.terms.iter().position(|(term, _)| *term == remainder)?;
            let (_, unit) = self.terms.remove(other);
            if by != unit.clone() * divisor.clone() && by != divisor * unit.clone() {
                return None;
            }
            self = self.plus(of.times(&unit));
        }
        let whole = self.terms.iter().all(|(term, _)| matches!(term, Term::Axis(_)));
        whole.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(axis: u32) -> IndexExpr {
        IndexExpr::Symbol(INDEX + axis)
    }

    #[test]
    fn sums_and_products_are_linear() {
        let n = IndexExpr::Symbol(0);
        let sum = IndexSum::of(&(index(0) * n.clone() + (index(1) + 3) * 2 - index(1))).unwrap();
        assert_eq!(sum.terms, [(Term::Axis(0), n.clone()), (Term::Axis(1), 1.into())]);
        assert_eq!(sum.rest, 6.into());
        assert_eq!(sum.largest(&[4.into(), 5.into()]).eval(&[10]), Ok(3 * 10 + 4 + 6));
        assert!(sum.mentions(1) && !sum.mentions(2));
        assert_eq!(IndexSum::of(&(index(0) * index(1))), None);
        assert_eq!(IndexSum::of(&(n / index(1))), None);
    }

    #[test]
    fn quotients_are_merged_with_their_remainders() {
        let (k, w) = (index(0), IndexExpr::Symbol(3));
        let merged = |stride: IndexExpr, last: i64| {
            let sum = IndexSum::of(&(k.clone() / w.clone())).unwrap().times(&stride);
            sum.plus(IndexSum::of(&(k.clone() % w.clone())).unwrap().times(&last.into())).merged()
        };
        let found = merged(IndexExpr::from(8) * w.clone(), 8).unwrap();
        assert_eq!(found, IndexSum { terms: vec![(Term::Axis(0), 8.into())], rest: 0.into() });
        // Rows with a gap behind them are not one axis.
        assert_eq!(merged(IndexExpr::from(9) * w.clone(), 8), None);
        assert_eq!(IndexSum::of(&(k / w)).unwrap().merged(), None);
    }
}
