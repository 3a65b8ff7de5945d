//! Rules of users: where they match, what they replace, and running what is there instead.

use crate::array::Array;
use crate::attributes::{Attribute, Attributes};
use crate::error::{Error, Result};
use crate::graph::{Declared, Graph, Node, Replaced};
use crate::ops;
use crate::passes::Links;
use crate::pattern::{Made, Pattern};
use crate::rule::Rule;
use crate::run;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// The domain in which rules are operators.
const DOMAIN: &str = "rule";

/// Operators whose two inputs may be in either order.
const COMMUTATIVE: [&str; 10] =
    ["Add", "And", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Max", "Min", "Mul", "Or"];

/// The most ways in which a pattern may match one node, of which the first is taken.
const MOST_WAYS: usize = 64;

/// Applies rules to a graph, one after the other, and returns how often each replaced nodes.
pub(crate) fn all(mut graph: Graph, rules: &[Rule]) -> Result<(Graph, Vec<(String, usize)>)> {
    let mut counts = Vec::new();
    for rule in rules {
        check(rule, &graph)?;
        let count;
        (graph, count) = apply(graph, rule)?;
        counts.push((rule.name().to_owned(), count));
    }
    Ok((graph, counts))
}

/// Returns an error if a rule is for an operator that nothing knows, so that it would never match.
fn check(rule: &Rule, graph: &Graph) -> Result<()> {
    let is_known = |operator: &str| {
        operator.contains('.') || ops::is_known(operator) || graph.nodes.iter().any(|node| node.is(operator))
    };
    match rule.pattern().operators().into_iter().find(|operator| !is_known(operator)) {
        None => Ok(()),
        Some(unknown) => {
            let why = format!(
                "its pattern has the operator `{unknown}`, which neither hidet nor the model has; one that is not of \
                 the standard is written with its domain, `domain.{unknown}`"
            );
            Err(Error::Rule { rule: rule.name().to_owned(), why })
        }
    }
}

/// Replaces the nodes for which a rule is.
fn apply(mut graph: Graph, rule: &Rule) -> Result<(Graph, usize)> {
    let links = Links::of(&graph);
    let (mut found, mut taken) = (Vec::<Match>::new(), HashSet::new());
    // A node is part of one match alone: that of the last node that is computed of it.
    for at in (0..graph.nodes.len()).rev() {
        let is_for = |own: &Match| {
            let constant = |name: &str| links.constant(own.values.get(name)?);
            own.nodes.iter().all(|at| !taken.contains(at)) && rule.is_for(constant)
        };
        if let Some(own) = Match::of(&links, at, rule.pattern()).into_iter().find(is_for) {
            taken.extend(own.nodes.iter().copied());
            found.push(own);
        }
    }
    let count = found.len();
    let mut slots: Vec<Option<Node>> = std::mem::take(&mut graph.nodes).into_iter().map(Some).collect();
    for Match { nodes, values } in found {
        let own: Vec<Node> = nodes.iter().filter_map(|at| slots[*at].take()).collect();
        graph.nodes.push(replaced(&graph, own, &values, rule)?);
    }
    graph.nodes.extend(slots.into_iter().flatten());
    Ok((graph.finish(None)?, count))
}

/// Returns the node in the place of others, of which the first makes the result.
fn replaced(graph: &Graph, nodes: Vec<Node>, values: &BTreeMap<String, String>, rule: &Rule) -> Result<Node> {
    let (mut name, outputs) = (nodes[0].name.clone(), nodes[0].outputs.clone());
    let inputs: Vec<String> = rule.pattern().values().iter().filter_map(|value| values.get(*value)).cloned().collect();
    let untyped = |name: &String| Declared { name: name.clone(), dtype: None, shape: None, unsupported: None };
    let mut seen = HashSet::new();
    let given = inputs.iter().filter(|name| seen.insert(name.as_str())).map(untyped).collect();
    let used = nodes.iter().flat_map(Node::uses).filter(|name| !inputs.contains(name));
    let constants = used.filter_map(|name| Some((name.clone(), graph.constants.get(name)?.clone()))).collect();
    let outside =
        Graph { inputs: given, outputs: outputs.iter().map(untyped).collect(), constants, nodes, ..Graph::default() };
    let meaning = outside.finish(None)?;
    let meaning = run::unsupported(&meaning).is_empty().then(|| Arc::new(meaning));
    (name.domain, name.op_type, name.version) = (DOMAIN.to_owned(), rule.name().to_owned(), 1);
    let replaced = Some(Replaced { rule: rule.clone(), meaning });
    Ok(Node {
        name,
        inputs,
        outputs,
        attributes: Attributes::default(),
        graphs: BTreeMap::new(),
        function: None,
        replaced,
    })
}

/// Returns true if a node has these attributes, and no others. Floats may be written as integers.
fn has(attributes: &Attributes, wanted: &BTreeMap<String, Attribute>) -> bool {
    let is_same = |(own, wanted): (&Attribute, &Attribute)| match (own, wanted) {
        (Attribute::Float(own), Attribute::Int(wanted)) => *own == *wanted as f32,
        (Attribute::Floats(own), Attribute::Ints(wanted)) => {
            own.iter().copied().eq(wanted.iter().map(|own| *own as f32))
        }
        (own, wanted) => own == wanted,
    };
    attributes.0.keys().eq(wanted.keys()) && attributes.0.values().zip(wanted.values()).all(is_same)
}

/// A match: the numbers of the nodes, that of the result first, and what the values of the pattern are.
#[derive(Clone, Debug)]
struct Match {
    nodes: Vec<usize>,
    values: BTreeMap<String, String>,
}

impl Match {
    /// Returns the ways in which a pattern matches the result of a node.
    fn of(links: &Links, at: usize, pattern: &Made) -> Vec<Match> {
        let none = Match { nodes: Vec::new(), values: BTreeMap::new() };
        if links.node(at).outputs.len() == 1 { none.with_node(links, at, pattern) } else { Vec::new() }
    }

    /// Returns the ways in which a node can be added as the use of an operator.
    fn with_node(&self, links: &Links, at: usize, made: &Made) -> Vec<Match> {
        let node = links.node(at);
        let is_plain = node.function.is_none() && node.replaced.is_none() && node.graphs.is_empty();
        let is_meant = is_plain && node.name.operator() == made.operator && has(&node.attributes, &made.attributes);
        let given = node.inputs.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        // Each node is there once, even if it is used twice.
        if !is_meant || given != made.inputs.len() || self.nodes.contains(&at) {
            return Vec::new();
        }
        let mut begin = self.clone();
        begin.nodes.push(at);
        let names = &node.inputs[..given];
        let mut ways = begin.with_values(links, names.iter().zip(&made.inputs));
        if let ([a, b], true) = (names, COMMUTATIVE.contains(&made.operator.as_str())) {
            ways.extend(begin.with_values(links, [b, a].into_iter().zip(&made.inputs)));
        }
        ways.truncate(MOST_WAYS);
        ways
    }

    fn with_values<'a>(&self, links: &Links, pairs: impl Iterator<Item = (&'a String, &'a Pattern)>) -> Vec<Match> {
        pairs.fold(vec![self.clone()], |ways, (name, pattern)| {
            let mut ways: Vec<Match> = ways.iter().flat_map(|own| own.with_value(links, name, pattern)).collect();
            ways.truncate(MOST_WAYS);
            ways
        })
    }

    /// Returns the ways in which a value can be added.
    fn with_value(&self, links: &Links, name: &str, pattern: &Pattern) -> Vec<Match> {
        match pattern {
            Pattern::Made(made) => links.alone(name).map_or(Vec::new(), |at| self.with_node(links, at, made)),
            Pattern::Number(number) => {
                let rounded = |array: &Array| Array::of_floats(array.dtype(), &[], &[*number]) == *array;
                let is_number = links.constant(name).is_some_and(|array| rounded(&array));
                is_number.then(|| self.clone()).into_iter().collect()
            }
            Pattern::Any(own) => match self.values.get(own) {
                Some(before) => (before == name).then(|| self.clone()).into_iter().collect(),
                None if name.is_empty() => Vec::new(),
                None => {
                    let mut with = self.clone();
                    with.values.insert(own.clone(), name.to_owned());
                    vec![with]
                }
            },
        }
    }
}
