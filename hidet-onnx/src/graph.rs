//! [`Graph`]: the nodes of a model in an order in which they can be computed, with names that are checked.

pub(crate) mod text;

use crate::attributes::Attributes;
use crate::error::{Error, NodeName, Result};
use crate::rule::Rule;
use crate::value::Value;
use hidet::types::Scalar;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

/// The domain of operators that passes put in the place of formulas, and that the standard does not have.
pub(crate) const OWN_DOMAIN: &str = "hidet";

/// A graph of nodes.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Declared>,
    pub(crate) outputs: Vec<Declared>,
    /// Initializers, and the results of nodes that are constants.
    pub(crate) constants: HashMap<String, Value>,
    pub(crate) nodes: Vec<Node>,
    /// For each node the names of which it is the last use.
    pub(crate) last_uses: Vec<Vec<String>>,
    /// Names that the graph uses of the graphs around it.
    pub(crate) captured: BTreeSet<String>,
}

/// A use of an operator, or a call of a function of the model.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    /// Empty for one that is left out.
    pub(crate) inputs: Vec<String>,
    /// Empty for one that nobody wants.
    pub(crate) outputs: Vec<String>,
    pub(crate) attributes: Attributes,
    /// Attributes that are graphs.
    pub(crate) graphs: BTreeMap<String, Graph>,
    /// What the node computes, if it calls a function.
    pub(crate) function: Option<Graph>,
    /// What is there instead of other nodes, if the node replaces them by a rule.
    pub(crate) replaced: Option<Replaced>,
}

/// A rule in the place of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub(crate) rule: Rule,
    /// The nodes that were replaced, if all their operators are supported. Its inputs are those of the node, each once.
    pub(crate) meaning: Option<Arc<Graph>>,
}

impl Node {
    /// Returns true if the node uses this operator of the standard.
    pub(crate) fn is(&self, operator: &str) -> bool {
        self.function.is_none() && self.name.domain.is_empty() && self.name.op_type == operator
    }

    /// Returns the names that the node uses, also inside of its graphs.
    pub(crate) fn uses(&self) -> impl Iterator<Item = &String> {
        let captured = self.graphs.values().flat_map(|graph| &graph.captured);
        self.inputs.iter().filter(|name| !name.is_empty()).chain(captured)
    }
}

/// An input or an output of a model: its name and what is known of its type.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// The name.
    pub name: String,
    /// The type of the elements, if the model says it.
    pub dtype: Option<Scalar>,
    /// The extents, if the model says them.
    pub shape: Option<Vec<Dim>>,
    /// Why values of the type are not supported, if so.
    pub(crate) unsupported: Option<String>,
}

impl fmt::Display for Declared {
    /// What is known of the type: `f32[n, 64]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dtype = self.dtype.map_or("?", |dtype| dtype.name());
        match &self.shape {
            Some(shape) => {
                let shape: Vec<String> = shape.iter().map(Dim::to_string).collect();
                write!(f, "{dtype}[{}]", shape.join(", "))
            }
            None => write!(f, "{dtype}[..]"),
        }
    }
}

/// An extent of an input or an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dim {
    /// A number.
    Known(usize),
    /// Any number, which is the same wherever the name is.
    Named(String),
    /// Any number.
    Any,
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(extent) => write!(f, "{extent}"),
            Dim::Named(name) => write!(f, "{name}"),
            Dim::Any => write!(f, "?"),
        }
    }
}

/// Names of a graph, and of those around it.
#[derive(Default)]
pub(crate) struct Names<'a> {
    pub(crate) own: HashSet<&'a str>,
    pub(crate) outer: Option<&'a Names<'a>>,
}

impl Names<'_> {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.own.contains(name) || self.outer.is_some_and(|outer| outer.has(name))
    }
}

