//! Attention that is written as a product, a softmax and a product becomes one node.
//!
//! `softmax(matmul(q, k) * scale + mask) @ v`, where the factor and the mask may be missing, is `Attention(q, k, v, mask)` of
//! hidet's own domain, which takes operands of any shapes: those are known when it runs. That they probably have four axes is known
//! by the transpose that makes one of them. A row of scores that are all minus infinity gives 0, as it does in the standard's
//! `Attention`, where the softmax alone would give NaN.

use super::links::{Links, node};
use crate::attributes::Attribute;
use crate::error::Result;
use crate::graph::{Graph, OWN_DOMAIN};

/// The version of hidet's own operators.
const VERSION: i64 = 1;

/// The number of `f32` in ONNX.
const FLOAT: i64 = 1;

/// Replaces attention in a graph.
pub(crate) fn attention(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    let found: Vec<Found> = (0..graph.nodes.len()).filter_map(|at| Found::of(&links, at)).collect();
    for Found { inner, last, q, k, v, mask, scale, axis } in found {
        let name = graph.nodes[last].name.clone();
        let outputs = std::mem::take(&mut graph.nodes[last].outputs);
        inner.iter().for_each(|at| graph.nodes[*at].outputs.clear());
        let inputs = [q, k, v].into_iter().chain(mask).collect();
        let attributes = [("scale", Attribute::Float(scale)), ("axis", Attribute::Int(axis))];
        let mut found = node(("Attention", VERSION), &name, inputs, outputs, attributes);
        found.name.domain = OWN_DOMAIN.to_owned();
        graph.nodes.push(found);
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}

/// Attention in a graph: the numbers of its nodes, names of values, the factor of the scores, and the axis of the softmax.
struct Found {
    inner: Vec<usize>,
    last: usize,
    q: String,
    k: String,
    v: String,
    mask: Option<String>,
    scale: f32,
    axis: i64,
}

impl Found {
    /// Returns the attention whose last product a node is.
    fn of(links: &Links, last: usize) -> Option<Found> {
        let node = |at: usize| links.node(at);
        let ([shares, v], [_]) = (node(last).inputs.as_slice(), node(last).outputs.as_slice()) else { return None };
        let mut inner = Vec::new();
        let mut softmax = links.alone(shares).filter(|_| node(last).is("MatMul"))?;
        let is_cast = |at: usize| node(at).is("Cast") && node(at).attributes.int("to").ok().flatten() == Some(FLOAT);
        if is_cast(softmax) && links.has_one_float() {
            inner.push(softmax);
            softmax = links.alone(node(softmax).inputs.first()?)?;
        }
        let axis = node(softmax).attributes.int("axis").ok()?.unwrap_or(-1);
        if !node(softmax).is("Softmax") || node(softmax).name.version < 13 || !matches!(axis, -1 | 3) {
            return None;
        }
        inner.push(softmax);
        let mut scores = links.alone(node(softmax).inputs.first()?)?;
        if is_cast(scores) && links.has_one_float() {
            inner.push(scores);
            scores = links.alone(node(scores).inputs.first()?)?;
        }
        let mut mask = None;
        if node(scores).is("Add") {
            let [a, b] = node(scores).inputs.as_slice() else { return None };
            let is_score = |name: &str| {
                links.alone(name).is_some_and(|at| ["MatMul", "Mul", "Div"].iter().any(|own| node(at).is(own)))
            };
            let (score, other) = match (is_score(a), is_score(b)) {
                (true, false) => (a, b),
                (false, true) => (b, a),
                _ => return None,
            };
            inner.push(scores);
            (mask, scores) = (Some(other.clone()), links.alone(score)?);
        }
        let mut scale = 1.0;
        while node(scores).is("Mul") || node(scores).is("Div") {
            let [a, b] = node(scores).inputs.as_slice() else { return None };
            let (score, factor) = match (links.number(a), links.number(b)) {
                (None, Some(factor)) if node(scores).is("Div") => (a, 1.0 / factor),
                (None, Some(factor)) => (a, factor),
                (Some(factor), None) if node(scores).is("Mul") => (b, factor),
                _ => return None,
            };
            scale *= factor;
            inner.push(scores);
            scores = links.alone(score)?;
        }
        let [q, k] = node(scores).inputs.as_slice() else { return None };
        let is_turned = |name: &String| {
            let maker = links.maker(name).map(node).filter(|node| node.is("Transpose"));
            maker.and_then(|node| node.attributes.ints("perm").ok()?).is_some_and(|order| order.len() == 4)
        };
        if !node(scores).is("MatMul") || ![q, k, v].into_iter().any(is_turned) || scale <= 0.0 {
            return None;
        }
        inner.push(scores);
        let [q, k, v] = [q, k, v].map(String::clone);
        Some(Found { inner, last, q, k, v, mask, scale: scale as f32, axis })
    }
}
