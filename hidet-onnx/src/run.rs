//! Running a graph: node by node, on the host where all inputs are small and there, else as operators on the device, which
//! compute nothing until elements are asked for.

use crate::arithmetic::Arithmetic;
use crate::array::Array;
use crate::call::Call;
use crate::error::{Error, NodeResult, Result, Unsupported};
use crate::graph::{Graph, Node, Replaced};
use crate::ops;
use crate::value::{Value, observed};
use hidet::device::Device;
use hidet::types::Scalar;
use std::collections::HashMap;

/// The most elements of a tensor that is computed on the host.
const MOST_ON_HOST: usize = 1 << 10;

/// Integers up to which `f64`, in which the host evaluates, is exact.
const EXACT: f64 = (1u64 << 53) as f64;

/// Operators with scales or other parameters of `f32`, which 16 bits would not hold.
const PARAMETERS_OF_F32: [&str; 8] = [
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "QuantizeLinear",
    "Range",
    "Resize",
    "Upsample",
];

/// Where, and in which floats, a graph is computed.
pub(crate) struct Target {
    pub(crate) device: Device,
    /// The simulated device, whose memory is that of the host.
    pub(crate) host: Device,
    pub(crate) arithmetic: Arithmetic,
}

/// Values of a graph by name, and those of the graphs around it. A value that was left out is `None`.
struct Scope<'a> {
    values: HashMap<&'a str, Option<Value>>,
    constants: &'a HashMap<String, Value>,
    outer: Option<&'a Scope<'a>>,
}

impl Scope<'_> {
    fn get(&self, name: &str) -> Option<Value> {
        match (self.values.get(name), self.constants.get(name), self.outer) {
            (Some(value), ..) => value.clone(),
            (None, Some(constant), _) => Some(constant.clone()),
            (None, None, outer) => outer.and_then(|outer| outer.get(name)),
        }
    }
}

/// Returns the outputs of a graph of these inputs, in order; one that is left out is an initializer, or missing.
pub(crate) fn run(graph: &Graph, inputs: Vec<Option<Value>>, target: &Target) -> Result<Vec<Value>> {
    run_inside(graph, inputs, target, None, &mut |_, _| {})
}

/// The same; `made` is called with the results of each node.
pub(crate) fn watched(
    graph: &Graph,
    inputs: Vec<Option<Value>>,
    target: &Target,
    made: &mut dyn FnMut(&Node, &[Value]),
) -> Result<Vec<Value>> {
    run_inside(graph, inputs, target, None, made)
}

fn run_inside(
    graph: &Graph,
    inputs: Vec<Option<Value>>,
    target: &Target,
    outer: Option<&Scope>,
    made: &mut dyn FnMut(&Node, &[Value]),
) -> Result<Vec<Value>> {
    let mut scope = Scope { values: HashMap::new(), constants: &graph.constants, outer };
    let mut given = inputs.into_iter();
    for input in &graph.inputs {
        let value = given.next().flatten();
        if value.is_some() || !graph.constants.contains_key(&input.name) {
            scope.values.insert(&input.name, value);
        }
    }
    for (node, last) in graph.nodes.iter().zip(&graph.last_uses) {
        let results = {
            let inputs: Vec<Option<Value>> = node.inputs.iter().map(|name| scope.get(name)).collect();
            let inside = |graph: &Graph, inputs: Vec<Value>| {
                run_inside(graph, inputs.into_iter().map(Some).collect(), target, Some(&scope), &mut |_, _| {})
            };
            results(node, &inputs, target, &inside)
                .map_err(|why| Error::Node { node: Box::new(node.name.clone()), why })?
        };
        made(node, &results);
        // A result without a name is one that nobody wants.
        for (name, value) in node.outputs.iter().zip(results).filter(|(name, _)| !name.is_empty()) {
            scope.values.insert(name, Some(value));
        }
        last.iter().for_each(|name| {
            scope.values.remove(name.as_str());
        });
    }
    let output = |name: &str| {
        scope
            .get(name)
            .ok_or_else(|| Error::Invalid(format!("the output `{name}` is missing: nothing was given for it")))
    };
    graph.outputs.iter().map(|declared| output(&declared.name)).collect()
}

