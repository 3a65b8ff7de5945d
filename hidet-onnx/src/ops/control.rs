//! Nodes that run graphs: choices and loops, which the host decides.

use super::Row;
use super::tools::unsupported;
use crate::array::Array;
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::graph::{Declared, Dim, Graph};
use crate::value::{Value, computed};
use hidet::types::Scalar;
use hidet_ops::Tensor;

pub(super) const ROWS: &[Row] = &[
    Row("If", 1, &["else_branch", "then_branch"], |call| {
        let condition = call.number(0)?.ok_or("the condition is missing")?;
        let branch = call.graph(if condition != 0 { "then_branch" } else { "else_branch" })?;
        Ok((call.run_graph)(branch, Vec::new())?)
    }),
    Row("Loop", 1, &["body"], repeat),
    Row(
        "Scan",
        8,
        &[
            "body",
            "directions",
            "num_scan_inputs",
            "scan_input_axes",
            "scan_input_directions",
            "scan_output_axes",
            "scan_output_directions",
        ],
        |call| if call.version() < 9 { scan_batches(call) } else { scan(call) },
    ),
];

/// The most iterations of a loop that its condition does not end.
const MOST_ITERATIONS: i64 = 1 << 24;

fn repeat(call: &Call) -> NodeResult<Vec<Value>> {
    let body = call.graph("body")?;
    let count = call.number(0)?.unwrap_or(MOST_ITERATIONS);
    let mut goes_on = call.number(1)?.is_none_or(|condition| condition != 0);
    let mut carried: Vec<Value> =
        (2..call.inputs.len()).map(|at| call.value(at).cloned()).collect::<NodeResult<_>>()?;
    if body.inputs.len() != carried.len() + 2 || body.outputs.len() <= carried.len() {
        return Err("the inputs and outputs of the body do not fit those of the node".into());
    }
    let mut stacked = vec![Vec::new(); body.outputs.len() - 1 - carried.len()];
    let mut iteration = 0;
    while goes_on && iteration < count {
        if iteration == MOST_ITERATIONS {
            return Err(format!("it does not end within {MOST_ITERATIONS} iterations").into());
        }
        let scalar = |dtype: Scalar, value: i64| Value::from(Array::of_integers(dtype, &[], &[value]));
        let own = [scalar(Scalar::I64, iteration), scalar(Scalar::Bool, 1)];
        let mut results = iteration_of(call, body, own.into_iter().chain(carried.clone()).collect())?.into_iter();
        let condition = results.next().ok_or("the body has no condition")?.array()?.integers()?;
        goes_on = condition.first().is_some_and(|condition| *condition != 0);
        carried = results.by_ref().take(carried.len()).collect();
        stacked.iter_mut().zip(results).for_each(|(list, result)| list.push(result));
        iteration += 1;
    }
    let kinds = &body.outputs[1 + carried.len()..];
    let stacked = stacked.into_iter().zip(kinds).map(|(list, declared)| stack(call, &list, declared, 0));
    carried.into_iter().map(Ok).chain(stacked).collect()
}

/// Returns the results of a body, computed: the next iteration has the same kernels, and what is put together of all is not one graph
/// of all.
fn iteration_of(call: &Call, body: &Graph, inputs: Vec<Value>) -> NodeResult<Vec<Value>> {
    let results = (call.run_graph)(body, inputs)?;
    for value in &results {
        if let Value::Device(tensor) = value {
            computed(tensor)?;
        }
    }
    Ok(results)
}

/// Returns results of iterations along a new axis. If there were none, their type is what the graph says.
fn stack(call: &Call, list: &[Value], declared: &Declared, axis: usize) -> NodeResult<Value> {
    if list.is_empty() {
        let known = |dim: &Dim| if let Dim::Known(extent) = dim { Some(*extent) } else { None };
        let shape = declared.shape.as_ref().and_then(|shape| shape.iter().map(known).collect::<Option<Vec<usize>>>());
        let (Some(mut shape), Some(dtype)) = (shape, declared.dtype) else {
            return Err(format!("there are no iterations, and the type of `{}` is not known", declared.name).into());
        };
        shape.insert(axis.min(shape.len()), 0);
        return Ok(Tensor::full(call.device, dtype, &shape, 0.0)?.into());
    }
    let tensors = list.iter().map(|value| value.on(call.device, call.on_host)).collect::<NodeResult<Vec<Tensor>>>()?;
    Ok(Tensor::stack(&tensors.iter().collect::<Vec<&Tensor>>(), axis)?.into())
}

/// What a scan goes along: inputs with their axes and directions.
struct Scanned {
    tensors: Vec<Tensor>,
    axes: Vec<usize>,
    reversed: Vec<bool>,
}

impl Scanned {
    fn len(&self) -> NodeResult<usize> {
        let mut lengths = self.tensors.iter().zip(&self.axes).map(|(tensor, axis)| tensor.shape()[*axis]);
        let first = lengths.next().ok_or("it has no inputs to scan")?;
        match lengths.all(|length| length == first) {
            true => Ok(first),
            false => Err("the inputs to scan have different lengths".into()),
        }
    }

