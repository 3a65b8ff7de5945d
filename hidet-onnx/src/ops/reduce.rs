//! Reductions along axes, and running sums and products.

use super::Row;
use super::tools::{one, wide};
use crate::call::{Call, axes_of, axis_of};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::{ReduceOp, Tensor};

const ATTRIBUTES: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];

pub(super) const ROWS: &[Row] = &[
    Row("ArgMax", 1, &["axis", "keepdims", "select_last_index"], |call| place(call, true)),
    Row("ArgMin", 1, &["axis", "keepdims", "select_last_index"], |call| place(call, false)),
    Row("CumProd", 26, &["exclusive", "reverse"], cumprod),
    Row("CumSum", 11, &["exclusive", "reverse"], |call| {
        let x = call.tensor(0)?;
        let axis = axis_of(call.number(1)?.unwrap_or(0), x.ty().rank())?;
        one(x.cumsum(axis, call.flag("exclusive", false)?, call.flag("reverse", false)?)?)
    }),
    Row("ReduceL1", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| Ok(x.abs()?.sum(axes, keep)?))),
    Row("ReduceL2", 1, ATTRIBUTES, |call| {
        reduced(call, |x, axes, keep| rounded_once(x, |x| Ok(x.square()?.sum(axes, keep)?.sqrt()?)))
    }),
    Row("ReduceLogSum", 1, ATTRIBUTES, |call| {
        reduced(call, |x, axes, keep| rounded_once(x, |x| Ok(x.sum(axes, keep)?.log()?)))
    }),
    Row("ReduceLogSumExp", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| Ok(x.log_sum_exp(axes, keep)?))),
    Row("ReduceMax", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| extreme(x, axes, keep, true))),
    Row("ReduceMean", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| Ok(x.mean(axes, keep)?))),
    Row("ReduceMin", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| extreme(x, axes, keep, false))),
    Row("ReduceProd", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| Ok(x.prod(axes, keep)?))),
    Row("ReduceSum", 1, ATTRIBUTES, |call| reduced(call, |x, axes, keep| Ok(x.sum(axes, keep)?))),
    Row("ReduceSumSquare", 1, ATTRIBUTES, |call| {
        reduced(call, |x, axes, keep| rounded_once(x, |x| Ok(x.square()?.sum(axes, keep)?)))
    }),
];

/// Returns a reduction along the axes of a node: an input, or an attribute in old versions, of which a node has at most one.
fn reduced(call: &Call, f: impl FnOnce(&Tensor, &[usize], bool) -> NodeResult<Tensor>) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    let given = match call.numbers(1)? {
        Some(axes) => Some(axes),
        None => call.ints("axes")?,
    };
    let axes = match given.filter(|axes| !axes.is_empty()) {
        Some(axes) => axes_of(&axes, rank)?,
        // Each element is reduced by itself, which is not nothing: its absolute value, for one.
        None if call.flag("noop_with_empty_axes", false)? => Vec::new(),
        None => (0..rank).collect(),
    };
    one(f(&x, &axes, call.flag("keepdims", true)?)?)
}

/// Returns a composition computed in a wider type, so that its result is rounded once.
fn rounded_once(x: &Tensor, f: impl FnOnce(&Tensor) -> NodeResult<Tensor>) -> NodeResult<Tensor> {
    Ok(f(&x.cast(wide(x.dtype()))?)?.cast(x.dtype())?)
}

/// Returns the largest or smallest elements; of no elements, the infinities of floats.
fn extreme(x: &Tensor, axes: &[usize], keep: bool, largest: bool) -> NodeResult<Tensor> {
    let of = |x: &Tensor| if largest { x.max(axes, keep) } else { x.min(axes, keep) };
    if x.dtype() == Scalar::Bool {
        return Ok(if largest { x.any(axes, keep)? } else { x.all(axes, keep)? });
    }
    Ok(of(x)?)
}

fn place(call: &Call, largest: bool) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int("axis", 0)?, x.ty().rank())?;
    let keep = call.flag("keepdims", true)?;
    let of = |x: &Tensor| if largest { x.argmax(&[axis], keep) } else { x.argmin(&[axis], keep) };
    if !call.flag("select_last_index", false)? {
        return one(of(&x)?);
    }
    // The last one is the first one from the end.
    let last = x.shape()[axis] as f64 - 1.0;
    one(of(&x.flip(&[axis])?)?.neg()?.add(last)?)
}

/// Returns running products, each as a product of all elements along the axis of which those behind are 1.
fn cumprod(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.number(1)?.unwrap_or(0), x.ty().rank())?;
    let (exclusive, reverse) = (call.flag("exclusive", false)?, call.flag("reverse", false)?);
    let (dtype, rank) = (x.dtype(), x.ty().rank());
    let over = [x.shape()[axis]];
    let result =
        Tensor::define_reduction("cumprod", &[&x], x.ty().clone(), (ReduceOp::Product, &over), |inputs, at| {
            let (own, other) = (&at[axis], &at[rank]);
            let mut index = at[..rank].to_vec();
            index[axis] = other.clone();
            let term = inputs[0].at(index).cast(wide(dtype));
            let counts = match (exclusive, reverse) {
                (false, false) => other.le(own),
                (true, false) => other.lt(own),
                (false, true) => other.ge(own),
                (true, true) => other.gt(own),
            };
            counts.select(&term, &term.same(1.0))
        });
    one(result?)
}
