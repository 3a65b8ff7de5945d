//! From the messages of a file to a [`Graph`]: attributes, constants, graphs inside of nodes, and calls of functions.

use crate::array::Array;
use crate::attributes::{Attribute, Attributes};
use crate::error::{Error, NodeName, Result};
use crate::graph::{Declared, Dim, Graph, Names, Node};
use crate::proto::{
    AttributeProto, DimensionKind, FunctionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TypeKind, TypeProto, ValueInfoProto,
};
use crate::{element, file};
use hidet::types::Scalar;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// How deep graphs and functions may be inside of each other.
const DEEPEST: usize = 32;

/// The most nodes of a model, with those of functions at each call.
const MOST_NODES: usize = 1 << 20;

/// What a graph is built with.
struct Builder<'a> {
    folder: Option<&'a Path>,
    functions: &'a [FunctionProto],
    nodes: usize,
    depth: usize,
}

/// What is around nodes: versions, and the attributes of the call if they are those of a function.
#[derive(Clone, Copy)]
struct Around<'a> {
    versions: &'a BTreeMap<String, i64>,
    given: Option<&'a BTreeMap<String, AttributeProto>>,
    names: Option<&'a Names<'a>>,
}

/// Returns the graph of a model, whose further files are in a folder, if it has one.
pub(crate) fn graph(model: &ModelProto, folder: Option<&Path>) -> Result<Graph> {
    let Some(graph) = &model.graph else { return Err(Error::Invalid("it has no graph".to_owned())) };
    let versions = versions(&model.opset_import);
    let mut builder = Builder { folder, functions: &model.functions, nodes: 0, depth: 0 };
    builder.graph(graph, Around { versions: &versions, given: None, names: None })
}

fn versions(imports: &[OperatorSetIdProto]) -> BTreeMap<String, i64> {
    let domain = |import: &OperatorSetIdProto| standard(import.domain.as_deref().unwrap_or_default());
    imports.iter().map(|import| (domain(import), import.version.unwrap_or(0))).collect()
}

/// Returns a domain, of which that of the standard has two names.
fn standard(domain: &str) -> String {
    if domain == "ai.onnx" { String::new() } else { domain.to_owned() }
}