    /// Returns the elements of an iteration.
    fn step(&self, iteration: usize, length: usize) -> NodeResult<Vec<Value>> {
        let one = |at: usize| {
            let (axis, place) = (self.axes[at], if self.reversed[at] { length - 1 - iteration } else { iteration });
            let part = self.tensors[at].slice(&[(axis, place as i64, place as i64 + 1, 1)])?;
            Ok(part.squeeze(&[axis])?.into())
        };
        (0..self.tensors.len()).map(one).collect()
    }
}

/// Returns a list of an attribute, 0 for each if it is not given.
fn zeros_or(call: &Call, name: &str, len: usize) -> NodeResult<Vec<i64>> {
    let list = call.ints(name)?.unwrap_or_else(|| vec![0; len]);
    if list.len() == len { Ok(list) } else { Err(format!("`{name}` must have {len} numbers").into()) }
}

fn scan(call: &Call) -> NodeResult<Vec<Value>> {
    let body = call.graph("body")?;
    let count = usize::try_from(call.int("num_scan_inputs", 0)?).unwrap_or(0);
    let states = call.inputs.len().checked_sub(count).ok_or("there are fewer inputs than `num_scan_inputs`")?;
    let tensors = (states..call.inputs.len()).map(|at| call.tensor(at)).collect::<NodeResult<Vec<Tensor>>>()?;
    let axes = zeros_or(call, "scan_input_axes", count)?;
    let axes = tensors.iter().zip(axes).map(|(tensor, axis)| axis_of(axis, tensor.ty().rank()));
    let reversed = zeros_or(call, "scan_input_directions", count)?.iter().map(|way| *way != 0).collect();
    let scanned = Scanned { axes: axes.collect::<NodeResult<_>>()?, tensors, reversed };
    let carried: Vec<Value> = (0..states).map(|at| call.value(at).cloned()).collect::<NodeResult<_>>()?;
    let outputs = body.outputs.len().checked_sub(states).ok_or("the body has fewer outputs than states")?;
    let (carried, lists) = iterate(call, body, carried, &scanned)?;
    let axes = zeros_or(call, "scan_output_axes", outputs)?;
    let ways = zeros_or(call, "scan_output_directions", outputs)?;
    let mut results = carried;
    for (at, mut list) in lists.into_iter().enumerate() {
        if ways[at] != 0 {
            list.reverse();
        }
        let rank = list.first().map_or(0, |value| value.ty().rank()) + 1;
        results.push(stack(call, &list, &body.outputs[states + at], axis_of(axes[at], rank)?)?);
    }
    Ok(results)
}

/// Returns the last states, and for each further output the results of all iterations.
fn iterate(
    call: &Call,
    body: &Graph,
    mut carried: Vec<Value>,
    scanned: &Scanned,
) -> NodeResult<(Vec<Value>, Vec<Vec<Value>>)> {
    let (states, length) = (carried.len(), scanned.len()?);
    let mut lists = vec![Vec::new(); body.outputs.len().saturating_sub(states)];
    for iteration in 0..length {
        let inputs = carried.into_iter().chain(scanned.step(iteration, length)?).collect();
        let mut results = iteration_of(call, body, inputs)?.into_iter();
        carried = results.by_ref().take(states).collect();
        lists.iter_mut().zip(results).for_each(|(list, result)| list.push(result));
    }
    Ok((carried, lists))
}

/// A scan of version 8: the first input is lengths, and all others have an axis of the batch in front.
fn scan_batches(call: &Call) -> NodeResult<Vec<Value>> {
    let body = call.graph("body")?;
    if call.given(0).is_some() {
        return Err("lengths of sequences are not supported".into());
    }
    let count = usize::try_from(call.int("num_scan_inputs", 0)?).unwrap_or(0);
    let tensors = (1..call.inputs.len()).map(|at| call.tensor(at)).collect::<NodeResult<Vec<Tensor>>>()?;
    let states = tensors.len().checked_sub(count).ok_or("there are fewer inputs than `num_scan_inputs`")?;
    let reversed: Vec<bool> = zeros_or(call, "directions", count)?.iter().map(|way| *way != 0).collect();
    let batch = tensors.first().and_then(|first| first.shape().first().copied()).unwrap_or(0);
    if batch == 0 || tensors.iter().any(|tensor| tensor.ty().rank() < 2 - usize::from(count == 0)) {
        return unsupported("batch", batch);
    }
    let mut all: Vec<Vec<Value>> = vec![Vec::new(); body.outputs.len()];
    for element in 0..batch as i64 {
        let own = |tensor: &Tensor| tensor.slice(&[(0, element, element + 1, 1)])?.squeeze(&[0]);
        let mut own = tensors.iter().map(own).collect::<hidet_ops::Result<Vec<Tensor>>>()?;
        let scanned = Scanned { tensors: own.split_off(states), axes: vec![0; count], reversed: reversed.clone() };
        let (carried, lists) = iterate(call, body, own.into_iter().map(Value::from).collect(), &scanned)?;
        let lists = lists.iter().enumerate().map(|(at, list)| stack(call, list, &body.outputs[states + at], 0));
        let results = carried.into_iter().map(Ok).chain(lists).collect::<NodeResult<Vec<Value>>>()?;
        all.iter_mut().zip(results).for_each(|(list, result)| list.push(result));
    }
    all.iter().zip(&body.outputs).map(|(list, declared)| stack(call, list, declared, 0)).collect()
}
