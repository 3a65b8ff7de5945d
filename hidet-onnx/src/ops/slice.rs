//! Parts of tensors, and tensors of parts.

use super::Row;
use super::tools::{inside, one, several, unsupported};
use crate::call::{Call, axes_of, axis_of, sizes};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::{PadMode, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row("CenterCropPad", 18, &["axes"], center_crop_pad),
    Row("Concat", 1, &["axis"], concat),
    Row("Pad", 1, &["mode", "paddings", "pads", "value"], pad),
    Row("ReverseSequence", 10, &["batch_axis", "time_axis"], reverse_sequence),
    Row("Slice", 1, &["axes", "ends", "starts"], slice),
    Row("Split", 1, &["axis", "num_outputs", "split"], split),
    Row("Tile", 6, &[], |call| one(call.tensor(0)?.tile(&sizes(&call.integers(1)?)?)?)),
    Row("Trilu", 14, &["upper"], trilu),
];

fn concat(call: &Call) -> NodeResult<Vec<Value>> {
    let tensors = call.tensors()?;
    let rank = tensors.first().map_or(0, |first| first.ty().rank());
    // Before version 4 there was a default.
    let axis = match call.node.attributes.int("axis")? {
        Some(axis) => axis,
        None if call.version() < 4 => 1,
        None => return Err("attribute `axis` is missing".into()),
    };
    one(Tensor::concat(&tensors.iter().collect::<Vec<&Tensor>>(), axis_of(axis, rank)?)?)
}

/// Returns a list that is an input, or an attribute of old versions.
fn list(call: &Call, input: usize, attribute: &str) -> NodeResult<Option<Vec<i64>>> {
    match call.numbers(input)? {
        Some(list) => Ok(Some(list)),
        None => call.ints(attribute),
    }
}

fn slice(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let starts = list(call, 1, "starts")?.ok_or("the starts are missing")?;
    let ends = list(call, 2, "ends")?.ok_or("the ends are missing")?;
    let axes = match list(call, 3, "axes")? {
        Some(axes) => axes_of(&axes, x.ty().rank())?,
        None => (0..starts.len()).collect(),
    };
    let steps = call.numbers(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()].iter().any(|len| *len != starts.len()) {
        return Err("starts, ends, axes and steps must be as many".into());
    }
    let mut parts = Vec::new();
    for (at, axis) in axes.into_iter().enumerate() {
        let extent = *x.shape().get(axis).ok_or("there are more starts than axes")? as i64;
        // Ends of the least number of 32 bits mean the same as those of 64.
        let end = if steps[at] < 0 && ends[at] < -extent { i64::MIN } else { ends[at] };
        parts.push((axis, starts[at].max(i64::from(i32::MIN)), end, steps[at]));
    }
    one(x.slice(&parts)?)
}

fn split(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int("axis", 0)?, x.ty().rank())?;
    let extent = x.shape()[axis];
    let parts = match list(call, 1, "split")? {
        Some(list) => sizes(&list)?,
        None => {
            let outputs = call.node.outputs.len();
            let count = usize::try_from(call.int("num_outputs", outputs as i64)?).unwrap_or(0);
            if count != outputs || count == 0 {
                return Err(format!("it must have {count} outputs, but has {outputs}").into());
            }
            // The last part is smaller if they cannot be equal.
            let part = extent.div_ceil(count);
            (0..count).map(|at| part.min(extent.saturating_sub(at * part))).collect()
        }
    };
    several(x.split(axis, &parts)?)
}

fn pad(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    let pads = match list(call, 1, "pads")? {
        Some(pads) => pads,
        None => call.ints("paddings")?.ok_or("the pads are missing")?,
    };
    let axes = match call.numbers(3)? {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..rank).collect(),
    };
    if let Some(pad) = pads.iter().find(|pad| pad.unsigned_abs() > 1 << 31) {
        return unsupported("pads", pad);
    }
    if pads.len() != 2 * axes.len() {
        return Err(format!("{} pads are given for {} axes: each needs two", pads.len(), axes.len()).into());
    }
    let mode = match call.text("mode", "constant")?.as_str() {
        "constant" => PadMode::Constant(constant(call, x.dtype())?),
        "reflect" => PadMode::Reflect,
        "edge" => PadMode::Edge,
        "wrap" => PadMode::Wrap,
        other => return unsupported("mode", other),
    };
    let (mut before, mut after, mut parts) = (vec![0; rank], vec![0; rank], Vec::new());
    for (at, axis) in axes.iter().enumerate() {
        let [front, back] = [pads[at], pads[at + axes.len()]];
        before[*axis] = usize::try_from(front).unwrap_or(0);
        after[*axis] = usize::try_from(back).unwrap_or(0);
        // Negative pads cut off.
        if front < 0 || back < 0 {
            let extent = x.shape()[*axis] as i64;
            parts.push((*axis, (-front).clamp(0, extent), (extent + back.min(0)).max(0), 1));
        }
    }
    let x = if parts.is_empty() { x } else { x.slice(&parts)? };
    one(x.pad(&before, &after, mode)?)
}

/// Returns the number that is padded with.
fn constant(call: &Call, dtype: Scalar) -> NodeResult<f64> {
    if let Some(value) = call.given(2) {
        if matches!(dtype, Scalar::I64 | Scalar::U64) && value.array()?.integers()?.iter().any(|n| n.abs() >= 1 << 53) {
            return Err("padding with a number beyond 2^53 is not supported".into());
        }
    }
    Ok(call.real(2)?.unwrap_or(call.float("value", 0.0)?))
}

fn trilu(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let k = call.number(1)?.unwrap_or(0);
    one(if call.flag("upper", true)? { x.triu(k)? } else { x.tril(k)? })
}

fn center_crop_pad(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    let wanted = sizes(&call.integers(1)?)?;
    let axes = match call.ints("axes")? {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..rank).collect(),
    };
    if axes.len() != wanted.len() {
        return Err(format!("{} extents are given for {} axes", wanted.len(), axes.len()).into());
    }
    let (mut parts, mut before, mut after) = (Vec::new(), vec![0; rank], vec![0; rank]);
    for (axis, wanted) in axes.into_iter().zip(wanted) {
        let extent = x.shape()[axis];
        let first = extent.saturating_sub(wanted) / 2;
        parts.push((axis, first as i64, (first + wanted).min(extent) as i64, 1));
        let missing = wanted.saturating_sub(extent);
        (before[axis], after[axis]) = (missing / 2, missing - missing / 2);
    }
    one(x.slice(&parts)?.pad(&before, &after, PadMode::Constant(0.0))?)
}

fn reverse_sequence(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, lengths) = (call.tensor(0)?, call.tensor(1)?);
    let rank = x.ty().rank();
    let (batch, time) = (axis_of(call.int("batch_axis", 1)?, rank)?, axis_of(call.int("time_axis", 0)?, rank)?);
    if batch == time || lengths.shape() != [x.shape()[batch]] {
        return Err(format!("the lengths {} do not fit {} along axis {batch}", lengths.ty(), x.ty()).into());
    }
    let extent = x.shape()[time];
    one(Tensor::define("reverse_sequence", &[&x, &lengths], x.ty().clone(), |inputs, at| {
        let length = inputs[1].at([at[batch].clone()]).cast(Scalar::I32);
        let mirrored = &length - 1usize - &at[time];
        let place = at[time].lt(&length).select(&mirrored, &at[time]);
        let mut index = at.to_vec();
        index[time] = inside(&place, extent);
        inputs[0].at(index)
    })?)
}
