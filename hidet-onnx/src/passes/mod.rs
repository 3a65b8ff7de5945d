//! Passes: changes of a graph that keep what it computes. One per file.

mod aligned;
mod attention;
mod changes;
mod fold_norm;
mod gelu;
mod join_products;
mod layer_norm;
mod links;
mod transposed;

pub(crate) use aligned::aligned;
pub use changes::Pass;
pub(crate) use changes::observed;
pub(crate) use links::Links;

use crate::error::Result;
use crate::graph::{Graph, Node};
use std::collections::HashSet;

/// What a pass makes of a graph.
type Change = fn(Graph) -> Result<Graph>;

/// All passes, in the order in which they run: some look for what others leave.
const ALL: [(&str, Change); 6] = [
    ("transposed", transposed::transposed),
    ("fold_norm", fold_norm::fold_norm),
    ("join_products", join_products::join_products),
    ("attention", attention::attention),
    ("gelu", gelu::gelu),
    ("layer_norm", layer_norm::layer_norm),
];

/// Runs all passes on a graph, of which each must leave one that is valid, and removes the constants that nothing uses any more.
pub(crate) fn all(graph: Graph, verify: impl Fn(&Graph) -> Result<()>) -> Result<(Graph, Vec<Pass>)> {
    let (mut graph, mut passes) = (graph, Vec::new());
    for (name, change) in ALL {
        let (changed, pass) = observed(name, graph, change, &verify)?;
        passes.push(pass);
        graph = changed;
    }
    let used: HashSet<String> = graph.nodes.iter().flat_map(Node::uses).cloned().collect();
    let named: HashSet<String> = graph.inputs.iter().chain(&graph.outputs).map(|own| own.name.clone()).collect();
    graph.constants.retain(|name, _| used.contains(name) || named.contains(name));
    Ok((graph, passes))
}
