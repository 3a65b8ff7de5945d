//! Transposed constant matrices become constants: other passes look for those.

use super::links::Links;
use crate::error::Result;
use crate::graph::Graph;

/// Transposes the constant matrices of a graph.
pub(crate) fn transposed(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    let of = |at: usize| {
        let node = links.node(at);
        let matrix = links.constant(node.inputs.first()?).filter(|array| array.shape().len() == 2)?;
        let order = node.attributes.ints("perm").ok()?;
        let is_turned = node.is("Transpose") && matches!(order.as_deref(), None | Some([1, 0]));
        (is_turned && node.outputs.len() == 1).then(|| (at, matrix.transposed()))
    };
    let found: Vec<_> = (0..graph.nodes.len()).filter_map(of).collect();
    for (at, matrix) in found {
        let outputs = std::mem::take(&mut graph.nodes[at].outputs);
        graph.constants.insert(outputs[0].clone(), matrix.into());
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}
