//! Writing scalar expressions in Rust. Both operands of an operation have one type: nothing is converted silently.

use super::{ExprNode, ScalarExpr};
use hidet::ir::{BinaryOp, CompareOp, UnaryOp, eval};
use hidet::types::{Const, Number, Scalar};
use std::ops;

impl ScalarExpr {
    /// Returns a coordinate of the result; behind its axes come those of a reduction.
    pub fn axis(axis: usize) -> ScalarExpr {
        ScalarExpr::new(Scalar::I32, ExprNode::Axis(axis))
    }

    /// Returns the number of this type that is nearest to `value`.
    pub fn constant(dtype: Scalar, value: f64) -> ScalarExpr {
        let bits = eval::nearest(dtype, Number::Float(value));
        ScalarExpr::new(dtype, ExprNode::Const(Const { scalar: dtype, bits }))
    }

    /// Returns the element of an input, with elements of type `dtype`, at an index.
    pub fn read(input: usize, dtype: Scalar, index: Vec<ScalarExpr>) -> ScalarExpr {
        ScalarExpr::new(dtype, ExprNode::Read { input, index })
    }

    /// Applies an operation to the value.
    pub fn unary(&self, op: UnaryOp) -> ScalarExpr {
        let asks = matches!(op, UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite);
        ScalarExpr::new(if asks { Scalar::Bool } else { self.dtype() }, ExprNode::Unary(op, self.clone()))
    }

    /// Applies an operation to this value and another one.
    pub fn binary(&self, op: BinaryOp, other: &ScalarExpr) -> ScalarExpr {
        ScalarExpr::new(self.dtype(), ExprNode::Binary(op, self.clone(), other.clone()))
    }

    /// Compares this value with another one.
    pub fn compare(&self, op: CompareOp, other: &ScalarExpr) -> ScalarExpr {
        ScalarExpr::new(Scalar::Bool, ExprNode::Compare(op, self.clone(), other.clone()))
    }

    /// Returns `then` if this condition is true, else `otherwise`.
    pub fn select(&self, then: &ScalarExpr, otherwise: &ScalarExpr) -> ScalarExpr {
        ScalarExpr::new(then.dtype(), ExprNode::Select(self.clone(), then.clone(), otherwise.clone()))
    }

    /// Converts the value, as Rust's `as`; one of that type is itself.
    pub fn cast(&self, dtype: Scalar) -> ScalarExpr {
        if dtype == self.dtype() {
            return self.clone();
        }
        ScalarExpr::new(dtype, ExprNode::Cast(self.clone()))
    }

    /// Returns the value before conversions from one type of floats to another.
    pub(crate) fn unconverted(&self) -> &ScalarExpr {
        match self.node() {
            ExprNode::Cast(inner) if inner.dtype().is_float() && self.dtype().is_float() => inner.unconverted(),
            _ => self,
        }
    }

    /// Returns the larger of two values; NaN only if both are.
    pub fn max(&self, other: impl IntoScalar) -> ScalarExpr {
        self.binary(BinaryOp::Max, &other.like(self))
    }

    /// Returns the smaller of two values; NaN only if both are.
    pub fn min(&self, other: impl IntoScalar) -> ScalarExpr {
        self.binary(BinaryOp::Min, &other.like(self))
    }

    /// Returns a constant of the same type.
    pub fn same(&self, value: f64) -> ScalarExpr {
        ScalarExpr::constant(self.dtype(), value)
    }
}

/// A second operand: an expression, or a number of the type of the first.
pub trait IntoScalar {
    /// Returns it as an expression of the same type as another one.
    fn like(self, other: &ScalarExpr) -> ScalarExpr;
}

impl IntoScalar for ScalarExpr {
    fn like(self, _: &ScalarExpr) -> ScalarExpr {
        self
    }
}

impl IntoScalar for &ScalarExpr {
    fn like(self, _: &ScalarExpr) -> ScalarExpr {
        self.clone()
    }
}

impl IntoScalar for f64 {
    fn like(self, other: &ScalarExpr) -> ScalarExpr {
        other.same(self)
    }
}

impl IntoScalar for i64 {
    fn like(self, other: &ScalarExpr) -> ScalarExpr {
        other.same(self as f64)
    }
}

impl IntoScalar for usize {
    fn like(self, other: &ScalarExpr) -> ScalarExpr {
        other.same(self as f64)
    }
}

macro_rules! operator {
    ($($name:ident $method:ident $op:ident),*) => {$(
        impl<T: IntoScalar> ops::$name<T> for ScalarExpr {
            type Output = ScalarExpr;

            fn $method(self, other: T) -> ScalarExpr {
                let other = other.like(&self);
                self.binary(BinaryOp::$op, &other)
            }
        }

        impl<T: IntoScalar> ops::$name<T> for &ScalarExpr {
            type Output = ScalarExpr;

            fn $method(self, other: T) -> ScalarExpr {
                self.binary(BinaryOp::$op, &other.like(self))
            }
        }
    )*};
}

// `&` and `|` of conditions are computed on both sides, as everything is.
operator!(Add add Add, Sub sub Sub, Mul mul Mul, Div div Div, Rem rem Rem, BitAnd bitand And, BitOr bitor Or);

macro_rules! comparison {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl ScalarExpr {$(
            $(#[$doc])*
            pub fn $name(&self, other: impl IntoScalar) -> ScalarExpr {
                self.compare(CompareOp::$op, &other.like(self))
            }
        )*}
    };
}

comparison! {
    /// Returns true if both are equal; NaN is equal to nothing.
    equals Eq
    /// Returns true if they differ.
    differs Ne
    /// Returns true if this is less.
    lt Lt
    /// Returns true if this is not greater.
    le Le
    /// Returns true if this is greater.
    gt Gt
    /// Returns true if this is not less.
    ge Ge
}
