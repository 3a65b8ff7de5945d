//! Elements at indices, and updates of them.

use super::Row;
use super::tools::{from_start, inside, number, one, part, product, unsupported};
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{ScatterMode, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[
    Row("Gather", 1, &["axis"], gather),
    Row("GatherElements", 11, &["axis"], |call| {
        let x = call.tensor(0)?;
        let axis = axis_of(call.int("axis", 0)?, x.ty().rank())?;
        in_bounds(call, 1, x.shape()[axis])?;
        one(x.gather(&call.tensor(1)?, axis)?)
    }),
    Row("GatherND", 11, &["batch_dims"], gather_nd),
    Row("MaxUnpool", 9, &["kernel_shape", "pads", "strides"], max_unpool),
    Row("Scatter", 9, &["axis"], scatter),
    Row("ScatterElements", 11, &["axis", "reduction"], scatter),
    Row("ScatterND", 11, &["reduction"], scatter_nd),
    Row("TensorScatter", 24, &["axis", "mode"], tensor_scatter),
];

/// Returns an error if indices that are known are outside of an axis. Those that are computed on the device are not looked at:
/// elements there are as `Tensor::take` says.
fn in_bounds(call: &Call, input: usize, extent: usize) -> NodeResult<()> {
    if !call.value(input)?.is_host() {
        return Ok(());
    }
    let extent = extent as i64;
    match call.integers(input)?.into_iter().find(|index| !(-extent..extent).contains(index)) {
        Some(index) => Err(format!("index {index} is outside of {extent} elements").into()),
        None => Ok(()),
    }
}

fn gather(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int("axis", 0)?, x.ty().rank())?;
    in_bounds(call, 1, x.shape()[axis])?;
    one(x.take(&call.tensor(1)?, axis)?)
}

/// Vectors of `depth` numbers that index a tensor, behind `batch` axes that both have.
struct Vectors {
    batch: usize,
    depth: usize,
}

impl Vectors {
    fn of(x: &Tensor, indices: &Tensor, batch: usize) -> NodeResult<Vectors> {
        let depth = indices.shape().last().copied().ok_or("the indices must have an axis")?;
        if !matches!(indices.dtype(), Scalar::I64 | Scalar::I32) {
            return Err(format!("the indices {} must be integers of 32 or 64 bits", indices.ty()).into());
        }
        let fits = batch + depth <= x.ty().rank() && batch < indices.ty().rank();
        if !fits || x.shape()[..batch] != indices.shape()[..batch] {
            return Err(format!("the indices {} do not fit {}", indices.ty(), x.ty()).into());
        }
        Ok(Vectors { batch, depth })
    }
}

fn gather_nd(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?);
    let batch = usize::try_from(call.int("batch_dims", 0)?).map_err(|_| "`batch_dims` is negative")?;
    let Vectors { batch, depth } = Vectors::of(&x, &indices, batch)?;
    let front = indices.ty().rank() - 1;
    let shape = [&indices.shape()[..front], &x.shape()[batch + depth..]].concat();
    one(Tensor::define("gather_nd", &[&x, &indices], TensorType::new(x.dtype(), &shape), |inputs, at| {
        let own = |number: usize| {
            let vector = [&at[..front], &[super::tools::number(number as i64)]].concat();
            from_start(&inputs[1].at(vector), x.shape()[batch + number])
        };
        let own: Vec<ScalarExpr> = (0..depth).map(own).collect();
        inputs[0].at([&at[..batch], &own, &at[front..]].concat())
    })?)
}

fn mode(call: &Call) -> NodeResult<ScatterMode> {
    Ok(match call.text("reduction", "none")?.as_str() {
        "none" => ScatterMode::Set,
        "add" => ScatterMode::Add,
        "mul" => ScatterMode::Mul,
        "max" => ScatterMode::Max,
        "min" => ScatterMode::Min,
        other => return unsupported("reduction", other),
    })
}

fn scatter(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int("axis", 0)?, x.ty().rank())?;
    in_bounds(call, 1, x.shape()[axis])?;
    one(x.scatter(&call.tensor(1)?, &call.tensor(2)?, axis, mode(call)?)?)
}

