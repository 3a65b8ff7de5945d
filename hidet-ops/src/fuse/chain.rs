//! Chains of kernels of which a template may make one: a product, a softmax of its rows, and a product of that with a third
//! tensor, which is attention. Only what no other kernel reads is computed on the way. If all that reads the result has its
//! axes in another order, the chain computes it so.

use super::{FusedTask, Group, Producer, Reduction, Step};
use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of, part_of};
use crate::graph::{FlowGraph, NodeId};
use crate::task::ReduceOp;
use std::collections::{HashMap, HashSet};

/// Returns the steps with those of a chain joined, in the place of the last one.
pub(super) fn joined(graph: &FlowGraph, steps: Vec<Step>) -> Vec<Step> {
    let links = Links::of(graph, &steps);
    let (mut chains, mut taken) = (HashMap::new(), HashSet::new());
    // The kernels that put the results of others in order, by these.
    let orders: HashMap<usize, usize> =
        (0..steps.len()).filter_map(|at| Some((links.ordered(&steps[at])?, at))).collect();
    for (last, step) in steps.iter().enumerate() {
        let Step::Kernel(group) = step else { continue };
        if let Some([scores, shares]) = links.attention(&steps, group)
            && taken.is_disjoint(&HashSet::from([scores, shares]))
            && let (Step::Kernel(first), Step::Kernel(second)) = (&steps[scores], &steps[shares])
        {
            taken.extend([scores, shares]);
            let [first, group] = [&**first, &**group].map(|own| links.whole(&steps, own, &mut taken));
            let chain = chain([&first, second], &group);
            match orders.get(&last).map(|at| (*at, &steps[*at])) {
                Some((at, Step::Kernel(order))) => {
                    taken.insert(last);
                    chains.insert(at, in_order(chain, order));
                }
                _ => drop(chains.insert(last, chain)),
            }
        }
    }
    let own = |(at, step): (usize, Step)| match chains.remove(&at) {
        Some(chain) => Some(Step::Kernel(Box::new(chain))),
        None => (!taken.contains(&at)).then_some(step),
    };
    steps.into_iter().enumerate().filter_map(own).collect()
}

/// What computes a node, and what reads it.
struct Links {
    /// The kernels whose results one kernel alone reads, by their nodes.
    producers: HashMap<NodeId, usize>,
}

impl Links {
    fn of(graph: &FlowGraph, steps: &[Step]) -> Links {
        let mut readers: HashMap<NodeId, usize> = HashMap::new();
        for step in steps {
            let inputs = match step {
                Step::Kernel(group) => group.inputs.as_slice(),
                Step::Reshape { input, .. } => std::slice::from_ref(input),
            };
            for input in inputs {
                *readers.entry(*input).or_default() += 1;
            }
        }
        let alone = |(at, step): (usize, &Step)| match step {
            Step::Kernel(group) => {
                (readers.get(&group.node) == Some(&1) && !graph.is_output(group.node)).then_some((group.node, at))
            }
            Step::Reshape { .. } => None,
        };
        Links { producers: steps.iter().enumerate().filter_map(alone).collect() }
    }

    /// Returns the kernel that computes an input of a group, if it is for that alone.
    fn producer(&self, group: &Group, input: usize) -> Option<usize> {
        group.inputs.get(input).and_then(|node| self.producers.get(node)).copied()
    }

    /// Returns a group that reads tensors of which kernels for it alone would copy parts. Those are not needed any more.
    fn whole(&self, steps: &[Step], group: &Group, taken: &mut HashSet<usize>) -> Group {
        let mut own = group.clone();
        for input in 0..group.inputs.len() {
            let Some(at) = self.producer(group, input) else { continue };
            let Step::Kernel(copy) = &steps[at] else { continue };
            let (ExprNode::Read { input: 0, index }, [node]) = (copy.fused.value.node(), copy.inputs.as_slice()) else {
                continue;
            };
            let plain = copy.fused.reductions.is_empty()
                && copy.fused.line.is_none()
                && part_of(index, &copy.fused.extents, &copy.fused.inputs[0].shape).is_some();
            if !plain {
                continue;
            }
            let value = &copy.fused.value;
            own.fused = own.fused.with_exprs(&|expr| {
                expr.substitute(&mut |expr| match expr.node() {
                    ExprNode::Read { input: read, index } if *read == input => {
                        let ExprNode::Read { index, .. } = value.at(index).node().clone() else { return None };
                        Some(ScalarExpr::read(input, expr.dtype(), index))
                    }
                    _ => None,
                })
            });
            (own.inputs[input], own.fused.inputs[input]) = (*node, copy.fused.inputs[0].clone());
            own.operators.splice(..0, copy.operators.iter().copied());
            taken.insert(at);
        }
        own
    }

