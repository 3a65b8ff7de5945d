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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build;
    use crate::proto::{GraphProto, ModelProto, NodeProto, OperatorSetIdProto, ValueInfoProto};

    /// A graph of two nodes, `a = Neg(x)` and `y = Relu(a)`.
    fn graph() -> Result<Graph> {
        let info = |name: &str| ValueInfoProto { name: Some(name.to_owned()), r#type: None };
        let node = |kind: &str, input: &str, output: &str| NodeProto {
            op_type: Some(kind.to_owned()),
            input: vec![input.to_owned()],
            output: vec![output.to_owned()],
            ..NodeProto::default()
        };
        let node = vec![node("Neg", "x", "a"), node("Relu", "a", "y")];
        let graph = GraphProto { node, input: vec![info("x")], output: vec![info("y")], ..GraphProto::default() };
        let opset_import = vec![OperatorSetIdProto { domain: None, version: Some(21) }];
        build::graph(&ModelProto { graph: Some(graph), opset_import, ..ModelProto::default() }, None)
    }

    #[test]
    fn what_a_pass_may_do_wrong_is_found() {
        let refused = |change: &dyn Fn(&mut Graph), words: &str| {
            let mut graph = graph().unwrap();
            verify(&graph).unwrap();
            change(&mut graph);
            let error = verify(&graph).unwrap_err().to_string();
            assert!(error.contains(words), "{error}\ndoes not say: {words}");
        };
        refused(&|graph| graph.nodes.swap(0, 1), "uses `a`, which is not there");
        refused(&|graph| graph.last_uses[0].push("a".to_owned()), "uses `a`, which is not there");
        refused(&|graph| graph.last_uses[1].push("y".to_owned()), "the output `y` is not there in the end");
        refused(&|graph| drop(graph.last_uses.pop()), "it is not known when values are used last");
        refused(&|graph| graph.nodes[1].outputs[0] = "x".to_owned(), "two values are named `x`");
        refused(&|graph| graph.nodes[1].outputs.clear(), "the output `y` is not there in the end");
        refused(&|graph| graph.nodes[1].name.op_type = "Rleu".to_owned(), "the operator is not supported");
        let inputs = |graph: &mut Graph| graph.inputs.extend_from_within(..);
        refused(&inputs, "two inputs are named `x`");
    }
}
