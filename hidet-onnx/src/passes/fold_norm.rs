//! Normalisations by constants behind a convolution become part of its weight and bias.
//!
//! `(conv(x, w) + b - mean) * f + beta`, where `f = gamma / sqrt(variance + epsilon)` for each channel of the result, is
//! `conv(x, w * f) + (b - mean) * f + beta`.

use super::links::Links;
use crate::array::Array;
use crate::error::Result;
use crate::graph::Graph;
use hidet::types::Scalar;

/// Folds batch normalisations of a graph into the convolutions before them, where nothing else reads what is between.
pub(crate) fn fold_norm(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    let found: Vec<Folded> = (0..graph.nodes.len()).filter_map(|at| Folded::of(&links, at)).collect();
    for Folded { conv, norm, weight, bias } in found {
        let outputs = std::mem::take(&mut graph.nodes[norm].outputs);
        let names = ["weight", "bias"].map(|part| graph.unused(format!("{}.folded.{part}", outputs[0])));
        for (name, array) in names.iter().zip([weight, bias]) {
            graph.constants.insert(name.clone(), array.into());
        }
        let conv = &mut graph.nodes[conv];
        conv.outputs = outputs;
        conv.inputs.truncate(1);
        conv.inputs.extend(names);
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}

/// A convolution and the normalisation behind it, and the weight and the bias of both.
struct Folded {
    conv: usize,
    norm: usize,
    weight: Array,
    bias: Array,
}

impl Folded {
    /// Returns what a node is folded into, if all that is needed is constant.
    fn of(links: &Links, at: usize) -> Option<Folded> {
        let norm = links.node(at);
        let number = |name: &str, default: i64| norm.attributes.int(name).ok().map(|value| value.unwrap_or(default));
        if !norm.is("BatchNormalization") || norm.name.version < 7 || norm.outputs.len() != 1 {
            return None;
        }
        if (number("training_mode", 0)?, number("spatial", 1)?) != (0, 1) {
            return None;
        }
        let place = links.alone(norm.inputs.first()?)?;
        let conv = links.node(place);
        let single = |name: &String| links.constant(name).filter(|array| array.dtype() == Scalar::F32);
        let weight = single(conv.inputs.get(1)?).filter(|_| conv.is("Conv"))?;
        let channels = *weight.shape().first()?;
        let list = |name: &String| single(name).map(|array| array.floats()).filter(|list| list.len() == channels);
        let bias = match conv.inputs.get(2).filter(|name| !name.is_empty()) {
            Some(bias) => list(bias)?,
            None => vec![0.0; channels],
        };
        let [_, gamma, beta, mean, variance] = norm.inputs.as_slice() else { return None };
        let (gamma, beta, mean, variance) = (list(gamma)?, list(beta)?, list(mean)?, list(variance)?);
        let epsilon = f64::from(norm.attributes.float("epsilon").ok()?.unwrap_or(1e-5));
        let factor = |channel: usize| gamma[channel] / (variance[channel] + epsilon).sqrt();
        let factors: Vec<f64> = (0..channels).map(factor).collect();
        let size = weight.ty().len().checked_div(channels)?.max(1);
        let numbers = weight.floats();
        let scaled = numbers.chunks(size).zip(&factors).flat_map(|(own, factor)| own.iter().map(move |x| x * factor));
        let scaled: Vec<f64> = scaled.collect();
        let moved = |channel: usize| (bias[channel] - mean[channel]) * factors[channel] + beta[channel];
        let moved: Vec<f64> = (0..channels).map(moved).collect();
        let weight = Array::of_floats(Scalar::F32, weight.shape(), &scaled);
        Some(Folded { conv: place, norm: at, weight, bias: Array::of_floats(Scalar::F32, &[channels], &moved) })
    }
}