impl Builder<'_> {
    /// Goes into a graph or function, or returns an error if they are too deep or too many.
    fn inside<T>(&mut self, nodes: usize, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth += 1;
        self.nodes += nodes;
        if self.depth > DEEPEST {
            let why = "graphs and functions are inside of each other, or call each other, more than";
            return Err(Error::Invalid(format!("{why} {DEEPEST} deep")));
        }
        if self.nodes > MOST_NODES {
            return Err(Error::Invalid(format!("it has more than {MOST_NODES} nodes")));
        }
        let result = build(self);
        self.depth -= 1;
        result
    }

    fn graph(&mut self, proto: &GraphProto, around: Around) -> Result<Graph> {
        let mut constants = HashMap::new();
        let mut add = |name: &str, array: std::result::Result<Array, String>| {
            let array = array.map_err(Error::Invalid)?;
            match constants.insert(name.to_owned(), array.into()) {
                Some(_) => Err(Error::Invalid(format!("two initializers are named `{name}`"))),
                None => Ok(()),
            }
        };
        for tensor in &proto.initializer {
            add(tensor.name.as_deref().unwrap_or_default(), file::array(tensor, self.folder))?;
        }
        for sparse in &proto.sparse_initializer {
            let name = sparse.values.as_ref().and_then(|values| values.name.as_deref());
            add(name.unwrap_or_default(), file::dense(sparse, self.folder))?;
        }
        let graph = Graph {
            inputs: proto.input.iter().map(declared).collect(),
            outputs: proto.output.iter().map(declared).collect(),
            constants,
            ..Graph::default()
        };
        self.inside(proto.node.len(), |builder| builder.with_nodes(graph, &proto.node, around))
    }

    fn with_nodes(&mut self, mut graph: Graph, nodes: &[NodeProto], around: Around) -> Result<Graph> {
        let initializers: Vec<String> = graph.constants.keys().cloned().collect();
        let inputs: Vec<String> = graph.inputs.iter().map(|input| input.name.clone()).collect();
        let results = nodes.iter().flat_map(|node| &node.output).map(String::as_str);
        let own = initializers.iter().chain(&inputs).map(String::as_str).chain(results).collect();
        let names = Names { own, outer: around.names };
        let inside = Around { names: Some(&names), ..around };
        for (number, proto) in nodes.iter().enumerate() {
            let node = self.node(proto, number, inside)?;
            match constant(&node) {
                None => graph.nodes.push(node),
                Some(array) => {
                    let array =
                        array.map_err(|why| Error::Node { node: Box::new(node.name.clone()), why: why.into() })?;
                    if graph.constants.insert(node.outputs[0].clone(), array.into()).is_some() {
                        return Err(Error::Invalid(format!("two values are named `{}`", node.outputs[0])));
                    }
                }
            }
        }
        graph.finish(around.names)
    }

    fn node(&mut self, proto: &NodeProto, number: usize, around: Around) -> Result<Node> {
        let domain = standard(proto.domain.as_deref().unwrap_or_default());
        let op_type = proto.op_type.clone().unwrap_or_default();
        let mut attributes = BTreeMap::new();
        for attribute in &proto.attribute {
            let own = attribute.name.clone().unwrap_or_default();
            let found = match attribute.ref_attr_name.as_deref().filter(|name| !name.is_empty()) {
                None => Some(attribute),
                Some(of_call) => around.given.and_then(|given| given.get(of_call)),
            };
            // An attribute that the call leaves out is left out here.
            if let Some(found) = found {
                attributes.insert(own, found.clone());
            }
        }
        let overload = proto.overload.as_deref().unwrap_or_default();
        let function = self.functions.iter().find(|function| {
            standard(function.domain.as_deref().unwrap_or_default()) == domain
                && function.name.as_deref() == Some(op_type.as_str())
                && function.overload.as_deref().unwrap_or_default() == overload
        });
        let version = around.versions.get(&domain).copied();
        let name = NodeName {
            name: proto.name.clone().unwrap_or_default(),
            version: version.unwrap_or(0),
            domain,
            op_type,
            number,
        };
        let invalid = |why: String| Error::Node { node: Box::new(name.clone()), why: why.into() };
        if function.is_none() && version.is_none() {
            return Err(invalid("the model does not import the operators of this domain".to_owned()));
        }
        let (inputs, outputs) = (proto.input.clone(), proto.output.clone());
        let (mut own, mut graphs) = (BTreeMap::new(), BTreeMap::new());
        let function = match function {
            Some(function) => Some(self.function(function, attributes)?),
            None => {
                for (key, attribute) in &attributes {
                    if let Some(graph) = &attribute.g {
                        graphs.insert(key.clone(), self.graph(graph, around)?);
                    } else if let Some(value) = self.attribute(attribute).map_err(invalid)? {
                        own.insert(key.clone(), value);
                    }
                }
                None
            }
        };
        Ok(Node { name, inputs, outputs, attributes: Attributes(own), graphs, function, replaced: None })
    }

    /// Returns the graph of a function that is called with these attributes.
    fn function(&mut self, proto: &FunctionProto, mut given: BTreeMap<String, AttributeProto>) -> Result<Graph> {
        for default in &proto.attribute_proto {
            given.entry(default.name.clone().unwrap_or_default()).or_insert_with(|| default.clone());
        }
        let untyped = |name: &String| Declared { name: name.clone(), dtype: None, shape: None, unsupported: None };
        let graph = Graph {
            inputs: proto.input.iter().map(untyped).collect(),
            outputs: proto.output.iter().map(untyped).collect(),
            ..Graph::default()
        };
        let versions = versions(&proto.opset_import);
        let around = Around { versions: &versions, given: Some(&given), names: None };
        self.inside(proto.node.len(), |builder| builder.with_nodes(graph, &proto.node, around))
    }

    fn attribute(&self, proto: &AttributeProto) -> std::result::Result<Option<Attribute>, String> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let missing = || format!("attribute `{}` has no value", proto.name.as_deref().unwrap_or_default());
        let tensor = |tensor: &TensorProto| file::array(tensor, self.folder);
        Ok(Some(match kind(proto) {
            1 => Attribute::Float(proto.f.ok_or_else(missing)?),
            2 => Attribute::Int(proto.i.ok_or_else(missing)?),
            3 => Attribute::Text(text(proto.s.as_ref().ok_or_else(missing)?)),
            4 => Attribute::Tensor(tensor(proto.t.as_ref().ok_or_else(missing)?)?),
            6 => Attribute::Floats(proto.floats.clone()),
            7 => Attribute::Ints(proto.ints.clone()),
            8 => Attribute::Texts(proto.strings.iter().map(|own| text(own)).collect()),
            0 => return Ok(None),
            9 => Attribute::Other("a list of tensors"),
            10 => Attribute::Other("a list of graphs"),
            11 => Attribute::Other("a sparse tensor"),
            13 => Attribute::Other("a type"),
            _ => Attribute::Other("of a kind that is not supported"),
        }))
    }
}

