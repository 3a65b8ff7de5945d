//! [`of_graph`]: the messages of a graph, which read back become the same graph.

use crate::array::Array;
use crate::attributes::Attribute;
use crate::element;
use crate::error::{Error, NodeName, Result};
use crate::graph::{Declared, Dim, Graph, Node};
use crate::proto::{
    AttributeProto, DimensionKind, DimensionProto, FunctionProto, GraphProto, ModelProto, NodeProto,
    OperatorSetIdProto, TensorProto, TensorShapeProto, TensorTypeProto, TypeKind, TypeProto, ValueInfoProto,
};
use std::collections::{BTreeMap, HashSet};

/// The version of the format: the first one in which functions may have overloads.
const IR_VERSION: i64 = 10;

/// The domain of functions that have a node of another version than the graph around it; the version follows.
const VERSIONED: &str = "hidet.opset";

/// Returns the messages of a graph.
///
/// A set of operators has one version in each graph. A node of a newer one, which only passes make, becomes the call of a function of
/// that version, in the domain `hidet.opset20`. Functions whose calls have other attributes are overloads.
///
/// # Errors
///
/// If it has an attribute that cannot be written, or a constant is not on the host.
pub(crate) fn of_graph(graph: &Graph) -> Result<ModelProto> {
    let mut writer = Writer { functions: Vec::new() };
    let versions = versions(graph);
    let graph = writer.graph("graph", graph, &versions)?;
    let opset_import = imports(&versions);
    Ok(ModelProto { ir_version: Some(IR_VERSION), graph: Some(graph), opset_import, functions: writer.functions })
}

/// Returns a tensor with a name, which may be empty.
pub(super) fn tensor(array: &Array, name: &str) -> TensorProto {
    TensorProto {
        dims: array.shape().iter().map(|extent| *extent as i64).collect(),
        data_type: Some(element::number_of(array.dtype())),
        name: Some(name.to_owned()).filter(|name| !name.is_empty()),
        raw_data: Some(array.shared()),
        ..TensorProto::default()
    }
}

/// The versions of sets of operators, by their domains.
type Versions = BTreeMap<String, i64>;

/// Returns the oldest versions that nodes have, in a graph and those inside that are not functions, and one for the domain of functions
/// for each newer version.
fn versions(graph: &Graph) -> Versions {
    let (mut graphs, mut names) = (vec![graph], Vec::new());
    while let Some(graph) = graphs.pop() {
        for node in &graph.nodes {
            graphs.extend(node.graphs.values());
            names.push(&node.name);
        }
    }
    // The domain of a function need not have a version.
    names.retain(|name| name.version > 0);
    let mut versions = Versions::new();
    for name in &names {
        let oldest = versions.entry(name.domain.clone()).or_insert(name.version);
        *oldest = name.version.min(*oldest);
    }
    let newer = names.iter().filter(|name| versions[&name.domain] != name.version);
    let newer: Vec<String> = newer.map(|name| versioned_domain(name.version)).collect();
    versions.extend(newer.into_iter().map(|domain| (domain, 1)));
    versions
}

/// Returns the domain of functions of a version.
fn versioned_domain(version: i64) -> String {
    format!("{VERSIONED}{version}")
}

fn imports(versions: &Versions) -> Vec<OperatorSetIdProto> {
    let import = |(domain, version): (&String, &i64)| OperatorSetIdProto {
        domain: Some(domain.clone()),
        version: Some(*version),
    };
    versions.iter().map(import).collect()
}

/// Functions, which are found while graphs are written.
struct Writer {
    functions: Vec<FunctionProto>,
}

impl Writer {
    fn graph(&mut self, name: &str, graph: &Graph, versions: &Versions) -> Result<GraphProto> {
        Ok(GraphProto {
            name: Some(name.to_owned()),
            input: graph.inputs.iter().map(info).collect(),
            output: graph.outputs.iter().map(info).collect(),
            initializer: constants(graph)?,
            node: graph.nodes.iter().map(|node| self.node(node, versions)).collect::<Result<Vec<NodeProto>>>()?,
            sparse_initializer: Vec::new(),
        })
    }

