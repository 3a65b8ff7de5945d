//! [`Call`]: what an operator is given: its inputs where they are needed, and its attributes.

use crate::array::Array;
use crate::error::{NodeResult, Result};
use crate::graph::{Graph, Node};
use crate::value::Value;
use hidet::device::Device;
use hidet_ops::{Precision, Tensor};

/// Runs a graph inside of a node.
pub(crate) type RunGraph<'a> = &'a dyn Fn(&Graph, Vec<Value>) -> Result<Vec<Value>>;

/// A use of an operator during a run.
pub(crate) struct Call<'a> {
    pub(crate) node: &'a Node,
    pub(crate) inputs: &'a [Option<Value>],
    /// Where the operator computes.
    pub(crate) device: &'a Device,
    /// True if it is evaluated on the host.
    pub(crate) on_host: bool,
    /// How products of `f32` are computed.
    pub(crate) products: Precision,
    pub(crate) run_graph: RunGraph<'a>,
}

impl Call<'_> {
    /// Returns the version of the set of operators.
    pub(crate) fn version(&self) -> i64 {
        self.node.name.version
    }

    /// Returns an input, if it is given.
    pub(crate) fn given(&self, input: usize) -> Option<&Value> {
        self.inputs.get(input).and_then(Option::as_ref)
    }

    /// Returns an input.
    pub(crate) fn value(&self, input: usize) -> NodeResult<&Value> {
        self.given(input).ok_or_else(|| format!("input {input} is missing").into())
    }

    /// Returns an input as a tensor where the operator computes.
    pub(crate) fn tensor(&self, input: usize) -> NodeResult<Tensor> {
        self.value(input)?.on(self.device, self.on_host)
    }

    /// Returns an input as such a tensor, if it is given.
    pub(crate) fn optional(&self, input: usize) -> NodeResult<Option<Tensor>> {
        self.given(input).map(|value| value.on(self.device, self.on_host)).transpose()
    }

    /// Returns all inputs as such tensors.
    pub(crate) fn tensors(&self) -> NodeResult<Vec<Tensor>> {
        (0..self.inputs.len()).map(|input| self.tensor(input)).collect()
    }

    /// Returns a copy of a tensor of the host where the operator computes.
    pub(crate) fn upload(&self, array: &Array) -> NodeResult<Tensor> {
        Ok(array.on(self.device)?)
    }

    /// Returns the elements of an input on the host, if it is given; what is on the device is computed.
    pub(crate) fn array(&self, input: usize) -> NodeResult<Option<Array>> {
        self.given(input).map(Value::array).transpose()
    }

    /// Returns the elements of an input that is integers, if it is given.
    pub(crate) fn numbers(&self, input: usize) -> NodeResult<Option<Vec<i64>>> {
        self.array(input)?.map(|array| array.integers()).transpose()
    }

    /// Returns the elements of an input that is integers.
    pub(crate) fn integers(&self, input: usize) -> NodeResult<Vec<i64>> {
        self.value(input)?.array()?.integers()
    }

    /// Returns the one element of an input that is an integer, if it is given.
    pub(crate) fn number(&self, input: usize) -> NodeResult<Option<i64>> {
        match self.numbers(input)?.as_deref() {
            None => Ok(None),
            Some([number]) => Ok(Some(*number)),
            Some(list) => Err(format!("input {input} must be one number, but has {}", list.len()).into()),
        }
    }

    /// Returns the one element of an input, if it is given.
    pub(crate) fn real(&self, input: usize) -> NodeResult<Option<f64>> {
        match self.array(input)?.map(|array| array.floats()).as_deref() {
            None => Ok(None),
            Some([number]) => Ok(Some(*number)),
            Some(list) => Err(format!("input {input} must be one number, but has {}", list.len()).into()),
        }
    }

    /// Returns true if an output has a name.
    pub(crate) fn wants(&self, output: usize) -> bool {
        self.node.outputs.get(output).is_some_and(|name| !name.is_empty())
    }

    /// Returns an attribute, or a default.
    pub(crate) fn int(&self, name: &str, default: i64) -> NodeResult<i64> {
        Ok(self.node.attributes.int(name)?.unwrap_or(default))
    }

    /// Returns an attribute that is 0 or 1, or a default.
    pub(crate) fn flag(&self, name: &str, default: bool) -> NodeResult<bool> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// Returns an attribute, or a default.
    pub(crate) fn float(&self, name: &str, default: f32) -> NodeResult<f64> {
        Ok(f64::from(self.node.attributes.float(name)?.unwrap_or(default)))
    }

    /// Returns an attribute, or a default.
    pub(crate) fn text(&self, name: &str, default: &str) -> NodeResult<String> {
        Ok(self.node.attributes.text(name)?.unwrap_or_else(|| default.to_owned()))
    }

    /// Returns an attribute, if it is given.
    pub(crate) fn ints(&self, name: &str) -> NodeResult<Option<Vec<i64>>> {
        self.node.attributes.ints(name)
    }

    /// Returns an attribute of numbers that are not negative, if it is given.
    pub(crate) fn extents(&self, name: &str) -> NodeResult<Option<Vec<usize>>> {
        self.ints(name)?.map(|list| sizes(&list)).transpose()
    }

    /// Returns the graph that is an attribute.
    pub(crate) fn graph(&self, name: &str) -> NodeResult<&Graph> {
        self.node.graphs.get(name).ok_or_else(|| format!("the graph `{name}` is missing").into())
    }
}

/// Returns numbers as extents, or an error if one is negative.
pub(crate) fn sizes(list: &[i64]) -> NodeResult<Vec<usize>> {
    let size = |number: &i64| usize::try_from(*number);
    list.iter()
        .map(size)
        .collect::<std::result::Result<_, _>>()
        .map_err(|_| format!("{list:?} has negative numbers").into())
}

/// Returns an axis counted from 0 of one that may be counted from the end.
pub(crate) fn axis_of(axis: i64, rank: usize) -> NodeResult<usize> {
    let counted = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(counted) {
        Ok(found) if found < rank => Ok(found),
        _ => Err(format!("there is no axis {axis} of {rank} axes").into()),
    }
}

/// Returns axes counted from 0, each named once.
pub(crate) fn axes_of(axes: &[i64], rank: usize) -> NodeResult<Vec<usize>> {
    let found = axes.iter().map(|axis| axis_of(*axis, rank)).collect::<NodeResult<Vec<usize>>>()?;
    match (1..found.len()).any(|at| found[..at].contains(&found[at])) {
        true => Err(format!("{axes:?} names an axis twice").into()),
        false => Ok(found),
    }
}