/// Returns the kind of an attribute; models of the first versions do not say it.
pub(crate) fn kind(proto: &AttributeProto) -> i32 {
    let given = [
        (proto.f.is_some(), 1),
        (proto.i.is_some(), 2),
        (proto.s.is_some(), 3),
        (proto.t.is_some(), 4),
        (!proto.floats.is_empty(), 6),
        (!proto.ints.is_empty(), 7),
        (!proto.strings.is_empty(), 8),
    ];
    let found = given.iter().find(|(is_given, _)| *is_given).map_or(0, |(_, kind)| *kind);
    proto.r#type.filter(|kind| *kind != 0).unwrap_or(found)
}

/// Returns the value of a node that is a constant.
fn constant(node: &Node) -> Option<std::result::Result<Array, String>> {
    let is_constant = node.name.op_type == "Constant" && node.name.domain.is_empty() && node.outputs.len() == 1;
    let mut values = node.attributes.0.iter();
    let (name, value) = values.next().filter(|_| is_constant && node.attributes.0.len() == 1)?;
    let floats = |shape: &[usize], list: &[f32]| {
        Array::of_floats(Scalar::F32, shape, &list.iter().map(|own| f64::from(*own)).collect::<Vec<f64>>())
    };
    Some(match (name.as_str(), value) {
        ("value", Attribute::Tensor(array)) => Ok(array.clone()),
        ("value_float", Attribute::Float(value)) => Ok(floats(&[], &[*value])),
        ("value_floats", Attribute::Floats(list)) => Ok(floats(&[list.len()], list)),
        ("value_int", Attribute::Int(value)) => Ok(Array::of_integers(Scalar::I64, &[], &[*value])),
        ("value_ints", Attribute::Ints(list)) => Ok(Array::list(list)),
        (name, _) => Err(format!("a constant by attribute `{name}` is not supported")),
    })
}

/// Returns the name and the type of an input or an output.
fn declared(info: &ValueInfoProto) -> Declared {
    let name = info.name.clone().unwrap_or_default();
    let mut declared = Declared { name, dtype: None, shape: None, unsupported: None };
    match info.r#type.as_ref().and_then(of_tensor) {
        None => {}
        Some(TypeKind::Tensor(tensor)) => {
            match element::scalar(i64::from(tensor.elem_type.unwrap_or(0))) {
                Ok(dtype) => declared.dtype = Some(dtype),
                Err(_) if tensor.elem_type.unwrap_or(0) == 0 => {}
                Err(why) => declared.unsupported = Some(why),
            }
            let dims = tensor.shape.as_ref().map(|shape| shape.dim.iter().map(|dim| dim.value.as_ref()));
            declared.shape = dims.map(|dims| dims.map(dim).collect());
        }
        Some(other) => {
            let kind = match other {
                TypeKind::Sequence(_) => "a sequence",
                TypeKind::Map(_) => "a map",
                _ => "a sparse tensor",
            };
            declared.unsupported = Some(format!("it is {kind}, which is not supported"));
        }
    }
    declared
}

/// Returns a type, of an optional one what may be missing.
fn of_tensor(ty: &TypeProto) -> Option<&TypeKind> {
    match ty.value.as_ref()? {
        TypeKind::Optional(inner) => of_tensor(inner.elem_type.as_ref()?),
        other => Some(other),
    }
}

fn dim(kind: Option<&DimensionKind>) -> Dim {
    match kind {
        Some(DimensionKind::Value(value)) => usize::try_from(*value).map_or(Dim::Any, Dim::Known),
        // Some programs write `?` for every extent that they do not know.
        Some(DimensionKind::Name(name)) if !name.is_empty() && name != "?" => Dim::Named(name.clone()),
        _ => Dim::Any,
    }
}
