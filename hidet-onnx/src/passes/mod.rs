//! Passes: changes of a graph that keep what it computes. One per file.

mod aligned;
mod attention;
mod fold_norm;
mod join_products;
mod links;
mod transposed;

pub(crate) use aligned::aligned;

use crate::error::Result;
use crate::graph::{Graph, Node};
use std::collections::HashSet;

/// Runs all passes on a graph, and removes the constants that nothing uses any more.
pub(crate) fn all(graph: Graph) -> Result<Graph> {
    let passes = [transposed::transposed, fold_norm::fold_norm, join_products::join_products, attention::attention];
    let mut graph = passes.into_iter().try_fold(graph, |graph, pass| pass(graph))?;
    let used: HashSet<String> = graph.nodes.iter().flat_map(Node::uses).cloned().collect();
    let named: HashSet<String> = graph.inputs.iter().chain(&graph.outputs).map(|own| own.name.clone()).collect();
    graph.constants.retain(|name, _| used.contains(name) || named.contains(name));
    Ok(graph)
}
