//! What is to follow a product in its kernel, and not to precede the next product in that one's.
//!
//! Between two products, or the normalisation of rows and a product, either could take an operator on elements. The first one computes it once for each element, of values
//! that are in registers; the second would compute it for each element that it reads, and could not copy its operand as it is.

use super::Reduction;
use crate::expr::{ExprNode, axes_of};
use crate::graph::{FlowGraph, NodeId, Origin};
use crate::task::{Compute, Task};
use std::collections::HashSet;

/// The most operators that are looked at.
const MOST: usize = 64;

/// Returns true if a node can end the kernel of a product: all that becomes of the product's result, element by element, leads to
/// the node.
pub(super) fn ends_product(graph: &FlowGraph, node: NodeId) -> bool {
    let (mut open, mut seen) = (vec![node], HashSet::from([node]));
    while let Some(own) = open.pop() {
        let Origin::Task { inputs, .. } = &graph.node(own).origin else { continue };
        for input in inputs.iter().filter(|input| is_step(graph, **input, own)) {
            match &graph.node(*input).origin {
                Origin::Task { task, .. } if is_product(task) => {
                    if leads_to(graph, *input, node) {
                        return true;
                    }
                }
                _ if seen.len() < MOST && seen.insert(*input) => open.push(*input),
                _ => {}
            }
        }
    }
    false
}

/// Returns true if a node is made, element by element, of what a reduction of rows has found, as in a normalisation: its kernel
/// reads the rows anyway, and would find that without the node for nothing else.
pub(super) fn ends_rows(graph: &FlowGraph, node: NodeId) -> bool {
    let (mut open, mut seen) = (vec![node], HashSet::from([node]));
    while let Some(own) = open.pop() {
        let Origin::Task { task, inputs } = &graph.node(own).origin else { continue };
        match &task.compute {
            Compute::Reduce { .. } if !is_product(task) && task.output.len() > 1 => return true,
            Compute::Each(_) if seen.len() < MOST => open.extend(inputs.iter().filter(|input| seen.insert(**input))),
            _ => {}
        }
    }
    false
}

/// Returns true if every way from a node leads to another one, by operators on elements.
fn leads_to(graph: &FlowGraph, from: NodeId, to: NodeId) -> bool {
    let (mut open, mut seen) = (vec![from], HashSet::new());
    while let Some(own) = open.pop() {
        if graph.is_output(own) || seen.len() >= MOST {
            return false;
        }
        for user in graph.users(own) {
            if !is_step(graph, own, *user) {
                return false;
            }
            if *user != to && seen.insert(*user) {
                open.push(*user);
            }
        }
    }
    true
}

/// Returns true if an operator computes each element by itself, and of another node the element at its own place alone, where
/// axes with one element may be more or fewer.
fn is_step(graph: &FlowGraph, from: NodeId, to: NodeId) -> bool {
    let Origin::Task { task, inputs } = &graph.node(to).origin else { return false };
    let Compute::Each(value) = &task.compute else { return false };
    let (shape, own) = (&graph.node(from).ty.shape, &task.output.shape);
    let long = |shape: &[usize]| (0..shape.len()).filter(|axis| shape[*axis] != 1).collect::<Vec<usize>>();
    let (places, others) = (long(own), long(shape));
    let is_own = |axes: Vec<Option<usize>>| others.iter().map(|at| axes[*at]).eq(places.iter().copied().map(Some));
    others.iter().map(|at| shape[*at]).eq(places.iter().map(|at| own[*at]))
        && value.reads().into_iter().all(|read| match read.node() {
            ExprNode::Read { input, index } if inputs[*input] == from => axes_of(index).is_some_and(is_own),
            _ => true,
        })
}

fn is_product(task: &std::sync::Arc<Task>) -> bool {
    match &task.compute {
        Compute::Reduce { term, .. } => {
            let operands = term.leaves().into_iter().cloned().collect();
            Reduction { task: task.clone(), operands }.is_product()
        }
        _ => false,
    }
}
