//! Operators that compute each element by itself. Floats of 16 bits are computed in `f32` and rounded once.

use super::{broadcast, broadcast_index, computed_in, refused};
use crate::composed::composed;
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;
use hidet::ir::{BinaryOp, UnaryOp, eval, typing};
use hidet::types::{Number, Scalar, Type};

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
    pub(super) fn each(&self, name: &'static str, f: impl FnOnce(ScalarExpr) -> ScalarExpr) -> Result<Tensor> {
        self.of_each(name, f(self.element()))
    }

    /// Returns an element of this tensor in the type in which it is computed with.
    fn element(&self) -> ScalarExpr {
        let index = (0..self.ty().rank()).map(ScalarExpr::axis).collect();
        ScalarExpr::read(0, self.dtype(), index).cast(computed_in(self.dtype()))
    }

    /// Returns the tensor of this type with this value of each of its elements.
    fn of_each(&self, name: &'static str, value: ScalarExpr) -> Result<Tensor> {
        let (inputs, output) = (vec![self.ty().clone()], self.ty().clone());
        let compute = Compute::Each(value.cast(self.dtype()));
        Tensor::apply(Task { name, inputs, output, compute }, &[self])
    }

    /// Returns the result of an operation of the IR on each element, which is defined for floats only.
    pub(super) fn of_floats(&self, name: &'static str, op: UnaryOp) -> Result<Tensor> {
        self.only_floats(name)?;
        self.each(name, |x| x.unary(op))
    }

    /// Returns an error if an operation is not defined for the elements.
    pub(super) fn takes(&self, name: &'static str, rule: std::result::Result<Type, String>) -> Result<()> {
        rule.map(|_| ())
            .map_err(|why| refused(name, &[self.ty()], format!("{why}; convert the tensor with `cast` before")))
    }

    /// Returns the element that is nearest to a number.
    fn as_element(&self, number: f64) -> f64 {
        eval::to_f64(self.dtype(), eval::nearest(self.dtype(), Number::Float(number)))
    }

    /// Returns an error if the elements are not floats, and cannot be equal to a number.
    pub(super) fn has(&self, name: &'static str, number: f64) -> Result<()> {
        if self.dtype().is_float() || self.as_element(number) == number {
            return Ok(());
        }
        let why = format!("{} has no {number}; convert the tensor with `cast` before", self.dtype());
        Err(refused(name, &[self.ty()], why))
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
                self.has(name, number)?;
                return self.each(name, |x| x.binary(op, &x.same(number)));
            }
            Operand::Tensor(other) => other,
        };
        let dtype = self.dtype();
        composed(name, &[], &[self, other], || {
            self.takes(name, typing::binary(op, computed_in(dtype).into()))?;
            self.combined(name, other, dtype, |a, b| a.binary(op, b))
        })
    }

    /// Returns the result of an operation on each element and the one of another tensor of the same type, computed and
    /// rounded to that type.
    pub(super) fn both_by(
        &self,
        name: &'static str,
        other: &Tensor,
        f: impl FnOnce(&ScalarExpr, &ScalarExpr) -> ScalarExpr,
    ) -> Result<Tensor> {
        self.combined(name, other, self.dtype(), f)
    }

    /// The same, with a result of another type.
    pub(super) fn combined(
        &self,
        name: &'static str,
        other: &Tensor,
        result: Scalar,
        f: impl FnOnce(&ScalarExpr, &ScalarExpr) -> ScalarExpr,
    ) -> Result<Tensor> {
        let (dtype, types) = (self.dtype(), [self.ty(), other.ty()]);
        if dtype != other.dtype() {
            let why = format!("their elements have different types; convert one with `cast(Scalar::{dtype:?})`");
            return Err(refused(name, &types, why));
        }
        let Some(shape) = broadcast(self.shape(), other.shape()) else {
            let why = "the shapes do not fit: from the last axis on, extents must be equal, or one of them 1";
            return Err(refused(name, &types, why));
        };
        let read = |input: usize, tensor: &Tensor| {
            let index = broadcast_index(tensor.shape(), &shape);
            ScalarExpr::read(input, dtype, index).cast(computed_in(dtype))
        };
        let value = f(&read(0, self), &read(1, other)).cast(result);
        let inputs = types.map(TensorType::clone).to_vec();
        let output = TensorType::new(result, &shape);
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
        composed("relu", &[], &[self], || {
            self.takes("relu", typing::binary(BinaryOp::Max, computed_in(self.dtype()).into()))?;
            self.each("relu", |x| x.max(x.same(0.0)))
        })
    }

    /// Returns the remainder of each division, with the sign of the first operand, as in Rust.
    pub fn rem<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("rem", BinaryOp::Rem, other)
    }

    /// Returns each element to the power of the other; floats only.
    pub fn pow<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("pow", BinaryOp::Pow, other)
    }

    /// Returns the angle in radians of the point at `other` to the right and `self` up; floats only.
    pub fn atan2<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("atan2", BinaryOp::Atan2, other)
    }

    /// Returns the bits that are set in both; integers and `bool` only.
    pub fn bit_and<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("bit_and", BinaryOp::And, other)
    }

    /// Returns the bits that are set in one or both; integers and `bool` only.
    pub fn bit_or<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("bit_or", BinaryOp::Or, other)
    }

    /// Returns the bits that are set in one of both; integers and `bool` only.
    pub fn bit_xor<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("bit_xor", BinaryOp::Xor, other)
    }

    /// Returns the bits moved up by as many places as the other element says, modulo their number; integers only.
    pub fn shift_left<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("shift_left", BinaryOp::Shl, other)
    }

    /// Returns the bits moved down by as many places as the other element says, modulo their number; integers only. The
    /// sign of signed integers is kept.
    pub fn shift_right<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
        self.both("shift_right", BinaryOp::Shr, other)
    }

    /// Returns the complement of all bits; of `bool`, the contrary.
    ///
    /// # Errors
    ///
    /// If the elements are floats.
    pub fn bit_not(&self) -> Result<Tensor> {
        self.takes("bit_not", typing::unary(UnaryOp::Not, self.dtype().into()))?;
        self.each("bit_not", |x| x.unary(UnaryOp::Not))
    }

    /// Converts each element, as Rust's `as`; a tensor of that type is itself.
    pub fn cast(&self, dtype: Scalar) -> Result<Tensor> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        composed("cast", &[dtype as u64], &[self], || {
            let ty = self.ty();
            let value = ScalarExpr::read(0, ty.dtype, (0..ty.rank()).map(ScalarExpr::axis).collect()).cast(dtype);
            let (inputs, output) = (vec![ty.clone()], TensorType::new(dtype, self.shape()));
            let task = Task { name: "cast", inputs, output, compute: Compute::Each(value) };
            Tensor::apply(task, &[self])
        })
    }
}
