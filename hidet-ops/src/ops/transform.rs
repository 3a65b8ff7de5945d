//! Operators that move elements.

use super::refused;
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::{Compute, Task};
use crate::tensor::Tensor;
use hidet::types::Scalar;

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
        if let Some(part) = self.reshaped_part(shape)? {
            return Ok(part);
        }
        let Some(index) = same_but_ones(self.shape(), shape) else { return self.in_memory_as(shape) };
        let (inputs, compute) = (vec![self.ty().clone()], Compute::Each(ScalarExpr::read(0, self.dtype(), index)));
        Tensor::apply(Task { name: "reshape", inputs, output, compute }, &[self])
    }

    /// Returns the same memory with another shape of as many elements: what is before is in one kernel, what follows in another.
    pub(crate) fn in_memory_as(&self, shape: &[usize]) -> Result<Tensor> {
        let (inputs, output) = (vec![self.ty().clone()], TensorType::new(self.dtype(), shape));
        Tensor::apply(Task { name: "reshape", inputs, output, compute: Compute::Reshape }, &[self])
    }

    /// Returns a part of the last axis with that axis divided, as a part of the whole tensor with the axis divided: that is the
    /// same memory, while the elements of a part would have to be moved together first.
    fn reshaped_part(&self, shape: &[usize]) -> Result<Option<Tensor>> {
        let ([.., parts, size], Some((whole, start))) = (shape, self.part_of_last_axis()) else { return Ok(None) };
        let ([front @ .., _], [.., extent]) = (self.shape(), whole.shape()) else { return Ok(None) };
        let is_divided = *size > 0 && extent.is_multiple_of(*size) && start.is_multiple_of(*size);
        if !is_divided || shape.len() != front.len() + 2 || shape[..front.len()] != *front {
            return Ok(None);
        }
        let divided = whole.reshape(&[front, &[extent / size, *size]].concat())?;
        let first = (start / size) as i64;
        divided.slice(&[(front.len(), first, first + *parts as i64, 1)]).map(Some)
    }
}

/// Returns the index of an element in a tensor of the first shape, for coordinates in the second, if these differ in axes with
/// one element alone: then the operator can be part of a kernel.
fn same_but_ones(from: &[usize], to: &[usize]) -> Option<Vec<ScalarExpr>> {
    let long = |shape: &[usize]| (0..shape.len()).filter(|axis| shape[*axis] != 1).collect::<Vec<usize>>();
    let (own, others) = (long(from), long(to));
    let same = own.iter().map(|axis| from[*axis]).eq(others.iter().map(|axis| to[*axis]));
    let place = |axis: usize| match own.iter().position(|other| *other == axis) {
        Some(at) => ScalarExpr::axis(others[at]),
        None => ScalarExpr::constant(Scalar::I32, 0.0),
    };
    (same && from != to).then(|| (0..from.len()).map(place).collect())
}