/// Returns the results of a node, at least as many as it has names for.
fn results(
    node: &Node,
    inputs: &[Option<Value>],
    target: &Target,
    run_graph: &dyn Fn(&Graph, Vec<Value>) -> Result<Vec<Value>>,
) -> NodeResult<Vec<Value>> {
    if let Some(function) = &node.function {
        return Ok(run(function, inputs.to_vec(), target)?);
    }
    if let Some(replaced) = &node.replaced {
        return by_rule(node, replaced, inputs, target);
    }
    let Some(operator) = ops::find(&node.name) else { return Err("the operator is not supported".into()) };
    let small = |value: &Value| value.is_host() && value.ty().len() <= MOST_ON_HOST;
    let on_host = node.graphs.is_empty() && inputs.iter().flatten().all(small);
    let narrow = target
        .arithmetic
        .narrow()
        .filter(|_| node.graphs.is_empty() && !PARAMETERS_OF_F32.contains(&node.name.op_type.as_str()));
    let call = |on_host: bool| {
        let device = if on_host { &target.host } else { &target.device };
        let narrowed: Vec<Option<Value>>;
        // Constants with many elements are narrow on the host too.
        let has_narrow = |dtype: &Scalar| inputs.iter().flatten().any(|value| value.ty().dtype == *dtype);
        let inputs = match narrow.filter(|dtype| !on_host || has_narrow(dtype)) {
            Some(dtype) => {
                let own = |value: &Option<Value>| value.as_ref().map(|value| value.with_floats(dtype)).transpose();
                narrowed = inputs.iter().map(own).collect::<NodeResult<_>>()?;
                narrowed.as_slice()
            }
            None => inputs,
        };
        let products = target.arithmetic.products();
        let call = Call { node, inputs, device, on_host, products, run_graph };
        match ops::images::results(&call)? {
            Some(results) => Ok(results),
            None => operator(&call),
        }
    };
    let mut results = call(on_host)?;
    let wanted = node.outputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    if results.len() < wanted {
        return Err(format!("output {} is not supported", results.len()).into());
    }
    results.truncate(wanted);
    if !on_host {
        return Ok(results);
    }
    if results.iter().any(|value| value.ty().len() > MOST_ON_HOST) {
        return call(false);
    }
    results.into_iter().map(evaluated).collect()
}

/// Returns the result of a rule, which must have the type that the nodes would give in whose place it is.
fn by_rule(node: &Node, replaced: &Replaced, inputs: &[Option<Value>], target: &Target) -> NodeResult<Vec<Value>> {
    let mut tensors = Vec::new();
    for (name, value) in node.inputs.iter().zip(inputs) {
        let value = value.clone().ok_or_else(|| format!("the input `{name}` is missing"))?;
        let value = target.arithmetic.narrow().map_or(Ok(value.clone()), |dtype| value.with_floats(dtype))?;
        tensors.push(value.on(&target.device, false)?);
    }
    let result = replaced.rule.make(&tensors)?;
    if let Some(meaning) = &replaced.meaning {
        let given = |name: &String| node.inputs.iter().position(|own| own == name).and_then(|at| inputs[at].clone());
        let given = meaning.inputs.iter().map(|input| given(&input.name)).collect();
        // Only the type is of interest: what is computed to know it is not part of the run.
        let (wanted, _) = observed(|| run(meaning, given, target));
        if let Some(wanted) = wanted?.first().map(Value::ty).filter(|wanted| *wanted != result.ty()) {
            return Err(format!("the rule gives {}, but what it replaces gives {wanted}", result.ty()).into());
        }
    }
    Ok(vec![result.into()])
}

/// Returns a value that is evaluated on the host.
fn evaluated(value: Value) -> NodeResult<Value> {
    let Value::Device(tensor) = &value else { return Ok(value) };
    let (dtype, shape) = (tensor.dtype(), tensor.shape());
    let numbers = tensor.reference()?;
    let is_wide = matches!(dtype, Scalar::I64 | Scalar::U64);
    if is_wide && numbers.iter().any(|number| number.abs() >= EXACT) {
        return Ok(Array::of(tensor)?.into());
    }
    Ok(Array::of_floats(dtype, shape, &numbers).into())
}

/// Returns all uses of operators in a graph that are not supported.
pub(crate) fn unsupported(graph: &Graph) -> Vec<Unsupported> {
    let mut found = Vec::new();
    for node in graph.all().into_iter().flat_map(|graph| &graph.nodes) {
        if node.function.is_some() || node.replaced.is_some() {
            continue;
        }
        let names = node.attributes.0.keys().chain(node.graphs.keys());
        let why = match (ops::find(&node.name), ops::unknown(&node.name, names)) {
            (None, _) => ops::why_not(&node.name),
            (_, Some(name)) => format!("attribute `{name}` is not supported in this version"),
            _ => continue,
        };
        found.push(Unsupported { node: node.name.clone(), why });
    }
    found
}
