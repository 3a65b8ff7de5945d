//! Tensors joined along an axis, repeated and padded.

use super::{axes, refused};
use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::ir::{UnaryOp, eval};
use hidet::types::Number;

/// What a padded tensor has around its elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PadMode {
    /// A number. It is rounded to a float; an integer must be equal to it.
    Constant(f64),
    /// The elements in reverse order, without the first or last one: `c b [a b c] b a`.
    Reflect,
    /// The first or last element: `a a [a b c] c c`.
    Edge,
    /// The elements again: `b c [a b c] a b`.
    Wrap,
}

/// The most tensors that one kernel joins.
const MOST_JOINED: usize = 16;

impl Tensor {
    /// Returns tensors one behind the other along an axis, of elements of one type, which may be any: `[2, 3]` and `[2, 4]`
    /// along axis 1 are `[2, 7]`.
    ///
    /// # Errors
    ///
    /// If there are no tensors or no such axis, or types of elements or extents of the other axes differ.
    pub fn concat(tensors: &[&Tensor], axis: usize) -> Result<Tensor> {
        let first = joined("concat", tensors)?;
        axes::one("concat", first, axis)?;
        let others = |shape: &[usize]| [&shape[..axis], &shape[axis + 1..]].concat();
        let differs =
            |other: &&&Tensor| other.ty().rank() != first.ty().rank() || others(other.shape()) != others(first.shape());
        if let Some(other) = tensors.iter().find(differs) {
            let why = format!("{} and {} differ in more than axis {axis}", first.ty(), other.ty());
            return Err(refused("concat", &types(tensors), why));
        }
        concat(tensors, axis)
    }

    /// Returns tensors of one type and shape, which may be any, one behind the other along a new axis: two `[2, 3]` along
    /// axis 0 are `[2, 2, 3]`.
    ///
    /// # Errors
    ///
    /// If there are no tensors, their types or shapes differ, or the result would not have such an axis.
    pub fn stack(tensors: &[&Tensor], axis: usize) -> Result<Tensor> {
        let first = joined("stack", tensors)?;
        if let Some(other) = tensors.iter().find(|other| other.shape() != first.shape()) {
            let why = format!("{} and {} have different shapes", first.ty(), other.ty());
            return Err(refused("stack", &types(tensors), why));
        }
        if axis > first.ty().rank() {
            let why = format!("the result has no axis {axis}: the new axis is one of 0 to {}", first.ty().rank());
            return Err(refused("stack", &types(tensors), why));
        }
        let all = tensors.iter().map(|tensor| tensor.unsqueeze(axis)).collect::<Result<Vec<Tensor>>>()?;
        Tensor::concat(&all.iter().collect::<Vec<_>>(), axis)
    }

    /// Returns the tensor repeated that many times along each axis, for elements of any type: `[a, b]` twice is
    /// `[a, b, a, b]`.
    ///
    /// # Errors
    ///
    /// If there is not one number for each axis, or the result would be too large.
    pub fn tile(&self, repeats: &[usize]) -> Result<Tensor> {
        axes::each("tile", self, "repeats", repeats.len())?;
        let shape = self.shape();
        let extents: Option<Vec<usize>> =
            shape.iter().zip(repeats).map(|(extent, repeat)| extent.checked_mul(*repeat)).collect();
        let extents = extents.ok_or_else(|| too_large("tile", self))?;
        Tensor::define("tile", &[self], TensorType::new(self.dtype(), &extents), |inputs, at| {
            inputs[0].at((0..shape.len()).map(|axis| match (shape[axis], repeats[axis]) {
                (_, 1) => at[axis].clone(),
                (0 | 1, _) => at[axis].same(0.0),
                (extent, _) => &at[axis] % extent,
            }))
        })
    }

    /// Returns the tensor with each element that many times along an axis, for elements of any type: `[a, b]` twice is
    /// `[a, a, b, b]`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the result would be too large.
    pub fn repeat_interleave(&self, count: usize, axis: usize) -> Result<Tensor> {
        axes::one("repeat_interleave", self, axis)?;
        let mut shape = self.shape().to_vec();
        shape[axis] = shape[axis].checked_mul(count).ok_or_else(|| too_large("repeat_interleave", self))?;
        Tensor::define("repeat_interleave", &[self], TensorType::new(self.dtype(), &shape), |inputs, at| {
            let mut index = at.to_vec();
            match (count, self.shape()[axis]) {
                (1, _) => {}
                (0, _) | (_, 0 | 1) => index[axis] = at[axis].same(0.0),
                _ => index[axis] = &at[axis] / count,
            }
            inputs[0].at(index)
        })
    }

