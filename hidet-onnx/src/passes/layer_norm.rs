//! Layer normalisation that is written with its formula becomes one node, `LayerNormalization` of opset 17, which computes in
//! `f32` what 16-bit floats would round in between, and divides once per row.
//!
//! `(x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon) * scale + bias` over the last axes, with a constant scale, and a
//! constant bias or none. The axes are counted from the end, and no cast is in between.

use super::links::{Links, node};
use crate::attributes::Attribute;
use crate::error::Result;
use crate::graph::Graph;

/// The version of the standard whose `LayerNormalization` is meant, like that of newer ones.
const VERSION: i64 = 17;

/// Replaces the formulas of a graph.
pub(crate) fn layer_norm(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    let found: Vec<Formula> = (0..graph.nodes.len()).filter_map(|at| Formula::of(&links, at)).collect();
    for Formula { nodes, last, inputs, axis, epsilon } in found {
        let name = graph.nodes[last].name.clone();
        let outputs = std::mem::take(&mut graph.nodes[last].outputs);
        nodes.iter().for_each(|at| graph.nodes[*at].outputs.clear());
        let attributes = [("axis", Attribute::Int(axis)), ("epsilon", Attribute::Float(epsilon))];
        let operator = ("LayerNormalization", name.version.max(VERSION));
        graph.nodes.push(node(operator, &name, inputs, outputs, attributes));
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}

/// A formula: its nodes, of which `last` makes the result; what is normalised, the scale and the bias; and its attributes.
struct Formula {
    nodes: Vec<usize>,
    last: usize,
    inputs: Vec<String>,
    axis: i64,
    epsilon: f32,
}

impl Formula {
    /// Returns the formula in which a node is the quotient, if nothing else uses what is computed on the way.
    fn of(links: &Links, quotient: usize) -> Option<Formula> {
        let [centred, deviation] = inputs(links, quotient, "Div")?;
        let difference = links.maker(centred)?;
        let [x, mean] = inputs(links, difference, "Sub")?;
        let (mean, root) = (links.maker(mean)?, links.maker(deviation)?);
        let [under] = inputs(links, root, "Sqrt")?;
        let sum = links.maker(under)?;
        let [a, b] = inputs(links, sum, "Add")?;
        let (variance, epsilon) = links.number(a).map_or((a, b), |_| (b, a));
        let (variance, epsilon) = (links.maker(variance)?, links.number(epsilon)?);
        // The attribute is of `f32`.
        let epsilon = Some(epsilon as f32).filter(|rounded| f64::from(*rounded) == epsilon)?;
        let (of_mean, axis) = mean_of(links, mean)?;
        let (of_variance, same) = mean_of(links, variance)?;
        let square = links.maker(of_variance)?;
        if of_mean != x || same != axis || !is_square(links, square, centred) {
            return None;
        }
        let (scaled, scale) = with_constant(links, quotient, "Mul")?;
        let biased = with_constant(links, scaled, "Add");
        let last = biased.map_or(scaled, |(at, _)| at);
        let nodes = vec![difference, mean, square, variance, sum, root, quotient, scaled, last];
        let inside = |at: &usize| {
            let outputs = links.node(*at).outputs.iter();
            outputs.flat_map(|name| links.users(name)).all(|user| nodes.contains(user))
        };
        let is_whole = nodes.iter().filter(|at| **at != last).all(inside);
        let inputs = [Some(x), Some(scale), biased.map(|(_, bias)| bias)].into_iter().flatten().cloned().collect();
        is_whole.then_some(Formula { nodes, last, inputs, axis, epsilon })
    }
}

/// Returns the inputs of a node, if it is of that operator and has so many.
fn inputs<'a, const N: usize>(links: &Links<'a>, at: usize, operator: &str) -> Option<&'a [String; N]> {
    let own = links.node(at);
    own.is(operator).then(|| own.inputs.as_slice().try_into().ok()).flatten()
}

/// Returns what a node is the mean of, and the first of the last axes over which it is; from the end, so it is negative.
fn mean_of<'a>(links: &Links<'a>, at: usize) -> Option<(&'a String, i64)> {
    let own = links.node(at);
    let (x, axes) = own.is("ReduceMean").then(|| own.inputs.split_first()).flatten()?;
    // An attribute before opset 18, then an input.
    let mut axes = match axes {
        [] => own.attributes.ints("axes").ok()??,
        [axes] => links.constant(axes)?.integers().ok()?,
        _ => return None,
    };
    axes.sort_unstable();
    let first = *axes.first()?;
    let is_last = axes.iter().copied().eq(first..0);
    (is_last && own.attributes.int("keepdims").ok()? != Some(0)).then_some((x, first))
}

/// Returns true if a node computes the square of a value.
fn is_square(links: &Links, at: usize, of: &String) -> bool {
    let by_power = inputs(links, at, "Pow").is_some_and(|[base, power]| base == of && links.scalar(power) == Some(2.0));
    by_power || inputs(links, at, "Mul").is_some_and(|[a, b]| a == of && b == of)
}

/// Returns the node of that operator that combines the result of a node with a constant, if it is its only user, and the constant.
fn with_constant<'a>(links: &Links<'a>, at: usize, operator: &str) -> Option<(usize, &'a String)> {
    let [result] = links.node(at).outputs.as_slice() else { return None };
    let user = links.user(result)?;
    let [a, b] = inputs(links, user, operator)?;
    let other = if a == result { b } else { a };
    links.is_constant(other).then_some((user, other))
}
