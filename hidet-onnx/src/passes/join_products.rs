//! Products of one matrix with several constant ones become one product, of which the results are parts: queries, keys and
//! values of attention are made of the same rows.
//!
//! Only results that are reshaped next are joined: what else follows a product is part of its kernel, and would not be any more.

use super::links::{Links, node};
use crate::array::Array;
use crate::attributes::Attribute;
use crate::error::Result;
use crate::graph::Graph;
use hidet::types::Scalar;
use std::collections::BTreeMap;

/// The version of the standard whose operators are meant, like those of newer ones.
const VERSION: i64 = 13;

/// Joins the products of a graph.
pub(crate) fn join_products(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    let mut rows: BTreeMap<(String, usize), Vec<Product>> = BTreeMap::new();
    for at in 0..graph.nodes.len() {
        if let Some(product) = Product::of(&links, at) {
            let depth = product.weight.shape()[0];
            rows.entry((links.node(at).inputs[0].clone(), depth)).or_default().push(product);
        }
    }
    for ((x, _), products) in rows.into_iter().filter(|(_, products)| products.len() > 1) {
        let name = graph.nodes[products[0].matmul].name.clone();
        let outputs: Vec<String> = products.iter().map(|own| graph.nodes[own.add].outputs[0].clone()).collect();
        let [weight, bias, sum, all, sizes] = ["weight", "bias", "product", "sum", "sizes"]
            .map(|part| graph.unused(format!("{}.joined.{part}", outputs[0])));
        let widths: Vec<i64> = products.iter().map(|own| own.bias.ty().len() as i64).collect();
        let weights: Vec<&Array> = products.iter().map(|own| &own.weight).collect();
        let biases: Vec<&Array> = products.iter().map(|own| &own.bias).collect();
        graph.constants.insert(weight.clone(), Array::beside(&weights).into());
        graph.constants.insert(bias.clone(), Array::beside(&biases).into());
        graph.constants.insert(sizes.clone(), Array::list(&widths).into());
        for own in &products {
            [own.matmul, own.add].iter().for_each(|at| graph.nodes[*at].outputs.clear());
        }
        let axis = [("axis", Attribute::Int(-1))];
        let version = name.version.max(VERSION);
        graph.nodes.push(node(("MatMul", version), &name, vec![x, weight], vec![sum.clone()], []));
        graph.nodes.push(node(("Add", version), &name, vec![sum, bias], vec![all.clone()], []));
        graph.nodes.push(node(("Split", version), &name, vec![all, sizes], outputs, axis));
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}

/// A product with a constant, to which a constant is added.
struct Product {
    matmul: usize,
    add: usize,
    weight: Array,
    bias: Array,
}

impl Product {
    fn of(links: &Links, matmul: usize) -> Option<Product> {
        let node = links.node(matmul);
        let ([_, weight], [product]) = (node.inputs.as_slice(), node.outputs.as_slice()) else { return None };
        if !node.is("MatMul") {
            return None;
        }
        let add = links.user(product).filter(|at| links.node(*at).is("Add"))?;
        let reshape = links.user(links.node(add).outputs.first()?)?;
        let own = |name: &&String| *name != product;
        let bias = links.node(add).inputs.iter().find(own).and_then(|name| links.constant(name))?;
        let weight = links.constant(weight)?;
        let fits = weight.shape().len() == 2 && bias.shape() == &weight.shape()[1..];
        let is_f32 = [&weight, &bias].iter().all(|own| own.dtype() == Scalar::F32);
        (fits && is_f32 && links.node(reshape).is("Reshape")).then_some(Product { matmul, add, weight, bias })
    }
}
