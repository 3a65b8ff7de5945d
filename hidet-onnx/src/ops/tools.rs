//! What the operators share: definitions on elements, broadcasting, and results.

use crate::array::Array;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::device::Device;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Input, Result, Tensor, TensorType};

/// Returns one result.
pub(super) fn one(tensor: Tensor) -> NodeResult<Vec<Value>> {
    Ok(vec![tensor.into()])
}

/// Returns several results.
pub(super) fn several(tensors: impl IntoIterator<Item = Tensor>) -> NodeResult<Vec<Value>> {
    Ok(tensors.into_iter().map(Value::from).collect())
}

/// Returns one result on the host.
pub(super) fn host(array: Array) -> NodeResult<Vec<Value>> {
    Ok(vec![array.into()])
}

/// Returns the type in which elements of a type are computed: floats of 16 and 8 bits in `f32`.
pub(super) fn wide(dtype: Scalar) -> Scalar {
    if dtype.is_float() && dtype.bytes() < 4 { Scalar::F32 } else { dtype }
}

/// Returns the extents to which shapes are broadcast.
pub(super) fn broadcast<'a>(shapes: impl IntoIterator<Item = &'a [usize]>) -> NodeResult<Vec<usize>> {
    let mut all: Vec<usize> = Vec::new();
    for shape in shapes {
        let missing = shape.len().saturating_sub(all.len());
        all.splice(0..0, std::iter::repeat_n(1, missing));
        let front = all.len() - shape.len();
        for (own, extent) in all[front..].iter_mut().zip(shape) {
            match (*own, *extent) {
                (1, other) => *own = other,
                (own, other) if own == other || other == 1 => {}
                _ => return Err(format!("the shapes do not fit: {shape:?} cannot be broadcast to other inputs").into()),
            }
        }
    }
    Ok(all)
}

/// Returns the element of an input that is broadcast, for coordinates of the result.
pub(super) fn element(input: &Input, at: &[ScalarExpr], shape: &[usize]) -> ScalarExpr {
    let front = shape.len() - input.shape().len();
    let index = input.shape().iter().enumerate().map(|(axis, extent)| match *extent == 1 && shape[front + axis] != 1 {
        true => number(0),
        false => at[front + axis].clone(),
    });
    input.at(index.collect::<Vec<ScalarExpr>>())
}

/// Returns what is computed of each element of inputs that are broadcast, with floats of 16 bits as `f32`; the value is converted
/// to the type of the result.
pub(super) fn each(
    name: &'static str,
    inputs: &[&Tensor],
    dtype: Scalar,
    f: impl FnOnce(&[ScalarExpr]) -> ScalarExpr,
) -> NodeResult<Tensor> {
    let shape = broadcast(inputs.iter().map(|input| input.shape()))?;
    let output = TensorType::new(dtype, &shape);
    Ok(Tensor::define(name, inputs, output, |inputs, at| {
        let read = |input: &Input| element(input, at, &shape).cast(wide(input.dtype()));
        f(&inputs.iter().map(read).collect::<Vec<ScalarExpr>>()).cast(dtype)
    })?)
}

/// Returns a constant coordinate.
pub(super) fn number(value: i64) -> ScalarExpr {
    ScalarExpr::constant(Scalar::I32, value as f64)
}

/// Returns a coordinate as one that need not span the axis that it reads.
pub(super) fn part(at: &ScalarExpr) -> ScalarExpr {
    at + 0usize
}

/// Returns a computed coordinate moved into an axis; what is read there is not used if it was outside.
pub(super) fn inside(at: &ScalarExpr, extent: usize) -> ScalarExpr {
    at.max(0.0).min(extent.max(1) as f64 - 1.0)
}

/// Returns an index counted from the start of an axis, of one that may be counted from the end, as an `i32`.
pub(super) fn from_start(index: &ScalarExpr, extent: usize) -> ScalarExpr {
    index.lt(0.0).select(&(index + extent), index).cast(Scalar::I32)
}

/// Returns the largest integer not greater than a float, as an `i32`.
pub(super) fn floored(at: &ScalarExpr) -> ScalarExpr {
    at.unary(UnaryOp::Floor).cast(Scalar::I32)
}

/// Returns the extents of a tensor that has others instead of those of an axis.
pub(super) fn with_axis(shape: &[usize], axis: usize, extents: &[usize]) -> Vec<usize> {
    [&shape[..axis], extents, &shape[axis + 1..]].concat()
}

/// Returns a tensor with axes of one element behind, or in front if `front`, so that it has this many axes.
pub(super) fn padded(tensor: &Tensor, rank: usize, front: bool) -> NodeResult<Tensor> {
    let ones = vec![1; rank.saturating_sub(tensor.shape().len())];
    let shape = if front { [&ones, tensor.shape()].concat() } else { [tensor.shape(), &ones].concat() };
    Ok(tensor.reshape(&shape)?)
}

/// Returns zeros in memory: a product needs an operand that is more than a number.
pub(super) fn zeros(device: &Device, dtype: Scalar, shape: &[usize]) -> Result<Tensor> {
    let zeros = Tensor::full(device, dtype, shape, 0.0)?;
    zeros.compute()?;
    Ok(zeros)
}

/// Returns a tensor of one channel per element, `[c]`, as `[c, 1, ..]`, which is broadcast to `[n, c, ..]` of this many axes.
pub(super) fn of_channels(tensor: &Tensor, rank: usize) -> NodeResult<Tensor> {
    padded(tensor, rank.saturating_sub(1), false)
}

/// Returns an error about an attribute whose value is not supported.
pub(super) fn unsupported<T>(attribute: &str, value: impl std::fmt::Display) -> NodeResult<T> {
    Err(format!("`{attribute}` = {value} is not supported").into())
}

/// Returns the number of elements of a tensor with these extents, or the largest one if there are more: no tensor has so many.
pub(super) fn product(shape: &[usize]) -> usize {
    shape.iter().fold(1, |all, extent| all.saturating_mul(*extent))
}
