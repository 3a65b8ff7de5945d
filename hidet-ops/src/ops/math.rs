//! Functions of real numbers and arithmetic on each element.

use super::{computed_in, refused};
use crate::error::Result;
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::ir::{BinaryOp, UnaryOp, typing};

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements are not floats.
            pub fn $name(&self) -> Result<Tensor> {
                self.of_floats(stringify!($name), UnaryOp::$op)
            }
        )*}
    };
}

functions! {
    /// Returns e to the power of each element.
    exp Exp
    /// Returns 2 to the power of each element.
    exp2 Exp2
    /// Returns `e^x - 1` of each element, accurate near 0.
    expm1 Expm1
    /// Returns the natural logarithm of each element.
    log Log
    /// Returns the logarithm to the base 2 of each element.
    log2 Log2
    /// Returns the logarithm to the base 10 of each element.
    log10 Log10
    /// Returns `log(1 + x)` of each element, accurate near 0.
    log1p Log1p
    /// Returns the square root of each element.
    sqrt Sqrt
    /// Returns `1 / sqrt(x)` of each element.
    rsqrt Rsqrt
    /// Returns the error function of each element.
    erf Erf
    /// Returns the sine of each element, in radians.
    sin Sin
    /// Returns the cosine of each element, in radians.
    cos Cos
    /// Returns the tangent of each element, in radians.
    tan Tan
    /// Returns the angle in radians of which each element is the sine.
    asin Asin
    /// Returns the angle in radians of which each element is the cosine.
    acos Acos
    /// Returns the angle in radians of which each element is the tangent.
    atan Atan
    /// Returns the hyperbolic sine of each element.
    sinh Sinh
    /// Returns the hyperbolic cosine of each element.
    cosh Cosh
    /// Returns the hyperbolic tangent of each element.
    tanh Tanh
    /// Returns the inverse hyperbolic sine of each element.
    asinh Asinh
    /// Returns the inverse hyperbolic cosine of each element.
    acosh Acosh
    /// Returns the inverse hyperbolic tangent of each element.
    atanh Atanh
}

macro_rules! roundings {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements have no arithmetic.
            pub fn $name(&self) -> Result<Tensor> {
                self.only_numbers(stringify!($name))?;
                // Integers are whole.
                self.each(stringify!($name), |x| if x.dtype().is_float() { x.unary(UnaryOp::$op) } else { x })
            }
        )*}
    };
}

roundings! {
    /// Returns the largest integer not greater than each element.
    floor Floor
    /// Returns the smallest integer not less than each element.
    ceil Ceil
    /// Returns the integer nearest to each element, the even one of two.
    round Round
    /// Returns the integer part of each element.
    trunc Trunc
}

impl Tensor {
    pub(super) fn only_numbers(&self, name: &'static str) -> Result<()> {
        self.takes(name, typing::binary(BinaryOp::Add, computed_in(self.dtype()).into()))
    }

    /// Returns an operator on each element, of numbers.
    fn of_numbers(&self, name: &'static str, f: impl FnOnce(ScalarExpr) -> ScalarExpr) -> Result<Tensor> {
        self.only_numbers(name)?;
        self.each(name, f)
    }

    /// Returns `-x` of each element; of unsigned integers, modulo the number of their values.
    ///
    /// # Errors
    ///
    /// If the elements have no arithmetic. The same holds for the operators below.
    pub fn neg(&self) -> Result<Tensor> {
        self.of_numbers("neg", |x| if x.dtype().is_float() { x.unary(UnaryOp::Neg) } else { x.same(0.0) - x })
    }

    /// Returns the absolute value of each element.
    pub fn abs(&self) -> Result<Tensor> {
        let unsigned = self.dtype().is_int() && !self.dtype().is_signed_int();
        self.of_numbers("abs", |x| if unsigned { x } else { x.unary(UnaryOp::Abs) })
    }

    /// Returns -1, 0 or 1 for each element, as its sign is; NaN for NaN.
    pub fn sign(&self) -> Result<Tensor> {
        self.of_numbers("sign", |x| {
            let (zero, one) = (x.same(0.0), x.same(1.0));
            let negative = if x.dtype().is_float() { x.same(-1.0) } else { &zero - &one };
            x.gt(0.0).select(&one, &x.lt(0.0).select(&negative, &x.equals(0.0).select(&zero, &x)))
        })
    }

    /// Returns the square of each element.
    pub fn square(&self) -> Result<Tensor> {
        self.of_numbers("square", |x| &x * &x)
    }

    /// Returns the third power of each element.
    pub fn cube(&self) -> Result<Tensor> {
        self.of_numbers("cube", |x| &(&x * &x) * &x)
    }

    /// Returns `1 / x` of each element.
    ///
    /// # Errors
    ///
    /// If the elements are not floats.
    pub fn reciprocal(&self) -> Result<Tensor> {
        self.only_floats("reciprocal")?;
        self.each("reciprocal", |x| x.same(1.0) / x)
    }

    /// Returns each element, but `low` for smaller and `high` for larger ones; NaN stays.
    pub fn clamp(&self, low: f64, high: f64) -> Result<Tensor> {
        if low.is_nan() || high.is_nan() || low > high {
            return Err(refused("clamp", &[self.ty()], format!("the bounds are not in order: {low}, {high}")));
        }
        self.of_numbers("clamp", |x| {
            let (low, high) = (x.same(low), x.same(high));
            x.lt(&low).select(&low, &x.gt(&high).select(&high, &x))
        })
    }
}
