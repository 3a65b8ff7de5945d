//! GELU that is written with its formula becomes one node, `Gelu` of opset 20, which has quick forms for 16-bit floats.
//!
//! `x * 0.5 * (1 + erf(x / sqrt(2)))`, and with the hyperbolic tangent `x * 0.5 * (1 + tanh(0.797885 * (x + 0.044715 * x^3)))`,
//! with factors in any order.

use super::links::{Links, node};
use crate::attributes::Attribute;
use crate::error::Result;
use crate::graph::Graph;
use std::collections::HashSet;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

/// The version of the standard whose `Gelu` is meant, like that of newer ones.
const VERSION: i64 = 20;

/// How far constants may be from those of the formula: they are rounded to `f32` or `f16`.
const NEAR: f64 = 1e-3;

/// The most nodes of a product: those of formulas are fewer, and every product of a long chain is looked at.
const MOST_FACTORS: usize = 8;

/// Replaces the formulas of a graph.
pub(crate) fn gelu(mut graph: Graph) -> Result<Graph> {
    let links = Links::of(&graph);
    // The last product of a formula comes last: the others are factors of it.
    let mut found: Vec<(usize, Formula)> = Vec::new();
    let mut taken = HashSet::new();
    for at in (0..graph.nodes.len()).rev() {
        if let Some(formula) = Formula::of(&links, at).filter(|own| own.nodes.iter().all(|at| !taken.contains(at))) {
            taken.extend(formula.nodes.iter().copied());
            found.push((at, formula));
        }
    }
    for (last, Formula { nodes, x, approximate }) in found {
        let name = graph.nodes[last].name.clone();
        let outputs = std::mem::take(&mut graph.nodes[last].outputs);
        nodes.iter().for_each(|at| graph.nodes[*at].outputs.clear());
        let how = Attribute::Text(approximate.to_owned());
        graph.nodes.push(node(("Gelu", name.version.max(VERSION)), &name, vec![x], outputs, [("approximate", how)]));
    }
    graph.nodes.retain(|node| !node.outputs.is_empty());
    graph.finish(None)
}

/// A formula: its nodes, the value it is of, and the attribute that says which it is.
struct Formula {
    nodes: Vec<usize>,
    x: String,
    approximate: &'static str,
}

/// Factors of a product: a number, values, and the nodes that multiply them.
struct Product {
    number: f64,
    values: Vec<String>,
    nodes: Vec<usize>,
}

impl Product {
    /// Returns the factors of what a node makes, of products and quotients by numbers for one use alone.
    fn of(links: &Links, last: usize) -> Product {
        let mut product = Product { number: 1.0, values: Vec::new(), nodes: Vec::new() };
        let mut open = vec![last];
        while let Some(at) = open.pop() {
            let own = links.node(at);
            product.nodes.push(at);
            if product.nodes.len() > MOST_FACTORS {
                product.values.clear();
                break;
            }
            for (input, name) in own.inputs.iter().enumerate() {
                let is_below = own.is("Div") && input == 1;
                match (links.number(name), links.alone(name)) {
                    (Some(number), _) => product.number *= if is_below { 1.0 / number } else { number },
                    (None, Some(inner)) if !is_below && is_product(links, inner) => open.push(inner),
                    _ => product.values.push(name.clone()),
                }
            }
        }
        product
    }
}

/// Returns true if a node multiplies, or divides by a number.
fn is_product(links: &Links, at: usize) -> bool {
    let node = links.node(at);
    let by_number = || node.inputs.get(1).is_some_and(|name| links.number(name).is_some());
    node.is("Mul") || node.is("Div") && by_number()
}

fn is_near(number: f64, wanted: f64) -> bool {
    (number - wanted).abs() <= NEAR * wanted
}

/// Returns what a node of an operator is applied to, if it makes a value for one use alone.
fn inside(links: &Links, name: &str, operator: &str, nodes: &mut Vec<usize>) -> Option<String> {
    let at = links.alone(name).filter(|at| links.node(*at).is(operator))?;
    nodes.push(at);
    links.node(at).inputs.first().cloned()
}

/// Returns the other summand of a sum with a value that `is_known`.
fn summand(links: &Links, name: &str, nodes: &mut Vec<usize>, is_known: impl Fn(&String) -> bool) -> Option<String> {
    let at = links.alone(name).filter(|at| links.node(*at).is("Add"))?;
    nodes.push(at);
    let [a, b] = links.node(at).inputs.as_slice() else { return None };
    if is_known(a) { Some(b.clone()) } else { is_known(b).then(|| a.clone()) }
}

impl Formula {
    /// Returns the formula whose last product a node is.
    fn of(links: &Links, last: usize) -> Option<Formula> {
        if !is_product(links, last) {
            return None;
        }
        let whole = Product::of(links, last);
        let [a, b] = whole.values.as_slice() else { return None };
        if !is_near(whole.number, 0.5) {
            return None;
        }
        let with = |x: &String, other: &String| {
            let mut nodes = whole.nodes.clone();
            let is_one = |name: &String| links.number(name) == Some(1.0);
            let curve = summand(links, other, &mut nodes, is_one)?;
            let mut exact = nodes.clone();
            let argument = inside(links, &curve, "Erf", &mut exact).and_then(|name| scaled(links, &name, &mut exact));
            if argument.is_some_and(|(value, by)| value == *x && is_near(by, FRAC_1_SQRT_2)) {
                return Some(Formula { nodes: exact, x: x.clone(), approximate: "none" });
            }
            let (sum, by) =
                inside(links, &curve, "Tanh", &mut nodes).and_then(|name| scaled(links, &name, &mut nodes))?;
            let cube = summand(links, &sum, &mut nodes, |name| name == x)?;
            let (power, factor) = scaled(links, &cube, &mut nodes)?;
            let exponent = links.alone(&power).and_then(|at| links.scalar(links.node(at).inputs.get(1)?));
            let base = inside(links, &power, "Pow", &mut nodes)?;
            let right =
                base == *x && exponent == Some(3.0) && is_near(factor, 0.044_715) && is_near(by, FRAC_2_PI.sqrt());
            right.then(|| Formula { nodes, x: x.clone(), approximate: "tanh" })
        };
        with(a, b).or_else(|| with(b, a))
    }
}

/// Returns a value and what it is multiplied by to make another one for one use alone.
fn scaled(links: &Links, name: &str, nodes: &mut Vec<usize>) -> Option<(String, f64)> {
    let at = links.alone(name).filter(|at| is_product(links, *at))?;
    let product = Product::of(links, at);
    let [value] = product.values.as_slice() else { return None };
    nodes.extend(&product.nodes);
    Some((value.clone(), product.number))
}
