//! [`Constraint`]: a condition of a launch on the extents of its arguments.

use hidet_mapping::IndexExpr;

/// A relation between extents that the launcher checks.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// The left side.
    pub left: IndexExpr,
    /// The relation of the sides.
    pub relation: Relation,
    /// The right side.
    pub right: IndexExpr,
    /// The message if the relation does not hold.
    pub message: String,
}

/// A relation between two integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// `left == right`
    Equal,
    /// `left < right`
    Less,
    /// `left <= right`
    LessEqual,
    /// `left % right == 0`
    MultipleOf,
}

impl Relation {
    /// Returns true if two integers have the relation.
    pub fn holds(self, left: i64, right: i64) -> bool {
        match self {
            Relation::Equal => left == right,
            Relation::Less => left < right,
            Relation::LessEqual => left <= right,
            Relation::MultipleOf => right != 0 && left % right == 0,
        }
    }

    /// Returns the relation in words: `left must be .. right`.
    pub fn in_words(self) -> &'static str {
        match self {
            Relation::Equal => "equal to",
            Relation::Less => "less than",
            Relation::LessEqual => "at most",
            Relation::MultipleOf => "a multiple of",
        }
    }
}
