//! [`Links`]: what makes the values of a graph, and how many use them.

use crate::array::Array;
use crate::attributes::{Attribute, Attributes};
use crate::element;
use crate::error::NodeName;
use crate::graph::{Graph, Node};
use crate::value::Value;
use hidet::types::Scalar;
use std::collections::{BTreeMap, HashMap};

/// What makes a value, and how many use it.
pub(crate) struct Links<'a> {
    graph: &'a Graph,
    makers: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Links<'a> {
    pub(crate) fn of(graph: &'a Graph) -> Links<'a> {
        let (mut makers, mut users) = (HashMap::new(), HashMap::<&str, Vec<usize>>::new());
        for (at, node) in graph.nodes.iter().enumerate() {
            node.uses().for_each(|name| users.entry(name).or_default().push(at));
            makers.extend(node.outputs.iter().filter(|name| !name.is_empty()).map(|name| (name.as_str(), at)));
        }
        // An output of the graph is used by a node that does not exist.
        graph.outputs.iter().for_each(|output| users.entry(&output.name).or_default().push(usize::MAX));
        Links { graph, makers, users }
    }

    /// Returns a node by its number.
    pub(crate) fn node(&self, at: usize) -> &'a Node {
        &self.graph.nodes[at]
    }

    /// Returns the node that makes a value.
    pub(super) fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// Returns the node that makes a value as its only result, if it is for one use alone.
    pub(crate) fn alone(&self, name: &str) -> Option<usize> {
        let maker = self.maker(name).filter(|at| self.node(*at).outputs.len() == 1);
        maker.filter(|_| self.users.get(name).is_some_and(|users| users.len() == 1))
    }

    /// Returns the nodes that use a value, of which one may not exist: an output of the graph.
    pub(super) fn users(&self, name: &str) -> &[usize] {
        self.users.get(name).map_or(&[], Vec::as_slice)
    }

    /// Returns the only node that uses a value.
    pub(super) fn user(&self, name: &str) -> Option<usize> {
        match self.users(name) {
            [user] if *user != usize::MAX => Some(*user),
            _ => None,
        }
    }

    /// Returns a value that is constant, on the host.
    pub(crate) fn constant(&self, name: &str) -> Option<Array> {
        match self.graph.constants.get(name)? {
            value @ Value::Host(_) if !self.graph.has_input(name) => value.array().ok(),
            _ => None,
        }
    }

    /// Returns true if a value is constant, wherever it is.
    pub(super) fn is_constant(&self, name: &str) -> bool {
        self.graph.constants.contains_key(name) && !self.graph.has_input(name)
    }

    /// Returns true if it is known that the graph has no other floats than `f32`, so that a cast of floats to `f32` changes
    /// nothing.
    pub(super) fn has_one_float(&self) -> bool {
        let is_other = |dtype: Scalar| dtype.is_float() && dtype != Scalar::F32;
        let made = |node: &Node| {
            let types = ["to", "dtype", "output_dtype", "output_datatype"].into_iter();
            let types =
                types.filter_map(|name| node.attributes.int(name).ok()?).filter_map(|to| element::scalar(to).ok());
            let tensors = node.attributes.0.values().filter_map(|attribute| match attribute {
                Attribute::Tensor(array) => Some(array.dtype()),
                _ => None,
            });
            let is_open = node.function.is_some() || node.replaced.is_some();
            is_open || !node.graphs.is_empty() || types.chain(tensors).any(is_other)
        };
        let Graph { inputs, constants, nodes, .. } = self.graph;
        !inputs.iter().any(|input| input.dtype.is_none_or(is_other))
            && !constants.values().any(|value| is_other(value.ty().dtype))
            && !nodes.iter().any(made)
    }

    /// Returns the number of any type that a value is: one without axes, so that it adds none to what it is combined with.
    pub(super) fn scalar(&self, name: &str) -> Option<f64> {
        let array = self.constant(name).filter(|array| array.shape().is_empty())?;
        array.floats().first().copied()
    }

    /// Returns the float that a value is, likewise: quotients of integers are rounded.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.scalar(name).filter(|_| self.graph.constants.get(name).is_some_and(|value| value.ty().dtype.is_float()))
    }
}

/// Returns a node of the standard that stands for others, of which one is named.
pub(super) fn node<const N: usize>(
    (operator, version): (&str, i64),
    of: &NodeName,
    inputs: Vec<String>,
    outputs: Vec<String>,
    attributes: [(&str, Attribute); N],
) -> Node {
    let name = NodeName { op_type: operator.to_owned(), version, ..of.clone() };
    let attributes = Attributes(attributes.map(|(name, value)| (name.to_owned(), value)).into());
    Node { name, inputs, outputs, attributes, graphs: BTreeMap::new(), function: None, replaced: None }
}
