//! Shapes: what changes extents and order, but no element.

use super::Row;
use super::tools::{broadcast, host, one, product, unsupported};
use crate::array::Array;
use crate::call::{Call, axes_of, axis_of, sizes};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;

pub(super) const ROWS: &[Row] = &[
    Row("DepthToSpace", 1, &["blocksize", "mode"], depth_to_space),
    Row("Expand", 8, &[], expand),
    Row("Flatten", 1, &["axis"], flatten),
    Row("Identity", 1, &[], |call| Ok(vec![call.value(0)?.clone()])),
    Row("OptionalGetElement", 15, &[], |call| Ok(vec![call.value(0)?.clone()])),
    Row("OptionalHasElement", 15, &[], |call| {
        host(Array::of_integers(Scalar::Bool, &[], &[i64::from(call.given(0).is_some())]))
    }),
    Row("Reshape", 1, &["allowzero", "shape"], reshape),
    Row("Shape", 1, &["start", "end"], shape),
    Row("Size", 1, &[], |call| host(Array::of_integers(Scalar::I64, &[], &[call.value(0)?.ty().len() as i64]))),
    Row("SpaceToDepth", 1, &["blocksize", "mode"], space_to_depth),
    Row("Squeeze", 1, &["axes"], squeeze),
    Row("Transpose", 1, &["perm"], transpose),
    Row("Unsqueeze", 1, &["axes"], unsqueeze),
];

fn shape(call: &Call) -> NodeResult<Vec<Value>> {
    let extents: Vec<i64> = call.value(0)?.ty().shape.iter().map(|extent| *extent as i64).collect();
    let rank = extents.len() as i64;
    let bound = |bound: i64| if bound < 0 { bound + rank } else { bound }.clamp(0, rank) as usize;
    let (start, end) = (bound(call.int("start", 0)?), bound(call.int("end", rank)?));
    host(Array::list(&extents[start..end.max(start)]))
}

fn reshape(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let wanted = match call.numbers(1)? {
        Some(list) => list,
        None => call.ints("shape")?.ok_or("the shape is missing")?,
    };
    one(x.reshape(&reshaped(x.shape(), &wanted, call.flag("allowzero", false)?)?)?)
}

/// Returns the extents that a list means: -1 is what is left, 0 the same as before.
fn reshaped(from: &[usize], wanted: &[i64], allow_zero: bool) -> NodeResult<Vec<usize>> {
    let wrong = |why: &str| Err(format!("{from:?} cannot be reshaped to {wanted:?}: {why}").into());
    let mut to = Vec::new();
    for (axis, extent) in wanted.iter().enumerate() {
        to.push(match (*extent, from.get(axis)) {
            (0, Some(same)) if !allow_zero => *same,
            (0, None) if !allow_zero => return wrong("a 0 stands for an axis that the input lacks"),
            (-1, _) => 1,
            (extent, _) => match usize::try_from(extent) {
                Ok(extent) => extent,
                Err(_) => return wrong("extents are not negative, but -1 once"),
            },
        });
    }
    let open: Vec<usize> = (0..to.len()).filter(|axis| wanted[*axis] == -1).collect();
    match open.as_slice() {
        [] => {}
        [axis] => match (product(from), to.iter().try_fold(1usize, |all, extent| all.checked_mul(*extent))) {
            (all, Some(others)) if others > 0 && all.is_multiple_of(others) => to[*axis] = all / others,
            _ => return wrong("the other extents do not divide the number of elements"),
        },
        _ => return wrong("-1 is there twice"),
    }
    Ok(to)
}

fn flatten(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let (axis, rank) = (call.int("axis", 1)?, x.ty().rank());
    let axis = if axis == rank as i64 { rank } else { axis_of(axis, rank)? };
    one(x.reshape(&[product(&x.shape()[..axis]), product(&x.shape()[axis..])])?)
}

/// Returns the axes of a node: an attribute, or an input from version 13 on.
fn axes(call: &Call) -> NodeResult<Option<Vec<i64>>> {
    match call.numbers(1)? {
        Some(axes) => Ok(Some(axes)),
        None => call.ints("axes"),
    }
}

fn squeeze(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axes = match axes(call)? {
        Some(axes) => axes_of(&axes, x.ty().rank())?,
        None => (0..x.ty().rank()).filter(|axis| x.shape()[*axis] == 1).collect(),
    };
    one(x.squeeze(&axes)?)
}

fn unsqueeze(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axes = axes(call)?.ok_or("the axes are missing")?;
    let rank = x.ty().rank() + axes.len();
    let axes = axes_of(&axes, rank)?;
    let mut own = x.shape().iter();
    let extent = |axis: usize| if axes.contains(&axis) { 1 } else { own.next().copied().unwrap_or(1) };
    one(x.reshape(&(0..rank).map(extent).collect::<Vec<usize>>())?)
}

fn transpose(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    let order = match call.ints("perm")? {
        Some(order) => axes_of(&order, rank)?,
        None => (0..rank).rev().collect(),
    };
    one(x.permute(&order)?)
}

fn expand(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let wanted = sizes(&call.integers(1)?)?;
    one(x.expand(&broadcast([x.shape(), &wanted])?)?)
}

/// Returns the extents of an image and the size of blocks.
fn blocks(call: &Call, shape: &[usize]) -> NodeResult<([usize; 4], usize)> {
    let block = usize::try_from(call.int("blocksize", 0)?).unwrap_or(0);
    match (shape, block) {
        (_, 0) => unsupported("blocksize", call.int("blocksize", 0)?),
        (_, block) if block > 1 << 15 => unsupported("blocksize", block),
        ([n, c, h, w], block) => Ok(([*n, *c, *h, *w], block)),
        _ => Err(format!("the input must have the axes n, c, h, w, but has {shape:?}").into()),
    }
}

fn depth_to_space(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let ([n, c, h, w], block) = blocks(call, x.shape())?;
    let channels = c / (block * block);
    let (split, order) = match call.text("mode", "DCR")?.as_str() {
        "DCR" => ([n, block, block, channels, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, channels, block, block, h, w], [0, 1, 4, 2, 5, 3]),
        other => return unsupported("mode", other),
    };
    one(x.reshape(&split)?.permute(&order)?.reshape(&[n, channels, h * block, w * block])?)
}

fn space_to_depth(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let ([n, c, h, w], block) = blocks(call, x.shape())?;
    let order = match call.text("mode", "DCR")?.as_str() {
        "DCR" => [0, 3, 5, 1, 2, 4],
        "CRD" => [0, 1, 3, 5, 2, 4],
        other => return unsupported("mode", other),
    };
    let split = [n, c, h / block, block, w / block, block];
    one(x.reshape(&split)?.permute(&order)?.reshape(&[n, c * block * block, h / block, w / block])?)
}
