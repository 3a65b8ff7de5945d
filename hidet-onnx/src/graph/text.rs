//! A graph as text: inputs, a line for each node, outputs. It is for people, and not read back.

use super::{Graph, Node};
use crate::attributes::Attribute;
use crate::value::Value;
use hidet_ops::TensorType;
use std::collections::HashMap;
use std::fmt::{Display, Write};

/// The most elements of a constant, and of a list, that are written.
const SHOWN: usize = 8;

/// Spaces before what is inside.
const STEP: &str = "  ";

/// Returns a graph as text, with the types of its values as far as they are known.
pub(crate) fn text(graph: &Graph, types: &HashMap<String, TensorType>) -> String {
    let mut writer = Writer { types, constants: Vec::new(), text: String::new() };
    writer.graph(graph, "");
    writer.text
}

/// The text so far, and what is known while it is written.
struct Writer<'a> {
    types: &'a HashMap<String, TensorType>,
    /// Those of the graph that is written, behind those of the graphs around it.
    constants: Vec<&'a HashMap<String, Value>>,
    text: String,
}

impl<'a> Writer<'a> {
    // Writing to a string cannot fail.
    fn line(&mut self, indent: &str, line: impl Display) {
        let _ = writeln!(self.text, "{indent}{line}");
    }

    fn graph(&mut self, graph: &'a Graph, indent: &str) {
        self.constants.push(&graph.constants);
        self.line(indent, "inputs");
        let inside = format!("{indent}{STEP}");
        for input in &graph.inputs {
            let default = if graph.constants.contains_key(&input.name) { ", or a constant" } else { "" };
            self.line(&inside, format_args!("%{}: {input}{default}", input.name));
        }
        self.line(indent, "nodes");
        for node in &graph.nodes {
            let line = self.node(node);
            self.line(&inside, line);
            let graphs = node.graphs.iter().map(|(name, graph)| (name.as_str(), graph));
            let function = node.function.as_ref().map(|graph| ("function", graph));
            let replaced = node.replaced.as_ref().and_then(|own| Some(("replaces", own.meaning.as_deref()?)));
            for (name, graph) in graphs.chain(function).chain(replaced) {
                self.line(&inside, format_args!("{STEP}{name}"));
                self.graph(graph, &format!("{inside}{STEP}{STEP}"));
            }
        }
        self.line(indent, "outputs");
        for output in &graph.outputs {
            let known = graph.constants.contains_key(&output.name);
            let constant = if known { ", a constant" } else { "" };
            self.line(&inside, format_args!("%{}: {output}{constant}", output.name));
        }
        self.constants.pop();
    }

    /// `%y = Add(%x, 1) {axis = 0} : f32[2, 3]`.
    fn node(&self, node: &Node) -> String {
        let outputs: Vec<String> = node.outputs.iter().map(|name| named(name)).collect();
        let inputs: Vec<String> = node.inputs.iter().map(|name| self.operand(name)).collect();
        let mut line = format!("{} = {}({})", outputs.join(", "), node.name.operator(), inputs.join(", "));
        let attributes = node.attributes.0.iter().map(|(name, value)| format!("{name} = {}", attribute(value)));
        let attributes: Vec<String> = attributes.collect();
        if !attributes.is_empty() {
            let _ = write!(line, " {{{}}}", attributes.join(", "));
        }
        let types: Vec<String> =
            node.outputs.iter().filter_map(|name| self.types.get(name)).map(TensorType::to_string).collect();
        if !types.is_empty() {
            let _ = write!(line, " : {}", types.join(", "));
        }
        line
    }

    /// Returns the elements of a small constant, the type of a larger one, and else the name of a value.
    fn operand(&self, name: &str) -> String {
        let constant = self.constants.iter().rev().find_map(|constants| constants.get(name));
        let Some(value) = constant else { return named(name) };
        match value {
            Value::Host(_) if value.ty().len() <= SHOWN => {
                elements(value).unwrap_or_else(|| format!("{} {}", named(name), value.ty()))
            }
            _ => format!("{} {}", named(name), value.ty()),
        }
    }
}

/// Returns the name of a value, which may be left out.
fn named(name: &str) -> String {
    if name.is_empty() { "_".to_owned() } else { format!("%{name}") }
}

fn elements(value: &Value) -> Option<String> {
    let array = value.array().ok()?;
    let numbers: Vec<String> = match array.integers() {
        Ok(integers) => integers.iter().map(i64::to_string).collect(),
        // As few digits as tell it from other floats of 32 bits.
        Err(_) => array.floats().iter().map(|number| format!("{:?}", *number as f32)).collect(),
    };
    match (array.shape(), numbers.as_slice()) {
        ([], [one]) => Some(one.clone()),
        ([_], all) => Some(format!("[{}]", all.join(", "))),
        _ => None,
    }
}

fn attribute(value: &Attribute) -> String {
    match value {
        Attribute::Float(value) => format!("{value:?}"),
        Attribute::Int(value) => value.to_string(),
        Attribute::Text(value) => format!("{value:?}"),
        Attribute::Tensor(array) => array.ty().to_string(),
        Attribute::Floats(all) => list(all.iter().map(|value| format!("{value:?}"))),
        Attribute::Ints(all) => list(all.iter().map(i64::to_string)),
        Attribute::Texts(all) => list(all.iter().map(|value| format!("{value:?}"))),
        Attribute::Other(kind) => (*kind).to_owned(),
    }
}

fn list(elements: impl ExactSizeIterator<Item = String>) -> String {
    let more = if elements.len() > SHOWN { ", .." } else { "" };
    format!("[{}{more}]", elements.take(SHOWN).collect::<Vec<String>>().join(", "))
}
