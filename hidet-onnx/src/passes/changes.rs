//! [`Pass`]: what a pass has changed of a graph, to be looked at.

use crate::attributes::Attributes;
use crate::error::{Error, NodeName, Result};
use crate::graph::Graph;
use std::collections::HashMap;
use std::fmt;

/// A pass over the graph of a model, and how many nodes it changed: some of the graph before were replaced by others. A node with
/// other inputs or attributes is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// The name of the pass.
    pub name: &'static str,
    /// The number of nodes that are not in the graph any more.
    pub removed: usize,
    /// The number of nodes that were not in the graph before.
    pub added: usize,
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pass { name, removed: 0, added: 0 } => write!(f, "{name}: nothing"),
            Pass { name, removed, added } => write!(f, "{name}: {removed} nodes replaced by {added}"),
        }
    }
}

/// The nodes of a graph, by what they make.
struct Nodes(HashMap<Vec<String>, (NodeName, Vec<String>, Attributes)>);

impl Nodes {
    fn of(graph: &Graph) -> Nodes {
        let nodes = graph.nodes.iter();
        let own =
            nodes.map(|node| (node.outputs.clone(), (node.name.clone(), node.inputs.clone(), node.attributes.clone())));
        Nodes(own.collect())
    }

    /// Returns how many nodes others do not have.
    fn beside(&self, others: &Nodes) -> usize {
        self.0.iter().filter(|(outputs, node)| others.0.get(*outputs) != Some(node)).count()
    }
}

/// Runs a pass, which must leave a graph that is valid, and returns what it has changed too.
pub(crate) fn observed(
    name: &'static str,
    graph: Graph,
    pass: impl FnOnce(Graph) -> Result<Graph>,
    verify: impl Fn(&Graph) -> Result<()>,
) -> Result<(Graph, Pass)> {
    let before = Nodes::of(&graph);
    let graph = pass(graph).and_then(|graph| verify(&graph).map(|()| graph));
    let graph = graph.map_err(|why| Error::Pass { name, why: Box::new(why) })?;
    let after = Nodes::of(&graph);
    let pass = Pass { name, removed: before.beside(&after), added: after.beside(&before) };
    Ok((graph, pass))
}