/// Index vectors become places in the flattened axes that they index, so that updates are rows along one axis.
fn scatter_nd(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, indices, updates) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let Vectors { depth, .. } = Vectors::of(&x, &indices, 0)?;
    let (indexed, rest) = (product(&x.shape()[..depth]), product(&x.shape()[depth..]));
    let vectors = product(&indices.shape()[..indices.ty().rank() - 1]);
    if updates.ty().len() != vectors * rest || indexed > i32::MAX as usize {
        return Err(format!("the updates {} do not fit", updates.ty()).into());
    }
    let flat = indices.reshape(&[vectors, depth])?;
    let places = Tensor::define("places", &[&flat], TensorType::new(Scalar::I32, &[vectors, rest]), |inputs, at| {
        let own = |axis: usize| {
            let extent = x.shape()[axis];
            let stride = product(&x.shape()[axis + 1..depth]);
            from_start(&inputs[0].at([at[0].clone(), number(axis as i64)]), extent) * stride
        };
        (0..depth).map(own).reduce(|sum, place| sum + place).unwrap_or_else(|| number(0))
    })?;
    let rows = updates.reshape(&[vectors, rest])?;
    one(x.reshape(&[indexed, rest])?.scatter(&places, &rows, 0, mode(call)?)?.reshape(x.shape())?)
}

fn max_unpool(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, indices) = (call.tensor(0)?, call.tensor(1)?);
    let kernel = call.extents("kernel_shape")?.ok_or("attribute `kernel_shape` is missing")?;
    let axes = kernel.len();
    if x.ty().rank() != axes + 2 || x.shape() != indices.shape() {
        return Err(format!("{} and {} do not fit the kernel {kernel:?}", x.ty(), indices.ty()).into());
    }
    let strides = call.extents("strides")?.unwrap_or_else(|| vec![1; axes]);
    let pads = call.extents("pads")?.unwrap_or_else(|| vec![0; 2 * axes]);
    if strides.len() != axes || pads.len() != 2 * axes {
        return Err(format!("`strides` and `pads` do not fit {axes} spatial axes").into());
    }
    let mut own = x.shape()[..2].to_vec();
    for axis in 0..axes {
        let whole = (x.shape()[axis + 2].max(1) - 1).saturating_mul(strides[axis]).saturating_add(kernel[axis]);
        own.push(whole.saturating_sub(pads[axis] + pads[axes + axis]));
    }
    // Indices count in the extents that the attributes say, which may be less than those that are given.
    let count = product(&own);
    let zeros = Tensor::full(call.device, x.dtype(), &[count], 0.0)?;
    let elements = x.ty().len();
    let flat = (indices.reshape(&[elements])?, x.reshape(&[elements])?);
    let placed = zeros.scatter(&flat.0, &flat.1, 0, ScatterMode::Set)?.reshape(&own)?;
    let Some(wanted) = call.numbers(2)? else { return one(placed) };
    let wanted = crate::call::sizes(&wanted)?;
    if wanted.len() != own.len() || wanted.iter().zip(&own).any(|(wanted, own)| wanted < own) {
        return Err(format!("the output shape {wanted:?} is less than {own:?}").into());
    }
    let after: Vec<usize> = wanted.iter().zip(&own).map(|(wanted, own)| wanted - own).collect();
    one(placed.pad(&vec![0; own.len()], &after, hidet_ops::PadMode::Constant(0.0))?)
}

/// Each element looks which update is written to it, if any.
fn tensor_scatter(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, updates) = (call.tensor(0)?, call.tensor(1)?);
    let rank = x.ty().rank();
    let axis = axis_of(call.int("axis", -2)?, rank)?;
    let circular = match call.text("mode", "linear")?.as_str() {
        "linear" => false,
        "circular" => true,
        other => return unsupported("mode", other),
    };
    if axis == 0 || updates.ty().rank() != rank || updates.dtype() != x.dtype() {
        return Err(format!("the updates {} do not fit {} along axis {axis}", updates.ty(), x.ty()).into());
    }
    let (extent, count) = (x.shape()[axis], updates.shape()[axis]);
    let first = call.optional(2)?;
    let inputs: Vec<&Tensor> = [&x, &updates].into_iter().chain(&first).collect();
    one(Tensor::define("tensor_scatter", &inputs, x.ty().clone(), |inputs, at| {
        let first = inputs.get(2).map_or_else(|| number(0), |first| first.at([at[0].clone()]).cast(Scalar::I32));
        let behind = &at[axis] - first;
        let behind = if circular { (behind + extent) % extent } else { behind };
        let mut index = at.to_vec();
        index[axis] = inside(&part(&behind), count);
        let is_written = behind.ge(0usize) & behind.lt(count);
        is_written.select(&inputs[1].at(index), &inputs[0].at(at.to_vec()))
    })?)
}
