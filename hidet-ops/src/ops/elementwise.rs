//! Operators that compute each element by itself. Floats of 16 bits are computed in `f32` and rounded once.

use super::{broadcast, broadcast_index, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;
use hidet::ir::{BinaryOp, UnaryOp, eval, typing};
use hidet::types::{Number, Type};

/// The second operand of an operator on two: a tensor, or a number of the type of the first.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A tensor, which is broadcast.
    Tensor(&'a Tensor),
    /// A number. It is rounded to a float; an integer must be equal to it.
    Number(f64),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Operand<'a> {
        Operand::Tensor(tensor)
    }
}

impl From<f64> for Operand<'_> {
    fn from(number: f64) -> Self {
        Operand::Number(number)
    }
}

impl Tensor {
    /// Returns the result of an operator on each element.
    fn each(&self, name: &'static str, f: impl FnOnce(ScalarExpr) -> ScalarExpr) -> Result<Tensor> {
        let ty = self.ty();
        let index = (0..ty.rank()).map(ScalarExpr::axis).collect();
        let value = f(ScalarExpr::read(0, ty.dtype, index).cast(computed_in(ty.dtype))).cast(ty.dtype);
        let (inputs, output) = (vec![ty.clone()], ty.clone());
        Tensor::apply(Task { name, inputs, output, compute: Compute::Each(value) }, &[self])
    }

    /// Returns the result of an operation of the IR on each element, which is defined for floats only.
    fn of_floats(&self, name: &'static str, op: UnaryOp) -> Result<Tensor> {
        self.only_floats(name)?;
        self.each(name, |x| x.unary(op))
    }

    /// Returns an error if an operation is not defined for the elements.
    fn takes(&self, name: &'static str, rule: std::result::Result<Type, String>) -> Result<()> {
        rule.map(|_| ())
            .map_err(|why| refused(name, &[self.ty()], format!("{why}; convert the tensor with `cast` before")))
    }

    /// Returns the element that is nearest to a number.
    fn as_element(&self, number: f64) -> f64 {
        eval::to_f64(self.dtype(), eval::nearest(self.dtype(), Number::Float(number)))
    }

    pub(super) fn only_floats(&self, name: &'static str) -> Result<()> {
        match self.dtype().is_float() {
            true => Ok(()),
            false => {
                Err(refused(name, &[self.ty()], "it is defined for floats; convert the tensor with `cast` before"))
            }
        }
    }

    /// Returns the result of an operation on each element and the one of another tensor, or a number.
    fn both<'a>(&self, name: &'static str, op: BinaryOp, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        let other = match other.into() {
            Operand::Number(number) => {
                self.takes(name, typing::binary(op, computed_in(self.dtype()).into()))?;
                if !self.dtype().is_float() && self.as_element(number) != number {
                    let why = format!("{} has no {number}; convert the tensor with `cast` before", self.dtype());
                    return Err(refused(name, &[self.ty()], why));
                }
                return self.each(name, |x| x.binary(op, &x.same(number)));
            }
            Operand::Tensor(other) => other,
        };
        let types = [self.ty(), other.ty()];
        let dtype = self.dtype();
        if dtype != other.dtype() {
            let why = format!("their elements have different types; convert one with `cast(Scalar::{dtype:?})`");
            return Err(refused(name, &types, why));
        }
        self.takes(name, typing::binary(op, computed_in(dtype).into()))?;
        let Some(shape) = broadcast(self.shape(), other.shape()) else {
            let why = "the shapes do not fit: from the last axis on, extents must be equal, or one of them 1";
            return Err(refused(name, &types, why));
        };
        let read = |input: usize, tensor: &Tensor| {
            let index = broadcast_index(tensor.shape(), &shape);
            ScalarExpr::read(input, dtype, index).cast(computed_in(dtype))
        };
        let value = read(0, self).binary(op, &read(1, other)).cast(dtype);
        let inputs = types.map(TensorType::clone).to_vec();
        let output = TensorType::new(dtype, &shape);
        let task = Task { name, inputs, output, compute: Compute::Each(value) };
        Tensor::apply(task, &[self, other])
    }

    /// Returns `self + other`; extents of 1, and missing ones in front, are broadcast.
    ///
    /// # Errors
    ///
    /// If the shapes or the types of the elements do not fit. The same holds for all operators on two tensors.
    pub fn add<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("add", BinaryOp::Add, other)
    }

    /// Returns `self - other`.
    pub fn sub<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("sub", BinaryOp::Sub, other)
    }

    /// Returns `self * other`, element by element.
    pub fn mul<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("mul", BinaryOp::Mul, other)
    }

    /// Returns `self / other`, element by element. Integers are divided as in Rust; a division by zero is a fault on the
    /// simulated device.
    pub fn div<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("div", BinaryOp::Div, other)
    }

    /// Returns the larger of each two elements; NaN only where both are.
    pub fn maximum<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("maximum", BinaryOp::Max, other)
    }

    /// Returns the smaller of each two elements; NaN only where both are.
    pub fn minimum<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("minimum", BinaryOp::Min, other)
    }

    /// Returns each element, but 0 for negative ones and NaN.
    pub fn relu(&self) -> Result<Tensor> {
        self.takes("relu", typing::binary(BinaryOp::Max, computed_in(self.dtype()).into()))?;
        self.each("relu", |x| x.max(&x.same(0.0)))
    }

    /// Returns e to the power of each element.
    ///
    /// # Errors
    ///
    /// If the elements are not floats; the same holds for all functions of real numbers.
    pub fn exp(&self) -> Result<Tensor> {
        self.of_floats("exp", UnaryOp::Exp)
    }

    /// Returns the hyperbolic tangent of each element.
    pub fn tanh(&self) -> Result<Tensor> {
        self.of_floats("tanh", UnaryOp::Tanh)
    }

    /// Returns the square root of each element.
    pub fn sqrt(&self) -> Result<Tensor> {
        self.of_floats("sqrt", UnaryOp::Sqrt)
    }

    /// Returns `1 / (1 + exp(-x))` of each element.
    pub fn sigmoid(&self) -> Result<Tensor> {
        self.only_floats("sigmoid")?;
        self.each("sigmoid", |x| x.same(1.0) / (x.same(1.0) + x.unary(UnaryOp::Neg).unary(UnaryOp::Exp)))
    }

    /// Returns `x / 2 * (1 + erf(x / sqrt(2)))` of each element.
    pub fn gelu(&self) -> Result<Tensor> {
        self.only_floats("gelu")?;
        self.each("gelu", |x| {
            let erf = (x.clone() * x.same(std::f64::consts::FRAC_1_SQRT_2)).unary(UnaryOp::Erf);
            x.clone() * x.same(0.5) * (x.same(1.0) + erf)
        })
    }

    /// Converts each element, as Rust's `as`.
    pub fn cast(&self, dtype: hidet::types::Scalar) -> Result<Tensor> {
        let ty = self.ty();
        let value = ScalarExpr::read(0, ty.dtype, (0..ty.rank()).map(ScalarExpr::axis).collect()).cast(dtype);
        let (inputs, output) = (vec![ty.clone()], TensorType::new(dtype, self.shape()));
        let task = Task { name: "cast", inputs, output, compute: Compute::Each(value) };
        Tensor::apply(task, &[self])
    }
}
