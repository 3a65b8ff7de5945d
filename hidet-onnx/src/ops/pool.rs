//! Pools: one number for each window, or for each channel.

use super::Row;
use super::tools::{each, one, part, several, unsupported, wide};
use super::windows::{Windows, spatial};
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::{BinaryOp, UnaryOp};
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{ReduceOp, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[
    Row(
        "AveragePool",
        1,
        &["auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape", "pads", "strides"],
        |call| {
            let x = call.tensor(0)?;
            let windows = Windows::of(call, spatial(x.shape())?, None)?;
            let (ceil, padding) = (call.flag("ceil_mode", false)?, call.flag("count_include_pad", false)?);
            one(x.avg_pool(&windows.kernel, &windows.window(), ceil, padding)?)
        },
    ),
    Row("GlobalAveragePool", 1, &[], |call| {
        let x = call.tensor(0)?;
        one(x.mean(&spatial_axes(&x)?, true)?)
    }),
    Row("GlobalLpPool", 2, &["p"], |call| {
        let x = call.tensor(0)?;
        one(x.norm(call.int("p", 2)? as f64, &spatial_axes(&x)?, true)?)
    }),
    Row("GlobalMaxPool", 1, &[], |call| {
        let x = call.tensor(0)?;
        one(x.max(&spatial_axes(&x)?, true)?)
    }),
    Row("LpPool", 2, &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"], lp_pool),
    Row(
        "MaxPool",
        1,
        &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"],
        max_pool,
    ),
];

fn spatial_axes(x: &Tensor) -> NodeResult<Vec<usize>> {
    Ok((2..2 + spatial(x.shape())?.len()).collect())
}

/// Places in the input that windows read.
struct Places<'a> {
    windows: &'a Windows,
    rank: usize,
}

impl Places<'_> {
    /// Returns the spatial coordinates of a place in a window, which may be outside of the input.
    fn spatial(&self, at: &[ScalarExpr], inside: &[ScalarExpr]) -> Vec<ScalarExpr> {
        let place = |axis: usize| {
            let [stride, dilation, before] =
                [&self.windows.strides, &self.windows.dilations, &self.windows.before].map(|list| list[axis]);
            part(&(&at[2 + axis] * stride + &inside[axis] * dilation - before))
        };
        (0..self.rank - 2).map(place).collect()
    }
}

fn lp_pool(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let extents = spatial(x.shape())?;
    let windows = Windows::of(call, extents, None)?;
    let p = call.int("p", 2)? as f64;
    let counts = windows.window().extents(extents, &windows.kernel, call.flag("ceil_mode", false)?)?;
    let (dtype, rank) = (wide(x.dtype()), x.ty().rank());
    let output = TensorType::new(dtype, &[&x.shape()[..2], &counts].concat());
    let places = Places { windows: &windows, rank };
    let sum = (ReduceOp::Sum, windows.kernel.as_slice());
    // Padding is 0, as a read outside is.
    let sums = Tensor::define_reduction("lp_pool", &[&x], output, sum, |inputs, at| {
        let index = [at[..2].to_vec(), places.spatial(at, &at[rank..])].concat();
        let element = inputs[0].at(index).cast(dtype).unary(UnaryOp::Abs);
        element.binary(BinaryOp::Pow, &element.same(p))
    })?;
    one(each("root", &[&sums], x.dtype(), |xs| xs[0].binary(BinaryOp::Pow, &xs[0].same(1.0 / p)))?)
}

fn max_pool(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let windows = Windows::of(call, spatial(x.shape())?, None)?;
    let ceil = call.flag("ceil_mode", false)?;
    let y = x.max_pool(&windows.kernel, &windows.window(), ceil)?;
    if !call.wants(1) {
        return one(y);
    }
    let rows_first = match call.int("storage_order", 0)? {
        0 => true,
        1 => false,
        other => return unsupported("storage_order", other),
    };
    let places = places(&x, &windows, y.shape(), rows_first)?;
    several([y, places])
}

/// Returns where in the flattened input the largest element of each window is, the first of several.
fn places(x: &Tensor, windows: &Windows, shape: &[usize], rows_first: bool) -> NodeResult<Tensor> {
    let (dtype, rank) = (x.dtype(), x.ty().rank());
    let extents = &x.shape()[2..];
    let places = Places { windows, rank };
    let combined = match wide(dtype) {
        Scalar::I8 | Scalar::U8 | Scalar::I16 | Scalar::U16 => Scalar::I32,
        other => other,
    };
    let (output, over) = (TensorType::new(Scalar::I32, shape), (ReduceOp::ArgMax, windows.kernel.as_slice()));
    let numbers = Tensor::define_reduction("places", &[x], output, over, |inputs, at| {
        let spatial = places.spatial(at, &at[rank..]);
        let parts = spatial.iter().zip(extents).map(|(at, extent)| at.ge(0usize) & at.lt(*extent));
        let element = inputs[0].at([&at[..2], &spatial].concat()).cast(combined);
        let least = element.same(f64::NEG_INFINITY);
        parts.reduce(|all, own| all & own).map_or(element.clone(), |is_inside| is_inside.select(&element, &least))
    })?;
    let places = Tensor::define("indices", &[&numbers], TensorType::new(Scalar::I64, shape), |inputs, at| {
        // The number of the place in the window, taken apart.
        let mut rest = inputs[0].at(at.to_vec());
        let mut inside = vec![rest.clone(); windows.kernel.len()];
        for (axis, extent) in windows.kernel.iter().enumerate().rev() {
            inside[axis] = &rest % *extent;
            rest = rest / *extent;
        }
        let spatial: Vec<ScalarExpr> = places.spatial(at, &inside).iter().map(|at| at.cast(Scalar::I64)).collect();
        let front = at[0].cast(Scalar::I64) * x.shape()[1] + at[1].cast(Scalar::I64);
        let pairs = spatial.into_iter().zip(extents.iter().copied());
        let along = |place: ScalarExpr, (at, extent): (ScalarExpr, usize)| place * extent + at;
        match rows_first {
            true => pairs.fold(front, along),
            false => {
                let size: usize = extents.iter().product();
                let start = front.same(0.0);
                front * size + pairs.rev().fold(start, along)
            }
        }
    })?;
    Ok(places)
}
