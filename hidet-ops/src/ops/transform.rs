//! Operators that move elements.

use super::refused;
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;

impl Tensor {
    /// Returns the tensor whose axis `i` is axis `order[i]` of this one.
    ///
    /// # Errors
    ///
    /// If the order does not name each axis once.
    pub fn permute(&self, order: &[usize]) -> Result<Tensor> {
        let (dtype, shape) = (self.dtype(), self.shape());
        let place = |axis: usize| order.iter().position(|own| *own == axis);
        let places: Option<Vec<usize>> = (0..shape.len()).map(place).collect();
        let Some(places) = places.filter(|places| places.len() == order.len()) else {
            let why = format!("{order:?} does not name each of the {} axes once, counted from 0", shape.len());
            return Err(refused("permute", &[self.ty()], why));
        };
        let value = ScalarExpr::read(0, dtype, places.into_iter().map(ScalarExpr::axis).collect());
        let output: Vec<usize> = order.iter().map(|axis| shape[*axis]).collect();
        let (inputs, output) = (vec![self.ty().clone()], TensorType::new(dtype, &output));
        Tensor::apply(Task { name: "permute", inputs, output, compute: Compute::Each(value) }, &[self])
    }

    /// Returns the transposed matrices of the last two axes.
    ///
    /// # Errors
    ///
    /// If there are fewer than two axes.
    pub fn t(&self) -> Result<Tensor> {
        let rank = self.ty().rank();
        if rank < 2 {
            return Err(refused("t", &[self.ty()], "it needs two axes or more"));
        }
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        self.permute(&order)
    }

    /// Returns the elements in the same order with another shape.
    ///
    /// # Errors
    ///
    /// If the shape has not as many elements.
    pub fn reshape(&self, shape: &[usize]) -> Result<Tensor> {
        let output = TensorType::new(self.dtype(), shape);
        let elements = shape.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent));
        if elements != Some(self.ty().len()) {
            return Err(refused(
                "reshape",
                &[self.ty()],
                format!("{shape:?} has not its {} elements", self.ty().len()),
            ));
        }
        let inputs = vec![self.ty().clone()];
        Tensor::apply(Task { name: "reshape", inputs, output, compute: Compute::Reshape }, &[self])
    }
}
