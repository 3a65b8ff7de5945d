//! [`FlowGraph`]: operators and the tensors between them. Fusion divides it into kernels.

use crate::error::TensorType;
use crate::expr::{Element64, Mixer};
use crate::task::Task;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The number of a node in its graph; inputs of a node have smaller ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub usize);

/// A tensor of a graph, and where it comes from.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its number.
    pub id: NodeId,
    /// Its type.
    pub ty: TensorType,
    /// Where it comes from.
    pub origin: Origin,
}

impl Node {
    /// Returns the name of the operator that computes it, if it is not given.
    pub fn operator(&self) -> Option<&'static str> {
        match &self.origin {
            Origin::Input => None,
            Origin::Task { task, .. } => Some(task.name),
        }
    }

    /// Returns the nodes that it is computed of, in order.
    pub fn inputs(&self) -> &[NodeId] {
        match &self.origin {
            Origin::Input => &[],
            Origin::Task { inputs, .. } => inputs,
        }
    }
}

/// Where a tensor of a graph comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// It is given when the graph runs.
    Input,
    /// An operator computes it of other tensors.
    Task {
        /// The operator.
        task: Arc<Task>,
        /// Its inputs.
        inputs: Vec<NodeId>,
    },
}

/// Operators and the tensors between them.
#[derive(Clone, Debug, Default)]
pub struct FlowGraph {
    nodes: Vec<Node>,
    users: Vec<Vec<NodeId>>,
    outputs: Vec<NodeId>,
}

impl FlowGraph {
    /// Adds a tensor that is given when the graph runs.
    pub fn input(&mut self, ty: TensorType) -> NodeId {
        self.push(ty, Origin::Input)
    }

    /// Adds the result of an operator on nodes of this graph.
    pub fn apply(&mut self, task: Arc<Task>, inputs: Vec<NodeId>) -> NodeId {
        let id = NodeId(self.nodes.len());
        for input in &inputs {
            self.users[input.0].push(id);
        }
        self.push(task.output.clone(), Origin::Task { task, inputs })
    }

    /// Adds the operators of another graph, whose inputs are nodes of this one, in order, and returns its last node.
    pub(crate) fn append(&mut self, other: &FlowGraph, inputs: &[NodeId]) -> NodeId {
        let (mut ids, mut given): (Vec<NodeId>, _) = (Vec::new(), inputs.iter().copied());
        for node in &other.nodes {
            let id = match &node.origin {
                Origin::Input => given.next().unwrap_or(NodeId(0)),
                Origin::Task { task, inputs } => {
                    self.apply(task.clone(), inputs.iter().map(|input| ids[input.0]).collect())
                }
            };
            ids.push(id);
        }
        ids.last().copied().unwrap_or(NodeId(0))
    }

    /// Makes a node a result of the graph: its value is kept.
    pub fn output(&mut self, node: NodeId) {
        self.outputs.push(node);
    }

    /// Returns a number that is equal for graphs that are [the same](Self::is_same).
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = Mixer::default();
        for node in &self.nodes {
            match &node.origin {
                Origin::Input => node.ty.hash(&mut hasher),
                Origin::Task { task, inputs } => {
                    task.hash(&mut hasher);
                    inputs.hash(&mut hasher);
                }
            }
        }
        self.outputs.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns true if another graph has the same nodes in the same order.
    pub(crate) fn is_same(&self, other: &FlowGraph) -> bool {
        let same = |(a, b): (&Node, &Node)| match (&a.origin, &b.origin) {
            (Origin::Input, Origin::Input) => a.ty == b.ty,
            (Origin::Task { task: x, inputs: xs }, Origin::Task { task: y, inputs: ys }) => {
                xs == ys && (Arc::ptr_eq(x, y) || x.is_same(y))
            }
            _ => false,
        };
        self.nodes.len() == other.nodes.len()
            && self.outputs == other.outputs
            && self.nodes.iter().zip(&other.nodes).all(same)
    }

    /// Computes the first result on the host, in `f64`, of the elements of those that are given, in order.
    ///
    /// # Errors
    ///
    /// If an operation is not defined for the values, or elements are missing.
    pub fn evaluate(&self, inputs: &[Vec<Element64>]) -> Result<Vec<Element64>, String> {
        let (mut values, mut given): (Vec<Vec<Element64>>, _) = (Vec::new(), inputs.iter());
        for node in &self.nodes {
            values.push(match &node.origin {
                Origin::Input => given.next().cloned().ok_or("elements of an input are missing")?,
                Origin::Task { task, inputs } => {
                    let inputs: Vec<Vec<Element64>> = inputs.iter().map(|input| values[input.0].clone()).collect();
                    task.evaluate(&inputs).map_err(|why| format!("`{}`: {why}", task.name))?
                }
            });
        }
        let output = self.outputs.first().map(|output| values.swap_remove(output.0));
        Ok(output.unwrap_or_default())
    }

    fn push(&mut self, ty: TensorType, origin: Origin) -> NodeId {
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node { id, ty, origin });
        self.users.push(Vec::new());
        id
    }

    /// Returns the nodes, each behind its inputs.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Returns a node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Returns the nodes that read a node, once for each of their inputs that is it.
    pub fn users(&self, id: NodeId) -> &[NodeId] {
        &self.users[id.0]
    }

    /// Returns the nodes that are results of the graph, in order.
    pub fn outputs(&self) -> &[NodeId] {
        &self.outputs
    }

    /// Returns true if the value of a node is a result of the graph.
    pub fn is_output(&self, id: NodeId) -> bool {
        self.outputs.contains(&id)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Node { id, ty, .. } = self;
        match self.operator() {
            None => write!(f, "%{} = input {ty}", id.0),
            Some(operator) => {
                let inputs: Vec<String> = self.inputs().iter().map(|input| format!("%{}", input.0)).collect();
                write!(f, "%{} = {operator}({}) {ty}", id.0, inputs.join(", "))
            }
        }
    }
}

impl fmt::Display for FlowGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.nodes.iter().try_for_each(|node| writeln!(f, "{node}"))?;
        let outputs: Vec<String> = self.outputs.iter().map(|output| format!("%{}", output.0)).collect();
        writeln!(f, "return {}", outputs.join(", "))
    }
}