    /// Returns the kernel whose result a step puts in another order of axes, if it does nothing else.
    fn ordered(&self, step: &Step) -> Option<usize> {
        let Step::Kernel(group) = step else { return None };
        let ExprNode::Read { input: 0, index } = group.fused.value.node() else { return None };
        let plain = group.fused.reductions.is_empty() && group.fused.line.is_none() && group.inputs.len() == 1;
        let axes = axes_of(index)?.into_iter().collect::<Option<HashSet<usize>>>()?;
        let rank = group.fused.output.rank();
        (plain && axes.len() == rank && index.len() == rank).then(|| self.producer(group, 0)).flatten()
    }

    /// Returns the kernels of the scores and of the softmax, if a group is the product of that with values.
    fn attention(&self, steps: &[Step], group: &Group) -> Option<[usize; 2]> {
        let kernel = |at: usize| match &steps[at] {
            Step::Kernel(group) => Some(&**group),
            Step::Reshape { .. } => None,
        };
        let shares = self.producer(group, left_of_product(&group.fused)?)?;
        let softmax = kernel(shares)?;
        let ops: Vec<ReduceOp> = softmax.fused.reductions.iter().map(Reduction::op).collect();
        if ops != [ReduceOp::Max, ReduceOp::Sum] {
            return None;
        }
        let scores = (0..softmax.inputs.len()).find_map(|input| {
            let producer = self.producer(softmax, input)?;
            left_of_product(&kernel(producer)?.fused).map(|_| producer)
        });
        Some([scores?, shares])
    }
}

/// Returns the input that is the left operand of a product, converted at most.
fn left_of_product(fused: &FusedTask) -> Option<usize> {
    let [product] = fused.reductions.as_slice() else { return None };
    match product.operands.first()?.unconverted().node() {
        ExprNode::Read { input, .. } => product.is_product().then_some(*input),
        _ => None,
    }
}

/// Joins two kernels with the one that reads what they compute.
fn chain(producers: [&Group; 2], last: &Group) -> Group {
    let computed = producers.map(|group| group.node);
    let mut inputs: Vec<NodeId> = Vec::new();
    for node in producers.iter().flat_map(|group| &group.inputs).chain(&last.inputs) {
        if !computed.contains(node) && !inputs.contains(node) {
            inputs.push(*node);
        }
    }
    let all = [inputs.as_slice(), &computed].concat();
    let number = |node: &NodeId| all.iter().position(|known| known == node).unwrap_or(all.len());
    let types = |group: &Group| group.inputs.iter().map(number).zip(group.fused.inputs.clone()).collect::<Vec<_>>();
    let mut known: HashMap<usize, TensorType> = producers.into_iter().chain([last]).flat_map(types).collect();
    let own: Vec<usize> = last.inputs.iter().map(number).collect();
    let renumbered = |expr: &ScalarExpr| {
        expr.substitute(&mut |expr| match expr.node() {
            ExprNode::Read { input, index } => {
                // Results of reductions are numbered behind the inputs.
                let input = own.get(*input).copied().unwrap_or_else(|| input + all.len() - own.len());
                Some(ScalarExpr::read(input, expr.dtype(), index.clone()))
            }
            _ => None,
        })
    };
    let reduction = |reduction: &Reduction| Reduction {
        task: reduction.task.clone(),
        operands: reduction.operands.iter().map(renumbered).collect(),
    };
    let producer =
        |group: &Group| Producer { fused: group.fused.clone(), inputs: group.inputs.iter().map(number).collect() };
    let names = [&producers[0].fused.name, &producers[1].fused.name, &last.fused.name];
    let fused = FusedTask {
        name: names.map(String::as_str).join("_"),
        inputs: (0..all.len()).filter_map(|number| known.remove(&number)).collect(),
        producers: producers.map(producer).into(),
        reductions: last.fused.reductions.iter().map(reduction).collect(),
        value: renumbered(&last.fused.value),
        ..last.fused.clone()
    };
    let operators = producers.into_iter().chain([last]).flat_map(|group| &group.operators).copied().collect();
    Group { fused, node: last.node, operators, inputs }
}

/// Returns a chain whose result has its axes in the order of another kernel, which does that alone.
fn in_order(chain: Group, order: &Group) -> Group {
    let ExprNode::Read { index, .. } = order.fused.value.node() else { return chain };
    let mut fused = chain.fused.at(index.clone());
    fused.output = order.fused.output.clone();
    fused.extents.splice(..fused.output.rank(), fused.output.shape.iter().copied());
    fused.name = format!("{}_{}", fused.name, order.fused.name);
    let operators = [chain.operators, order.operators.clone()].concat();
    Group { fused, node: order.node, operators, inputs: chain.inputs }
}
