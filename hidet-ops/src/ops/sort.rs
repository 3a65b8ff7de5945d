//! Elements in order. The place of an element is the number of those that come before it, so that many elements of an axis
//! take long: their square.

use super::{axes, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the numbers of the elements along an axis in ascending order, or descending, as `i64`: element 0 of the result
    /// is the number of the least. Elements may be of any type. Equal ones stay in order; NaN is larger than any number.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn argsort(&self, axis: usize, descending: bool) -> Result<Tensor> {
        axes::one("argsort", self, axis)?;
        self.first_of("argsort", (self.shape()[axis], axis), descending)
    }

    /// Returns the elements along an axis in ascending order, or descending, and their numbers as `i64`, as
    /// [`Tensor::argsort`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::argsort`].
    pub fn sort(&self, axis: usize, descending: bool) -> Result<(Tensor, Tensor)> {
        axes::one("sort", self, axis)?;
        let numbers = self.first_of("sort", (self.shape()[axis], axis), descending)?;
        Ok((self.gather(&numbers, axis)?, numbers))
    }

    /// Returns the `k` largest elements along an axis in descending order, or the smallest in ascending order, and their
    /// numbers as `i64`. Of equal elements the first come first; NaN is larger than any number.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or it has fewer than `k` elements.
    pub fn topk(&self, k: usize, axis: usize, largest: bool) -> Result<(Tensor, Tensor)> {
        axes::one("topk", self, axis)?;
        if k > self.shape()[axis] {
            let why = format!("axis {axis} has {} elements, of which {k} cannot be taken", self.shape()[axis]);
            return Err(refused("topk", &[self.ty()], why));
        }
        let numbers = self.first_of("topk", (k, axis), largest)?;
        Ok((self.gather(&numbers, axis)?, numbers))
    }

    /// Returns the numbers of the first elements in order.
    fn first_of(&self, name: &'static str, (count, axis): (usize, usize), descending: bool) -> Result<Tensor> {
        let further = self.ty().rank();
        let along = [self.shape()[axis]];
        let places = TensorType::new(Scalar::I32, self.shape());
        let places = Tensor::define_reduction(name, &[self], places, (ReduceOp::Sum, &along), |inputs, at| {
            let element = |place: &ScalarExpr| {
                let mut index = at[..further].to_vec();
                index[axis] = place.clone();
                let value = inputs[0].at(index);
                value.cast(if value.dtype() == Scalar::Bool { Scalar::I32 } else { computed_in(value.dtype()) })
            };
            let (own, other) = (element(&at[axis]), element(&at[further]));
            let (first, second) = if descending { (&own, &other) } else { (&other, &own) };
            let before =
                is_less(first, second) | is_less(second, first).unary(UnaryOp::Not) & at[further].lt(&at[axis]);
            before.cast(Scalar::I32)
        })?;
        let mut output = TensorType::new(Scalar::I64, self.shape());
        output.shape[axis] = count;
        Tensor::define_reduction(name, &[&places], output, (ReduceOp::ArgMax, &along), |inputs, at| {
            let mut index = at[..further].to_vec();
            index[axis] = at[further].clone();
            inputs[0].at(index).equals(&at[axis]).cast(Scalar::I32)
        })
    }
}

/// Returns true if a value is less than another; NaN is larger than any number.
fn is_less(a: &ScalarExpr, b: &ScalarExpr) -> ScalarExpr {
    let less = a.lt(b);
    match a.dtype().is_float() {
        true => less | b.unary(UnaryOp::IsNan) & a.unary(UnaryOp::IsNan).unary(UnaryOp::Not),
        false => less,
    }
}
