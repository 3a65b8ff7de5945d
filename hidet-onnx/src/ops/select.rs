//! Operators whose results are as large as the data say: the host reads their inputs.

use super::Row;
use super::tools::{host, one, product};
use crate::array::Array;
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::Tensor;
use std::collections::HashMap;

pub(super) const ROWS: &[Row] = &[
    Row("Compress", 9, &["axis"], compress),
    Row("NonZero", 9, &[], non_zero),
    Row("TopK", 1, &["axis", "k", "largest", "sorted"], top_k),
    Row("Unique", 11, &["axis", "sorted"], unique),
];

/// Returns parts of a tensor along an axis by their numbers.
fn taken(call: &Call, x: &Tensor, places: &[i64], axis: usize) -> NodeResult<Tensor> {
    Ok(x.take(&call.upload(&Array::list(places))?, axis)?)
}

fn compress(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let (x, axis) = match call.node.attributes.int("axis")? {
        Some(axis) => (x.clone(), axis_of(axis, x.ty().rank())?),
        None => (x.reshape(&[x.ty().len()])?, 0),
    };
    let condition = call.integers(1)?;
    let extent = x.shape()[axis];
    let places = condition.iter().take(extent).enumerate().filter(|(_, keeps)| **keeps != 0);
    one(taken(call, &x, &places.map(|(at, _)| at as i64).collect::<Vec<i64>>(), axis)?)
}

fn non_zero(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.value(0)?.array()?;
    let shape = x.shape();
    let floats = x.floats();
    let places: Vec<usize> = floats.iter().enumerate().filter(|(_, own)| **own != 0.0).map(|(at, _)| at).collect();
    let coordinate = |axis: usize, place: usize| (place / product(&shape[axis + 1..]) % shape[axis]) as i64;
    let rows = (0..shape.len()).flat_map(|axis| places.iter().map(move |place| (axis, *place)));
    let numbers: Vec<i64> = rows.map(|(axis, place)| coordinate(axis, place)).collect();
    host(Array::of_integers(Scalar::I64, &[shape.len(), places.len()], &numbers))
}

fn top_k(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let k = match call.number(1)? {
        Some(k) => k,
        None => call.node.attributes.int("k")?.ok_or("k is missing")?,
    };
    let k = usize::try_from(k).map_err(|_| format!("k = {k} is negative"))?;
    let axis = axis_of(call.int("axis", -1)?, x.ty().rank())?;
    // An order that is not asked for is as good as any other.
    let (values, places) = x.topk(k, axis, call.flag("largest", true)?)?;
    Ok(vec![values.into(), places.into()])
}

/// Returns numbers with the order of the elements; NaN is larger than any other.
fn keys(x: &Array) -> NodeResult<Vec<i64>> {
    if x.dtype() == Scalar::U64 {
        return Ok(x.integers()?.into_iter().map(|key| key ^ i64::MIN).collect());
    }
    if !x.dtype().is_float() {
        return x.integers();
    }
    let key = |number: f64| {
        // Zeros are equal, and so are all NaN.
        let number = if number == 0.0 { 0.0 } else { number };
        let bits = if number.is_nan() { f64::NAN.to_bits() & i64::MAX as u64 } else { number.to_bits() } as i64;
        if bits < 0 { bits ^ i64::MAX } else { bits }
    };
    Ok(x.floats().into_iter().map(key).collect())
}

fn unique(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let keys = keys(&call.value(0)?.array()?)?;
    let (x, axis) = match call.node.attributes.int("axis")? {
        Some(axis) => (x.clone(), axis_of(axis, x.ty().rank())?),
        None => (x.reshape(&[x.ty().len()])?, 0),
    };
    let (shape, extent) = (x.shape(), x.shape()[axis]);
    let (front, behind) = (product(&shape[..axis]), product(&shape[axis + 1..]));
    // What is compared is all elements at a place of the axis.
    let slice = |at: usize| {
        let row = move |front: usize| (0..behind).map(move |own| (front * extent + at) * behind + own);
        (0..front).flat_map(row).map(|place| keys[place]).collect::<Vec<i64>>()
    };
    let slices: Vec<Vec<i64>> = (0..extent).map(slice).collect();
    let mut numbers: HashMap<&[i64], usize> = HashMap::new();
    let (mut first, mut of_slice, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for (at, slice) in slices.iter().enumerate() {
        let number = *numbers.entry(slice).or_insert_with(|| {
            first.push(at as i64);
            counts.push(0);
            first.len() - 1
        });
        of_slice.push(number);
        counts[number] += 1;
    }
    let mut order: Vec<usize> = (0..first.len()).collect();
    if call.flag("sorted", true)? {
        order.sort_by(|a, b| slices[first[*a] as usize].cmp(&slices[first[*b] as usize]));
    }
    let mut rank = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, number)| rank[*number] = at as i64);
    let places: Vec<i64> = order.iter().map(|number| first[*number]).collect();
    let inverse: Vec<i64> = of_slice.iter().map(|number| rank[*number]).collect();
    let counts: Vec<i64> = order.iter().map(|number| counts[*number]).collect();
    let y = taken(call, &x, &places, axis)?;
    let lists = [places, inverse, counts].map(|list| Value::from(Array::list(&list)));
    Ok([Value::from(y)].into_iter().chain(lists).collect())
}
