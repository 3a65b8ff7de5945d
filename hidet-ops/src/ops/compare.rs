//! Comparisons, conditions and choices.

use super::elementwise::Operand;
use super::{broadcast, broadcast_index, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;
use hidet::ir::{BinaryOp, CompareOp, UnaryOp, typing};
use hidet::types::Scalar;

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the shapes or the types of the elements do not fit.
            pub fn $name<'a>(&self, other: impl Into<Operand<'a>>) -> Result<Tensor> {
                self.compared(stringify!($name), CompareOp::$op, other.into())
            }
        )*}
    };
}

comparisons! {
    /// Returns where both are equal, as `bool`; NaN is equal to nothing.
    equal Eq
    /// Returns where both differ, as `bool`.
    not_equal Ne
    /// Returns where the first is less, as `bool`.
    less Lt
    /// Returns where the first is not greater, as `bool`.
    less_equal Le
    /// Returns where the first is greater, as `bool`.
    greater Gt
    /// Returns where the first is not less, as `bool`.
    greater_equal Ge
}

macro_rules! conditions {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements are not `bool`, or the shapes do not fit.
            pub fn $name(&self, other: &Tensor) -> Result<Tensor> {
                self.only_conditions(stringify!($name))?;
                self.both_by(stringify!($name), other, |a, b| a.binary(BinaryOp::$op, b))
            }
        )*}
    };
}

conditions! {
    /// Returns where both are true.
    logical_and And
    /// Returns where one or both are true.
    logical_or Or
    /// Returns where one of both is true.
    logical_xor Xor
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident $op:ident)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements are not floats.
            pub fn $name(&self) -> Result<Tensor> {
                self.only_floats(stringify!($name))?;
                self.asked(stringify!($name), |x| x.unary(UnaryOp::$op))
            }
        )*}
    };
}

questions! {
    /// Returns which elements are NaN.
    is_nan IsNan
    /// Returns which elements are infinite.
    is_inf IsInf
    /// Returns which elements are finite numbers.
    is_finite IsFinite
}

impl Tensor {
    fn compared(&self, name: &'static str, op: CompareOp, other: Operand) -> Result<Tensor> {
        self.takes(name, typing::compare(op, computed_in(self.dtype()).into()))?;
        match other {
            Operand::Tensor(other) => self.combined(name, other, Scalar::Bool, |a, b| a.compare(op, b)),
            Operand::Number(number) => {
                self.has(name, number)?;
                self.asked(name, |x| x.compare(op, &x.same(number)))
            }
        }
    }

    /// Returns a condition of each element.
    fn asked(&self, name: &'static str, f: impl FnOnce(ScalarExpr) -> ScalarExpr) -> Result<Tensor> {
        let output = TensorType::new(Scalar::Bool, self.shape());
        Tensor::define(name, &[self], output, |inputs, at| f(inputs[0].at(at.to_vec()).cast(computed_in(self.dtype()))))
    }

    fn only_conditions(&self, name: &'static str) -> Result<()> {
        match self.dtype() {
            Scalar::Bool => Ok(()),
            _ => Err(refused(
                name,
                &[self.ty()],
                "it is defined for bool; compare the tensor before, as `not_equal(0.0)`",
            )),
        }
    }

    /// Returns where it is false.
    ///
    /// # Errors
    ///
    /// If the elements are not `bool`.
    pub fn logical_not(&self) -> Result<Tensor> {
        self.only_conditions("logical_not")?;
        self.each("logical_not", |x| x.unary(UnaryOp::Not))
    }

    /// Returns the element of `then` where this tensor of `bool` is true, else that of `otherwise`; all three are broadcast.
    ///
    /// # Errors
    ///
    /// If this tensor is not of `bool`, the types of the others differ, or the shapes do not fit.
    pub fn choose(&self, then: &Tensor, otherwise: &Tensor) -> Result<Tensor> {
        self.only_conditions("choose")?;
        let types = [self.ty(), then.ty(), otherwise.ty()];
        let dtype = then.dtype();
        if otherwise.dtype() != dtype {
            let why =
                format!("the elements to choose from have different types; convert one with `cast(Scalar::{dtype:?})`");
            return Err(refused("choose", &types, why));
        }
        let shape = broadcast(self.shape(), then.shape()).and_then(|shape| broadcast(&shape, otherwise.shape()));
        let Some(shape) = shape else {
            let why = "the shapes do not fit: from the last axis on, extents must be equal, or one of them 1";
            return Err(refused("choose", &types, why));
        };
        let read = |input: usize| {
            let ty = types[input];
            ScalarExpr::read(input, ty.dtype, broadcast_index(&ty.shape, &shape))
        };
        let value = read(0).select(&read(1), &read(2));
        let (inputs, output) = (types.map(TensorType::clone).to_vec(), TensorType::new(dtype, &shape));
        let task = Task { name: "choose", inputs, output, compute: Compute::Each(value) };
        Tensor::apply(task, &[self, then, otherwise])
    }
}
