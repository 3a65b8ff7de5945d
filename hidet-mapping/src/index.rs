//! Symbolic integer expressions: extents, launch grids and custom mappings. Evaluated on the host once symbols are
//! known.

use crate::arith::{Arith, HostArith};
use std::fmt;
use std::ops;

/// An integer formula over numbered symbols. The owner decides what a symbol stands for: a dimension of a tensor in a
/// launch grid, the worker in a custom task mapping.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum IndexExpr {
    /// A number.
    Const(i64),
    /// The symbol with that number.
    Symbol(u32),
    /// An operation on two formulas.
    Binary(IndexOp, Box<IndexExpr>, Box<IndexExpr>),
}

/// The operations of an [`IndexExpr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IndexOp {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`, rounded towards zero
    Div,
    /// `a % b`
    Rem,
    /// `a ^ b`, bitwise
    Xor,
    /// `a & b`, bitwise
    And,
    /// The smaller of the two.
    Min,
    /// The larger of the two.
    Max,
}

impl IndexExpr {
    /// Returns the number, or `None` if the formula is not a number.
    pub fn as_const(&self) -> Option<i64> {
        match self {
            IndexExpr::Const(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns the value, where symbol `i` has the value `symbols[i]`, or an error if it cannot be computed.
    pub fn eval(&self, symbols: &[i64]) -> Result<i64, &'static str> {
        let mut arith = HostArith::new(symbols);
        let value = self.emit(&mut arith);
        arith.fault.map_or(Ok(value), Err)
    }

    /// Evaluates the formula in another arithmetic, for example one that emits device operations.
    pub fn emit<A: Arith>(&self, arith: &mut A) -> A::Int {
        match self {
            IndexExpr::Const(value) => arith.constant(*value),
            IndexExpr::Symbol(symbol) => arith.symbol(*symbol),
            IndexExpr::Binary(op, a, b) => {
                let (a, b) = (a.emit(arith), b.emit(arith));
                match op {
                    IndexOp::Add => arith.add(&a, &b),
                    IndexOp::Sub => arith.sub(&a, &b),
                    IndexOp::Mul => arith.mul(&a, &b),
                    IndexOp::Div => arith.div(&a, &b),
                    IndexOp::Rem => arith.rem(&a, &b),
                    IndexOp::Xor => arith.xor(&a, &b),
                    IndexOp::And => arith.and(&a, &b),
                    IndexOp::Min => arith.min(&a, &b),
                    IndexOp::Max => arith.max(&a, &b),
                }
            }
        }
    }

    /// Returns the formula with each symbol replaced by `with(symbol)`.
    pub fn substitute(&self, with: &mut impl FnMut(u32) -> IndexExpr) -> IndexExpr {
        match self {
            IndexExpr::Const(value) => IndexExpr::Const(*value),
            IndexExpr::Symbol(symbol) => with(*symbol),
            IndexExpr::Binary(op, a, b) => IndexExpr::binary(*op, a.substitute(with), b.substitute(with)),
        }
    }

    /// Returns the operation on two formulas, folded if both are numbers or one is a neutral element.
    pub fn binary(op: IndexOp, a: IndexExpr, b: IndexExpr) -> IndexExpr {
        use IndexExpr::Const;
        match (op, &a, &b) {
            (_, Const(_), Const(_)) => {
                let whole = IndexExpr::Binary(op, Box::new(a), Box::new(b));
                whole.eval(&[]).map_or(whole, Const)
            }
            (IndexOp::Add, Const(0), _) | (IndexOp::Mul, Const(1), _) => b,
            (IndexOp::Add | IndexOp::Sub | IndexOp::Xor, _, Const(0)) | (IndexOp::Mul | IndexOp::Div, _, Const(1)) => a,
            (IndexOp::Mul, _, Const(0)) | (IndexOp::Mul | IndexOp::Div | IndexOp::Rem, Const(0), _) => Const(0),
            (IndexOp::Rem, _, Const(1)) => Const(0),
            _ => IndexExpr::Binary(op, Box::new(a), Box::new(b)),
        }
    }

    /// Returns `self / by`, rounded up.
    pub fn div_ceil(&self, by: impl Into<IndexExpr>) -> IndexExpr {
        let by = by.into();
        (self.clone() + (by.clone() - 1)) / by
    }

    /// Returns the smaller of the two.
    pub fn min(&self, other: impl Into<IndexExpr>) -> IndexExpr {
        IndexExpr::binary(IndexOp::Min, self.clone(), other.into())
    }

    /// Returns the larger of the two.
    pub fn max(&self, other: impl Into<IndexExpr>) -> IndexExpr {
        IndexExpr::binary(IndexOp::Max, self.clone(), other.into())
    }
}

macro_rules! from_integer {
    ($($int:ty)*) => {$(
        impl From<$int> for IndexExpr {
            fn from(value: $int) -> Self {
                IndexExpr::Const(value as i64)
            }
        }
    )*};
}
from_integer!(i32 i64 u32 u64 usize);

impl From<&IndexExpr> for IndexExpr {
    fn from(value: &IndexExpr) -> Self {
        value.clone()
    }
}

macro_rules! operator {
    ($($trait:ident $method:ident $op:ident;)*) => {$(
        impl<B: Into<IndexExpr>> ops::$trait<B> for IndexExpr {
            type Output = IndexExpr;
            fn $method(self, other: B) -> IndexExpr {
                IndexExpr::binary(IndexOp::$op, self, other.into())
            }
        }
        impl<B: Into<IndexExpr>> ops::$trait<B> for &IndexExpr {
            type Output = IndexExpr;
            fn $method(self, other: B) -> IndexExpr {
                IndexExpr::binary(IndexOp::$op, self.clone(), other.into())
            }
        }
    )*};
}
operator! {
    Add add Add; Sub sub Sub; Mul mul Mul; Div div Div; Rem rem Rem; BitXor bitxor Xor; BitAnd bitand And;
}

macro_rules! number_first {
    ($($trait:ident $method:ident;)*) => {$(
        impl ops::$trait<IndexExpr> for i32 {
            type Output = IndexExpr;
            fn $method(self, other: IndexExpr) -> IndexExpr {
                ops::$trait::$method(IndexExpr::from(self), other)
            }
        }
        impl ops::$trait<&IndexExpr> for i32 {
            type Output = IndexExpr;
            fn $method(self, other: &IndexExpr) -> IndexExpr {
                ops::$trait::$method(IndexExpr::from(self), other)
            }
        }
    )*};
}
number_first! { Add add; Sub sub; Mul mul; Div div; Rem rem; }

impl IndexOp {
    /// Returns the precedence; `min` and `max` are written as calls.
    pub fn strength(self) -> u8 {
        match self {
            IndexOp::Mul | IndexOp::Div | IndexOp::Rem => 4,
            IndexOp::Add | IndexOp::Sub => 3,
            IndexOp::And => 2,
            IndexOp::Xor => 1,
            IndexOp::Min | IndexOp::Max => 0,
        }
    }

    fn sign(self) -> &'static str {
        match self {
            IndexOp::Add => "+",
            IndexOp::Sub => "-",
            IndexOp::Mul => "*",
            IndexOp::Div => "/",
            IndexOp::Rem => "%",
            IndexOp::Xor => "^",
            IndexOp::And => "&",
            IndexOp::Min => "min",
            IndexOp::Max => "max",
        }
    }
}

impl IndexExpr {
    /// Returns the formula with only the parentheses it needs; `symbol` names the symbols.
    pub fn text(&self, symbol: &dyn Fn(u32) -> String) -> String {
        self.text_within(symbol, 0)
    }

    /// Returns the text as an operand of something with precedence `least`.
    fn text_within(&self, symbol: &dyn Fn(u32) -> String, least: u8) -> String {
        match self {
            IndexExpr::Const(value) => value.to_string(),
            IndexExpr::Symbol(number) => symbol(*number),
            IndexExpr::Binary(op @ (IndexOp::Min | IndexOp::Max), a, b) => {
                format!("{}({}, {})", op.sign(), a.text(symbol), b.text(symbol))
            }
            IndexExpr::Binary(op, a, b) => {
                let own = op.strength();
                let (a, b) = (a.text_within(symbol, own), b.text_within(symbol, own + 1));
                let text = format!("{a} {} {b}", op.sign());
                if own < least { format!("({text})") } else { text }
            }
        }
    }
}

impl fmt::Display for IndexExpr {
    /// Symbols print as `s0`, `s1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&|symbol| format!("s{symbol}")))
    }
}