    /// Returns the tensor with that many elements more before and after those of each axis, for elements of any type.
    ///
    /// # Errors
    ///
    /// If there is not one number for each axis, the type of the elements lacks the number of [`PadMode::Constant`], an axis
    /// has no more elements than [`PadMode::Reflect`] adds on one side, an axis without elements would get some by another
    /// mode than a constant, or the result would be too large.
    pub fn pad(&self, before: &[usize], after: &[usize], mode: PadMode) -> Result<Tensor> {
        axes::each("pad", self, "numbers of elements before", before.len())?;
        axes::each("pad", self, "numbers of elements after", after.len())?;
        let (shape, dtype) = (self.shape(), self.dtype());
        let refused = |why: String| Err(refused("pad", &[self.ty()], why));
        let padded: Vec<usize> = (0..shape.len()).filter(|axis| before[*axis] > 0 || after[*axis] > 0).collect();
        match mode {
            PadMode::Constant(number) => {
                if !dtype.is_float() && eval::to_f64(dtype, eval::nearest(dtype, Number::Float(number))) != number {
                    return refused(format!("{dtype} has no {number}; convert the tensor with `cast` before"));
                }
            }
            PadMode::Reflect => {
                if let Some(axis) = padded.iter().find(|axis| before[**axis].max(after[**axis]) >= shape[**axis]) {
                    return refused(format!(
                        "axis {axis} has {} elements, of which at most all but one can be reflected on a side, not {}",
                        shape[*axis],
                        before[*axis].max(after[*axis])
                    ));
                }
            }
            PadMode::Edge | PadMode::Wrap => {
                if let Some(axis) = padded.iter().find(|axis| shape[**axis] == 0) {
                    return refused(format!("axis {axis} has no elements to repeat; pad with `PadMode::Constant`"));
                }
            }
        }
        let extent = |axis: usize| shape[axis].checked_add(before[axis])?.checked_add(after[axis]);
        let extents: Option<Vec<usize>> = (0..shape.len()).map(extent).collect();
        let extents = extents.ok_or_else(|| too_large("pad", self))?;
        Tensor::define("pad", &[self], TensorType::new(dtype, &extents), |inputs, at| {
            let (mut index, mut conditions) = (at.to_vec(), Vec::new());
            for axis in padded {
                let (extent, own) = (shape[axis], &at[axis] - before[axis]);
                index[axis] = match mode {
                    PadMode::Constant(_) => {
                        conditions.push(own.ge(0.0) & own.lt(extent));
                        axes::inside(&own, extent)
                    }
                    PadMode::Edge => axes::inside(&own, extent),
                    PadMode::Reflect => {
                        let last = own.same(extent as f64 - 1.0);
                        let beyond = &last - own.unary(UnaryOp::Abs);
                        &last - beyond.unary(UnaryOp::Abs)
                    }
                    PadMode::Wrap => {
                        // Coordinates are not negative, so that remainders are not.
                        let (around, rest) = (&at[axis] % extent, before[axis] % extent);
                        let (from_end, from_start) = (&around + (extent - rest), &around - rest);
                        around.lt(rest).select(&from_end, &from_start)
                    }
                };
            }
            let element = inputs[0].at(index);
            match (mode, conditions.into_iter().reduce(|all, one| all & one)) {
                (PadMode::Constant(number), Some(inside)) => inside.select(&element, &element.same(number)),
                _ => element,
            }
        })
    }
}

/// Returns the first tensor of some that have one type of elements.
fn joined<'a>(operator: &'static str, tensors: &[&'a Tensor]) -> Result<&'a Tensor> {
    let Some(first) = tensors.first() else {
        return Err(refused(operator, &[], "it needs one tensor or more"));
    };
    if tensors.iter().any(|other| other.dtype() != first.dtype()) {
        let why = format!("their elements have different types; convert them with `cast(Scalar::{:?})`", first.dtype());
        return Err(refused(operator, &types(tensors), why));
    }
    Ok(first)
}

/// Returns tensors that fit one behind the other: up to [`MOST_JOINED`] by one kernel.
fn concat(tensors: &[&Tensor], axis: usize) -> Result<Tensor> {
    if tensors.len() > MOST_JOINED {
        let groups = tensors.len().div_ceil(MOST_JOINED);
        let groups = tensors.chunks(tensors.len().div_ceil(groups.min(MOST_JOINED)));
        let joined = groups.map(|group| concat(group, axis)).collect::<Result<Vec<Tensor>>>()?;
        return concat(&joined.iter().collect::<Vec<_>>(), axis);
    }
    let full: Vec<&Tensor> = tensors.iter().filter(|tensor| tensor.shape()[axis] > 0).copied().collect();
    if full.len() < 2 {
        return Ok(full.first().map_or_else(|| tensors[0].clone(), |only| (*only).clone()));
    }
    let extents: Vec<usize> = full.iter().map(|tensor| tensor.shape()[axis]).collect();
    let mut output = full[0].ty().clone();
    output.shape[axis] = extents.iter().sum();
    let value = |read: &dyn Fn(usize, Vec<ScalarExpr>) -> ScalarExpr, at: &[ScalarExpr]| {
        let last = extents.len() - 1;
        // Each is read at its own index or at an end, and the one in which the coordinate is is selected.
        let element = |number: usize| {
            let start: usize = extents[..number].iter().sum();
            let mut own = if start > 0 { &at[axis] - start } else { at[axis].clone() };
            own = if number > 0 { own.max(0.0) } else { own };
            own = if number < last { own.min(extents[number] - 1) } else { own };
            let mut index = at.to_vec();
            index[axis] = own;
            read(number, index)
        };
        let select = |rest: ScalarExpr, number: usize| {
            at[axis].lt(extents[..=number].iter().sum::<usize>()).select(&element(number), &rest)
        };
        (0..last).rev().fold(element(last), select)
    };
    Tensor::define("concat", &full, output, |inputs, at| value(&|number, index| inputs[number].at(index), at))
}

fn types<'a>(tensors: &[&'a Tensor]) -> Vec<&'a TensorType> {
    tensors.iter().map(|tensor| tensor.ty()).collect()
}

fn too_large(operator: &'static str, tensor: &Tensor) -> Error {
    refused(operator, &[tensor.ty()], "the result would have more than 2^40 elements")
}
