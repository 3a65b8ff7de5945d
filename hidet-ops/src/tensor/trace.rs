//! The graph of what a tensor is to be computed of.

use super::{Inner, State, Tensor, Work};
use crate::expr::{ExprNode, Mixed, ScalarExpr};
use crate::graph::{FlowGraph, NodeId, Origin};
use crate::task::Compute;
use hidet::ir::BinaryOp;
use std::collections::HashMap;
use std::sync::Arc;

impl Tensor {
    /// Returns the graph of what is not computed yet, whose result is this tensor, its last node, and the tensors of its
    /// nodes; those between operators that are put together have none.
    pub(super) fn graph(&self) -> (FlowGraph, Vec<Option<Tensor>>) {
        Tensor::graph_from(&[self], &[])
    }

    /// Returns the tensor of which this one is a part along the last axis, and where it begins there, if it is to be computed so.
    pub(crate) fn part_of_last_axis(&self) -> Option<(Tensor, usize)> {
        let state = self.state();
        let State::Pending { work: Work::Task(task), inputs } = &*state else { return None };
        let (Compute::Each(value), [whole]) = (&task.compute, inputs.as_slice()) else { return None };
        let ExprNode::Read { index, .. } = value.node() else { return None };
        let (last, front) = index.split_last()?;
        let is = |expr: &ScalarExpr, axis: usize| matches!(expr.node(), ExprNode::Axis(own) if *own == axis);
        let start = match last.node() {
            ExprNode::Binary(BinaryOp::Add, at, start) if is(at, front.len()) => match start.node() {
                ExprNode::Const(start) => usize::try_from(start.as_int()?).ok()?,
                _ => return None,
            },
            _ if is(last, front.len()) => 0,
            _ => return None,
        };
        let same = self.ty().rank() == index.len() && self.shape()[..front.len()] == whole.shape()[..front.len()];
        let is_part = same && self.shape() != whole.shape() && (0..front.len()).all(|axis| is(&front[axis], axis));
        is_part.then(|| (whole.clone(), start))
    }

    /// Returns true if this tensor, which is not computed yet, is the other one or is to be computed of it.
    pub(crate) fn is_made_of(&self, other: &Tensor) -> bool {
        self.graph().1.iter().flatten().any(|tensor| tensor.is_identical(other))
    }

    /// Returns the graph that computes this tensor of these ones, which are its first nodes; nothing if it needs others.
    pub(crate) fn graph_of(&self, given: &[&Tensor]) -> Option<FlowGraph> {
        let (graph, _) = Tensor::graph_from(&[self], given);
        let inputs = graph.nodes().filter(|node| matches!(node.origin, Origin::Input)).count();
        (inputs == given.len()).then_some(graph)
    }

    /// The same of several tensors, and of what is not computed yet and behind those that are given, its first nodes.
    pub(crate) fn graph_from(wanted: &[&Tensor], given: &[&Tensor]) -> (FlowGraph, Vec<Option<Tensor>>) {
        let (mut graph, mut tensors) = (FlowGraph::default(), Vec::new());
        let mut ids: HashMap<*const Inner, NodeId, Mixed> = HashMap::default();
        for tensor in given {
            ids.insert(Arc::as_ptr(&tensor.0), graph.input(tensor.ty().clone()));
            tensors.push(Some((*tensor).clone()));
        }
        // A loop instead of recursion: chains of operators may be long.
        let mut open: Vec<(Tensor, bool)> = wanted.iter().rev().map(|tensor| ((*tensor).clone(), false)).collect();
        while let Some((tensor, inputs_done)) = open.pop() {
            let key = Arc::as_ptr(&tensor.0);
            if ids.contains_key(&key) {
                continue;
            }
            let state = tensor.state();
            let id = match &*state {
                State::Ready(_) => graph.input(tensor.ty().clone()),
                State::Pending { inputs, .. } if !inputs_done => {
                    open.push((tensor.clone(), true));
                    open.extend(inputs.iter().rev().map(|input| (input.clone(), false)));
                    continue;
                }
                State::Pending { work, inputs } => {
                    let inputs = inputs.iter().filter_map(|input| ids.get(&Arc::as_ptr(&input.0)).copied());
                    let inputs: Vec<NodeId> = inputs.collect();
                    match work {
                        Work::Task(task) => graph.apply(task.clone(), inputs),
                        Work::Graph(kept) => graph.append(&kept.graph, &inputs),
                    }
                }
            };
            drop(state);
            ids.insert(key, id);
            tensors.resize(id.0, None);
            tensors.push(Some(tensor));
        }
        wanted.iter().filter_map(|tensor| ids.get(&Arc::as_ptr(&tensor.0))).for_each(|id| graph.output(*id));
        (graph, tensors)
    }
}
