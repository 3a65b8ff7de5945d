//! Passes: changes of a graph that keep what it computes. One per file.

mod aligned;
mod attention;
mod fold_norm;
mod gelu;
mod join_products;
mod links;
mod transposed;

pub(crate) use aligned::aligned;
pub(crate) use links::Links;

use crate::error::{Error, Result};
use crate::graph::{Graph, Node};
use std::collections::HashSet;

/// What a pass makes of a graph.
type Pass = fn(Graph) -> Result<Graph>;

/// All passes, in the order in which they run: some look for what others leave.
const ALL: [(&str, Pass); 5] = [
    ("transposed", transposed::transposed),
    ("fold_norm", fold_norm::fold_norm),
    ("join_products", join_products::join_products),
    ("attention", attention::attention),
    ("gelu", gelu::gelu),
];

/// Runs all passes on a graph, of which each must leave one that is valid, and removes the constants that nothing uses any more.
pub(crate) fn all(graph: Graph, verify: impl Fn(&Graph) -> Result<()>) -> Result<Graph> {
    let mut graph = ALL.into_iter().try_fold(graph, |graph, (name, pass)| {
        let graph = pass(graph).and_then(|graph| verify(&graph).map(|()| graph));
        graph.map_err(|why| Error::Pass { name, why: Box::new(why) })
    })?;
    let used: HashSet<String> = graph.nodes.iter().flat_map(Node::uses).cloned().collect();
    let named: HashSet<String> = graph.inputs.iter().chain(&graph.outputs).map(|own| own.name.clone()).collect();
    graph.constants.retain(|name, _| used.contains(name) || named.contains(name));
    Ok(graph)
}
