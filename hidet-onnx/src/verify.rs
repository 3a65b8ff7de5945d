//! The verifier: what holds for every graph that is read, and after every pass.
//!
//! Names are those of one value each, and what a node reads is there when it runs: an input, a constant, or a result of an
//! earlier node that was not dropped yet. Operators and their attributes are known. Types are not looked at: they are known
//! when a model runs.

use crate::error::{Error, Result};
use crate::graph::{Graph, Names};
use crate::run;
use std::collections::HashSet;

/// Returns an error if a graph, or one inside of its nodes, is not valid.
pub(crate) fn verify(graph: &Graph) -> Result<()> {
    let missing = run::unsupported(graph);
    if !missing.is_empty() {
        return Err(Error::Unsupported(missing));
    }
    names(graph, None).map_err(Error::Invalid)
}

/// Checks the names of a graph, inside of another one that has these when it runs.
fn names(graph: &Graph, outer: Option<&Names>) -> std::result::Result<(), String> {
    let mut made = HashSet::new();
    let mut there = Names { own: HashSet::new(), outer };
    if let Some(twice) = graph.inputs.iter().find(|input| !made.insert(input.name.as_str())) {
        return Err(format!("two inputs are named `{}`", twice.name));
    }
    // An input may be a constant too, if nothing is given for it.
    made.extend(graph.constants.keys().map(String::as_str));
    there.own.extend(&made);
    if graph.last_uses.len() != graph.nodes.len() {
        return Err("it is not known when values are used last".to_owned());
    }
    for (node, dropped) in graph.nodes.iter().zip(&graph.last_uses) {
        if let Some(name) = node.uses().find(|name| !there.has(name)) {
            return Err(format!("{} uses `{name}`, which is not there", node.name));
        }
        node.graphs.values().try_for_each(|inner| names(inner, Some(&there)))?;
        node.function.iter().try_for_each(|inner| names(inner, None))?;
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            if !made.insert(name) {
                return Err(format!("two values are named `{name}`"));
            }
            there.own.insert(name);
        }
        dropped.iter().for_each(|name| {
            there.own.remove(name.as_str());
        });
    }
    match graph.outputs.iter().find(|output| !there.has(&output.name)) {
        Some(output) => Err(format!("the output `{}` is not there in the end", output.name)),
        None => Ok(()),
    }
}
