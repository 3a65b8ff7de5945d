//! Constant matrices that products read by rows of an odd number of bytes are kept transposed, if their columns are even: tensor
//! cores read rows of multiples of 16 bytes alone, and any others would be copied at every run.

use super::links::{Links, node};
use crate::array::Array;
use crate::attributes::Attribute;
use crate::error::Result;
use crate::graph::Graph;

/// Elements of 16 bits in 16 bytes.
const ALIGNED: usize = 8;

/// Transposes the matrices of 16-bit floats of a graph, or, if those of `f32` will be converted to such, all.
pub(crate) fn aligned(mut graph: Graph, narrow: bool) -> Result<Graph> {
    let links = Links::of(&graph);
    let of = |at: usize| {
        let product = links.node(at);
        let name = product.inputs.get(1)?;
        let is_plain =
            product.is("MatMul") || product.is("Gemm") && product.attributes.int("transB").ok()?.unwrap_or(0) == 0;
        let is_half = |array: &Array| narrow || array.dtype().bytes() == 2;
        let matrix = links.constant(name).filter(|array| is_plain && array.shape().len() == 2 && is_half(array))?;
        let [rows, cols] = [0, 1].map(|axis| matrix.shape()[axis]);
        let is_odd = cols % ALIGNED != 0 && rows % ALIGNED == 0;
        (is_odd && links.user(name) == Some(at)).then(|| (at, name.clone(), matrix.transposed()))
    };
    let found: Vec<_> = (0..graph.nodes.len()).filter_map(of).collect();
    for (at, name, matrix) in found {
        let turned = graph.unused(format!("{name}.turned"));
        let own = graph.nodes[at].name.clone();
        graph.constants.insert(turned.clone(), matrix.into());
        graph.constants.remove(&name);
        let order = [("perm", Attribute::Ints(vec![1, 0]))];
        graph.nodes.push(node(("Transpose", own.version), &own, vec![turned], vec![name], order));
    }
    graph.finish(None)
}
