//! Elements in order. Of few elements, the place of each is the number of those that come before it; many are exchanged in
//! pairs (Batcher, "Sorting networks and their applications", 1968).

use super::{axes, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

/// The most elements of an axis of which each is compared with each.
const MOST_OF_ALL_PAIRS: usize = 512;

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
        if self.shape()[axis] > MOST_OF_ALL_PAIRS {
            let all = self.exchanged(name, axis, descending)?;
            return all.slice(&[(axis, 0, count as i64, 1)])?.cast(Scalar::I64);
        }
        let further = self.ty().rank();
        let along = [self.shape()[axis]];
        let places = TensorType::new(Scalar::I32, self.shape());
        let places = Tensor::define_reduction(name, &[self], places, (ReduceOp::Sum, &along), |inputs, at| {
            let element = |place: &ScalarExpr| {
                let mut index = at[..further].to_vec();
                index[axis] = place.clone();
                comparable(&inputs[0].at(index))
            };
            let (own, other) = (element(&at[axis]), element(&at[further]));
            let (first, second) = if descending { (&own, &other) } else { (&other, &own) };
            comes_first([first, second], at[further].lt(&at[axis])).cast(Scalar::I32)
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

impl Tensor {
    /// Returns the numbers of all elements in order, and behind them those up to a power of two.
    fn exchanged(&self, name: &'static str, axis: usize, descending: bool) -> Result<Tensor> {
        let len = self.shape()[axis];
        let mut places = TensorType::new(Scalar::I32, self.shape());
        places.shape[axis] = len.next_power_of_two();
        let mut numbers = Tensor::define(name, &[self], places.clone(), |_, at| at[axis].clone())?;
        let size = places.shape[axis].trailing_zeros();
        // Of each pair of places, which differ in one bit, the first gets the number that comes first where a run of `run`
        // places ascends, and the other one where it descends.
        for (run, apart) in (1..=size).flat_map(|run| (0..run).rev().map(move |apart| (1i64 << run, 1i64 << apart))) {
            numbers = Tensor::define(name, &[self, &numbers], places.clone(), |inputs, at| {
                let has = |bit: i64| (&at[axis] & bit).differs(0i64);
                let partner = has(apart).select(&(&at[axis] - apart), &(&at[axis] + apart));
                let along = |place: &ScalarExpr| {
                    let mut index = at.to_vec();
                    index[axis] = place.clone();
                    index
                };
                let [own, other] = [&at[axis], &partner].map(|place| inputs[1].at(along(place)));
                let before = |a: &ScalarExpr, b: &ScalarExpr| {
                    let [first, second] = if descending { [b, a] } else { [a, b] };
                    let element = |number: &ScalarExpr| comparable(&inputs[0].at(along(number)));
                    let order = comes_first([&element(first), &element(second)], a.lt(b));
                    a.lt(len) & (b.ge(len) | order)
                };
                let keeps_first = has(run).select(&has(apart), &has(apart).unary(UnaryOp::Not));
                let exchange = keeps_first.select(&before(&other, &own), &before(&own, &other));
                exchange.select(&other, &own)
            })?;
        }
        Ok(numbers)
    }
}

/// Returns a value as one that can be compared.
fn comparable(value: &ScalarExpr) -> ScalarExpr {
    value.cast(if value.dtype() == Scalar::Bool { Scalar::I32 } else { computed_in(value.dtype()) })
}

/// Returns true if one value comes before another: it is less, or equal and its number is less.
fn comes_first([first, second]: [&ScalarExpr; 2], is_earlier: ScalarExpr) -> ScalarExpr {
    is_less(first, second) | is_less(second, first).unary(UnaryOp::Not) & is_earlier
}

/// Returns true if a value is less than another; NaN is larger than any number.
fn is_less(a: &ScalarExpr, b: &ScalarExpr) -> ScalarExpr {
    let less = a.lt(b);
    match a.dtype().is_float() {
        true => less | b.unary(UnaryOp::IsNan) & a.unary(UnaryOp::IsNan).unary(UnaryOp::Not),
        false => less,
    }
}