    fn node(&mut self, node: &Node, versions: &Versions) -> Result<NodeProto> {
        let NodeName { name, domain, op_type, version, .. } = &node.name;
        let mut proto = NodeProto {
            input: node.inputs.clone(),
            output: node.outputs.clone(),
            name: Some(name.clone()).filter(|name| !name.is_empty()),
            op_type: Some(op_type.clone()),
            domain: Some(domain.clone()).filter(|domain| !domain.is_empty()),
            ..NodeProto::default()
        };
        if let Some(function) = &node.function {
            proto.overload = self.function(domain, op_type, function)?;
            return Ok(proto);
        }
        for (name, value) in &node.attributes.0 {
            proto.attribute.push(attribute(&node.name, name, value)?);
        }
        for (name, graph) in &node.graphs {
            let graph = self.graph(name, graph, versions)?;
            let name = Some(name.clone());
            proto.attribute.push(AttributeProto { name, g: Some(graph), r#type: Some(5), ..AttributeProto::default() });
        }
        if versions.get(domain).is_some_and(|own| own != version) {
            return Ok(self.versioned(proto, *version));
        }
        Ok(proto)
    }

    /// Returns the call of a function that has a node of another version than the graph around it.
    fn versioned(&mut self, node: NodeProto, version: i64) -> NodeProto {
        let (op_type, domain) = (node.op_type.clone(), Some(versioned_domain(version)));
        let names = |letter: char, all: &[String]| (0..all.len()).map(|at| format!("{letter}{at}")).collect();
        let (input, output): (Vec<String>, Vec<String>) = (names('x', &node.input), names('y', &node.output));
        let import = OperatorSetIdProto { domain: node.domain.clone(), version: Some(version) };
        let call = NodeProto { attribute: Vec::new(), op_type, domain, ..node.clone() };
        let inner = NodeProto { input: input.clone(), output: output.clone(), name: None, ..node };
        let function = FunctionProto {
            name: call.op_type.clone(),
            domain: call.domain.clone(),
            input,
            output,
            node: vec![inner],
            opset_import: vec![import],
            ..FunctionProto::default()
        };
        NodeProto { overload: self.add(function), ..call }
    }

    /// Adds the function that a node calls, and returns its overload.
    fn function(&mut self, domain: &str, name: &str, graph: &Graph) -> Result<Option<String>> {
        let versions = versions(graph);
        let mut node: Vec<NodeProto> = constants(graph)?.into_iter().map(constant).collect();
        for own in &graph.nodes {
            node.push(self.node(own, &versions)?);
        }
        let names = |all: &[Declared]| all.iter().map(|own| own.name.clone()).collect();
        Ok(self.add(FunctionProto {
            name: Some(name.to_owned()),
            domain: Some(domain.to_owned()),
            input: names(&graph.inputs),
            output: names(&graph.outputs),
            node,
            opset_import: imports(&versions),
            ..FunctionProto::default()
        }))
    }

    /// Adds a function if it is not there yet, and returns its overload.
    fn add(&mut self, mut function: FunctionProto) -> Option<String> {
        let of_name = |own: &&FunctionProto| own.domain == function.domain && own.name == function.name;
        let others: Vec<&FunctionProto> = self.functions.iter().filter(of_name).collect();
        let is_same =
            |own: &&&FunctionProto| FunctionProto { overload: own.overload.clone(), ..function.clone() } == ***own;
        if let Some(same) = others.iter().find(is_same) {
            return same.overload.clone();
        }
        function.overload = (!others.is_empty()).then(|| format!("variant{}", others.len() + 1));
        let overload = function.overload.clone();
        self.functions.push(function);
        overload
    }
}

/// Returns the constants of a graph in the order in which nodes use them, and behind them those that no node uses.
fn constants(graph: &Graph) -> Result<Vec<TensorProto>> {
    let mut seen = HashSet::new();
    let mut names: Vec<&String> = graph.nodes.iter().flat_map(Node::uses).collect();
    let used = names.len();
    names.extend(graph.constants.keys());
    names[used..].sort();
    let mut tensors = Vec::new();
    for name in names.into_iter().filter(|name| seen.insert(*name)) {
        if let Some(value) = graph.constants.get(name) {
            let array = value.array().map_err(|why| Error::Invalid(format!("constant `{name}`: {why}")))?;
            tensors.push(tensor(&array, name));
        }
    }
    Ok(tensors)
}

/// Returns the node that makes a constant of a function, which has no initializers.
fn constant(mut tensor: TensorProto) -> NodeProto {
    let output = tensor.name.take().into_iter().collect();
    let name = Some("value".to_owned());
    let value = AttributeProto { name, t: Some(tensor), r#type: Some(4), ..AttributeProto::default() };
    NodeProto { output, op_type: Some("Constant".to_owned()), attribute: vec![value], ..NodeProto::default() }
}

fn attribute(node: &NodeName, name: &str, value: &Attribute) -> Result<AttributeProto> {
    let proto = AttributeProto { name: Some(name.to_owned()), ..AttributeProto::default() };
    let of_kind = |kind: i32, proto: AttributeProto| Ok(AttributeProto { r#type: Some(kind), ..proto });
    match value {
        Attribute::Float(value) => of_kind(1, AttributeProto { f: Some(*value), ..proto }),
        Attribute::Int(value) => of_kind(2, AttributeProto { i: Some(*value), ..proto }),
        Attribute::Text(value) => of_kind(3, AttributeProto { s: Some(value.clone().into_bytes()), ..proto }),
        Attribute::Tensor(value) => of_kind(4, AttributeProto { t: Some(tensor(value, "")), ..proto }),
        Attribute::Floats(values) => of_kind(6, AttributeProto { floats: values.clone(), ..proto }),
        Attribute::Ints(values) => of_kind(7, AttributeProto { ints: values.clone(), ..proto }),
        Attribute::Texts(values) => {
            let strings = values.iter().map(|own| own.clone().into_bytes()).collect();
            of_kind(8, AttributeProto { strings, ..proto })
        }
        Attribute::Other(kind) => {
            let why = format!("attribute `{name}` is {kind}, which cannot be written as text").into();
            Err(Error::Node { node: Box::new(node.clone()), why })
        }
    }
}

fn info(declared: &Declared) -> ValueInfoProto {
    let dim = |dim: &Dim| DimensionProto {
        value: match dim {
            Dim::Known(extent) => Some(DimensionKind::Value(*extent as i64)),
            Dim::Named(name) => Some(DimensionKind::Name(name.clone())),
            Dim::Any => None,
        },
    };
    let shape = declared.shape.as_ref().map(|shape| TensorShapeProto { dim: shape.iter().map(dim).collect() });
    let is_known = declared.dtype.is_some() || shape.is_some();
    let elem_type = Some(declared.dtype.map_or(0, element::number_of));
    let of_tensor = TypeKind::Tensor(TensorTypeProto { elem_type, shape });
    let r#type = is_known.then_some(TypeProto { value: Some(of_tensor) });
    ValueInfoProto { name: Some(declared.name.clone()), r#type }
}