impl Graph {
    /// Orders the nodes, and finds out what they use last. `outer` has the names of the graphs around this one.
    pub(crate) fn finish(mut self, outer: Option<&Names>) -> Result<Graph> {
        let nodes = std::mem::take(&mut self.nodes);
        let mut makers: HashMap<&str, Option<usize>> = HashMap::new();
        let mut given: Vec<&str> = self.inputs.iter().map(|input| input.name.as_str()).collect();
        given.extend(self.constants.keys().map(String::as_str).filter(|name| !self.has_input(name)));
        let made =
            nodes.iter().enumerate().flat_map(|(at, node)| node.outputs.iter().map(move |name| (name, Some(at))));
        let made = made.filter(|(name, _)| !name.is_empty()).map(|(name, at)| (name.as_str(), at));
        for (name, maker) in given.into_iter().map(|name| (name, None)).chain(made) {
            if makers.insert(name, maker).is_some() {
                return Err(Error::Invalid(format!("two values are named `{name}`")));
            }
        }
        let mut captured = BTreeSet::new();
        let mut waits = vec![BTreeSet::new(); nodes.len()];
        for (at, node) in nodes.iter().enumerate() {
            for name in node.uses() {
                match makers.get(name.as_str()) {
                    Some(Some(maker)) => {
                        waits[at].insert(*maker);
                    }
                    Some(None) => {}
                    None if outer.is_some_and(|outer| outer.has(name)) => {
                        captured.insert(name.clone());
                    }
                    None => {
                        return Err(Error::Invalid(format!("{} uses `{name}`, which nothing makes", node.name)));
                    }
                }
            }
        }
        for output in &self.outputs {
            let is_made = makers.contains_key(output.name.as_str());
            if !is_made && outer.is_some_and(|outer| outer.has(&output.name)) {
                captured.insert(output.name.clone());
            } else if !is_made {
                return Err(Error::Invalid(format!("the output `{}` is a value that nothing makes", output.name)));
            }
        }
        let order = ordered(&waits).map_err(|at| {
            Error::Invalid(format!("{} is in a cycle: its inputs are computed of its outputs", nodes[at].name))
        })?;
        let mut slots: Vec<Option<Node>> = nodes.into_iter().map(Some).collect();
        self.nodes = order.into_iter().filter_map(|at| slots[at].take()).collect();
        self.captured = captured;
        self.last_uses = self.find_last_uses();
        Ok(self)
    }

    /// Returns a name that no value has, beginning with this one.
    pub(crate) fn unused(&self, name: String) -> String {
        let is_used = |name: &String| {
            let made = self.nodes.iter().flat_map(|node| &node.outputs);
            self.constants.contains_key(name) || self.has_input(name) || made.into_iter().any(|own| own == name)
        };
        let mut name = name;
        while is_used(&name) {
            name.push('_');
        }
        name
    }

    pub(crate) fn has_input(&self, name: &str) -> bool {
        self.inputs.iter().any(|input| input.name == name)
    }

    fn find_last_uses(&self) -> Vec<Vec<String>> {
        let mut seen: HashSet<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
        let mut last: Vec<Vec<String>> = Vec::new();
        for node in self.nodes.iter().rev() {
            // A result that nothing uses is dropped at once.
            let ends = node.uses().chain(&node.outputs).filter(|name| seen.insert(name.as_str()));
            last.push(ends.cloned().collect());
        }
        last.reverse();
        last
    }

    /// Returns the graph with other constants, and those of the graphs inside of its nodes.
    pub(crate) fn with_constants(&self, of: &dyn Fn(&Value) -> Value) -> Graph {
        let of_node = |node: &Node| Node {
            name: node.name.clone(),
            inputs: node.inputs.clone(),
            outputs: node.outputs.clone(),
            attributes: node.attributes.clone(),
            graphs: node.graphs.iter().map(|(name, graph)| (name.clone(), graph.with_constants(of))).collect(),
            function: node.function.as_ref().map(|function| function.with_constants(of)),
            replaced: node.replaced.clone(),
        };
        Graph {
            inputs: self.inputs.clone(),
            outputs: self.outputs.clone(),
            constants: self.constants.iter().map(|(name, value)| (name.clone(), of(value))).collect(),
            nodes: self.nodes.iter().map(of_node).collect(),
            last_uses: self.last_uses.clone(),
            captured: self.captured.clone(),
        }
    }

    /// Returns the graph, and all graphs inside of its nodes.
    pub(crate) fn all(&self) -> Vec<&Graph> {
        let mut all = vec![self];
        let mut at = 0;
        while at < all.len() {
            for node in &all[at].nodes {
                all.extend(node.graphs.values().chain(&node.function));
            }
            at += 1;
        }
        all
    }
}

/// Returns an order in which each comes after all for which it waits, as near to the given one as possible, or one that is in a
/// cycle.
fn ordered(waits: &[BTreeSet<usize>]) -> std::result::Result<Vec<usize>, usize> {
    let mut left: Vec<usize> = waits.iter().map(BTreeSet::len).collect();
    let mut users = vec![Vec::new(); waits.len()];
    for (at, makers) in waits.iter().enumerate() {
        makers.iter().for_each(|maker| users[*maker].push(at));
    }
    let mut ready: BTreeSet<usize> = (0..waits.len()).filter(|at| left[*at] == 0).collect();
    let mut order = Vec::new();
    while let Some(at) = ready.pop_first() {
        order.push(at);
        for user in &users[at] {
            left[*user] -= 1;
            if left[*user] == 0 {
                ready.insert(*user);
            }
        }
    }
    match left.iter().position(|count| *count > 0) {
        Some(at) => Err(at),
        None => Ok(order),
    }
}
