//! Linear forms over values that are not constant: `c + sum(k * atom)`.

use crate::ir::hash::HandleHasher;
use crate::ir::{DimId, Special, ValueId};
use hidet_mapping::IndexExpr;
use std::hash::{Hash, Hasher};

/// A quantity whose value is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Atom {
    /// A value that is not a linear form of others.
    Value(ValueId),
    /// A dim of the signature.
    Dim(DimId),
    /// A thread or block index.
    Special(Special),
    /// A formula of the signature that is not linear.
    Formula(IndexExpr),
}

/// A linear form. No atom occurs twice, no factor is 0.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Linear {
    pub constant: i128,
    pub terms: Vec<(Atom, i128)>,
}

impl Linear {
    pub fn constant(constant: i128) -> Linear {
        Linear { constant, terms: Vec::new() }
    }

    pub fn atom(atom: Atom) -> Linear {
        Linear { constant: 0, terms: vec![(atom, 1)] }
    }

    pub fn as_constant(&self) -> Option<i128> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// Returns the factor of an atom; 0 if it does not occur.
    pub fn factor(&self, atom: &Atom) -> i128 {
        self.terms.iter().find(|(have, _)| have == atom).map_or(0, |(_, factor)| *factor)
    }

    /// Returns `self * own + other * theirs`, or `None` if a number gets so large that it could overflow later.
    pub fn combine(&self, own: i128, other: &Linear, theirs: i128) -> Option<Linear> {
        let small = |number: i128| (number.unsigned_abs() < 1 << 100).then_some(number);
        let both = |a: i128, b: i128| small(a.checked_mul(own)?.checked_add(b.checked_mul(theirs)?)?);
        let constant = both(self.constant, other.constant)?;
        let mut sum = Linear { constant, terms: Vec::with_capacity(self.terms.len() + other.terms.len()) };
        for (atom, factor) in &self.terms {
            let factor = both(*factor, other.factor(atom))?;
            if factor != 0 {
                sum.terms.push((atom.clone(), factor));
            }
        }
        for (atom, factor) in &other.terms {
            let factor = both(0, *factor)?;
            if factor != 0 && self.factor(atom) == 0 {
                sum.terms.push((atom.clone(), factor));
            }
        }
        Some(sum)
    }

    /// Returns a number that is the same for equal forms, regardless of the order of their terms.
    pub fn fingerprint(&self) -> u64 {
        let term = |(atom, factor): &(Atom, i128)| {
            let mut hasher = HandleHasher::default();
            (atom, factor).hash(&mut hasher);
            hasher.finish()
        };
        self.terms.iter().map(term).fold(self.constant as u64, u64::wrapping_add)
    }

    pub fn plus(&self, other: &Linear) -> Option<Linear> {
        self.combine(1, other, 1)
    }

    pub fn minus(&self, other: &Linear) -> Option<Linear> {
        self.combine(1, other, -1)
    }

    pub fn times(&self, by: i128) -> Option<Linear> {
        self.combine(by, &Linear::default(), 0)
    }

    pub fn offset(mut self, by: i128) -> Linear {
        self.constant += by;
        self
    }
}
