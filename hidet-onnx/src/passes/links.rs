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
pub(super) struct Links<'a> {
    graph: &'a Graph,
    makers: HashMap<&'a str, usize>,
    users: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Links<'a> {
    pub(super) fn of(graph: &'a Graph) -> Links<'a> {
        let (mut makers, mut users) = (HashMap::new(), HashMap::<&str, Vec<usize>>::new());
        for (at, node) in graph.nodes.iter().enumerate() {
            node.uses().for_each(|name| users.entry(name).or_default().push(at));
            makers.extend(node.outputs.iter().map(|name| (name.as_str(), at)));
        }
        // An output of the graph is used by a node that does not exist.
        graph.outputs.iter().for_each(|output| users.entry(&output.name).or_default().push(usize::MAX));
        Links { graph, makers, users }
    }

    /// Returns a node by its number.
    pub(super) fn node(&self, at: usize) -> &'a Node {
        &self.graph.nodes[at]
    }

    /// Returns the node that makes a value.
    pub(super) fn maker(&self, name: &str) -> Option<usize> {
        self.makers.get(name).copied()
    }

    /// Returns the node that makes a value as its only result, if it is for one use alone.
    pub(super) fn alone(&self, name: &str) -> Option<usize> {
        let maker = self.maker(name).filter(|at| self.node(*at).outputs.len() == 1);
        maker.filter(|_| self.users.get(name).is_some_and(|users| users.len() == 1))
    }

    /// Returns the only node that uses a value.
    pub(super) fn user(&self, name: &str) -> Option<usize> {
        match self.users.get(name)?.as_slice() {
            [user] if *user != usize::MAX => Some(*user),
            _ => None,
        }
    }

    /// Returns a value that is constant, on the host.
    pub(super) fn constant(&self, name: &str) -> Option<Array> {
        match self.graph.constants.get(name)? {
            value @ Value::Host(_) if !self.graph.has_input(name) => value.array().ok(),
            _ => None,
        }
    }

    /// Returns true if the graph has no floats of 16 bits, so that a cast of floats to `f32` changes nothing.
    pub(super) fn has_no_half(&self) -> bool {
        let is_half = |dtype: Scalar| [Scalar::F16, Scalar::BF16].contains(&dtype);
        let given = self.graph.inputs.iter().filter_map(|input| input.dtype);
        let constants = self.graph.constants.values().map(|value| value.ty().dtype);
        let made = self.graph.nodes.iter().filter_map(|node| node.attributes.int("to").ok()?);
        !given.chain(constants).chain(made.filter_map(|to| element::scalar(to).ok())).any(is_half)
    }

    /// Returns the number that a value is.
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        let array = self.constant(name).filter(|array| array.ty().len() == 1)?;
        array.floats().first().copied()
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
    Node { name, inputs, outputs, attributes, graphs: BTreeMap::new(), function: None }
}
