//! Several operators as one kernel: what is computed is put together here, after which an implementation is chosen.
//!
//! Elementwise operators join the kernel of their consumers if these are all in one kernel: their expressions are
//! substituted. A sum (a matrix product, a reduction) joins as the *anchor*, at most one per kernel, if every later
//! operator of the kernel reads its result at the same coordinates. Operators before the anchor are its prologue, those
//! behind it its epilogue.

use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr};
use crate::graph::{FlowGraph, Node, NodeId, Origin};
use crate::task::{Compute, Task, axes_of};
use std::collections::HashMap;
use std::sync::Arc;

/// The most values that the expressions of one kernel compute: longer chains become several kernels.
const MOST_VALUES: usize = 256;

/// What one kernel computes.
#[derive(Clone, Debug)]
pub struct FusedTask {
    /// A name for people: the operators in order.
    pub name: String,
    /// The inputs.
    pub inputs: Vec<TensorType>,
    /// The result.
    pub output: TensorType,
    /// The sum that it is made around, if any.
    pub anchor: Option<Anchor>,
    /// Each element of the result, of its coordinates and elements of the inputs. The input behind the last one is the
    /// result of the anchor, read at the same coordinates.
    pub value: ScalarExpr,
}

/// The sum that a kernel is made around.
#[derive(Clone, Debug)]
pub struct Anchor {
    /// The operator.
    pub task: Arc<Task>,
    /// What the terms read, in the order of [`ScalarExpr::reads`]: of the coordinates of the result and behind them of the sum,
    /// and of elements of the inputs of the kernel.
    pub operands: Vec<ScalarExpr>,
}

impl Anchor {
    /// Returns the extents of the sum.
    pub fn extents(&self) -> &[usize] {
        match &self.task.compute {
            Compute::Sum { extents, .. } => extents,
            Compute::Each(_) => &[],
        }
    }

    /// Returns one term of the sum, of elements of the inputs of the kernel.
    pub fn term(&self) -> Option<ScalarExpr> {
        let Compute::Sum { term, .. } = &self.task.compute else { return None };
        let reads: Vec<usize> = term.reads().iter().map(|read| read.identity()).collect();
        Some(term.substitute(&mut |expr| {
            let at = reads.iter().position(|read| *read == expr.identity())?;
            self.operands.get(at).cloned()
        }))
    }
}

impl FusedTask {
    /// Returns the extents of the result, and behind them those of the sum.
    pub fn extents(&self) -> Vec<usize> {
        let sum = self.anchor.iter().flat_map(|anchor| anchor.extents());
        self.output.shape.iter().chain(sum).copied().collect()
    }

    /// Returns the number by which the epilogue reads the result of the anchor.
    pub fn result_of_anchor(&self) -> usize {
        self.inputs.len()
    }

    /// Returns a text that is equal for kernels that compute the same.
    pub fn text(&self) -> String {
        let inputs = self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ");
        let anchor = self.anchor.iter().map(|anchor| {
            let operands = anchor.operands.iter().map(|operand| format!("[{operand}]")).collect::<Vec<_>>().join(" ");
            format!("{:?} of {operands} ", anchor.task)
        });
        let anchor: String = anchor.collect();
        format!("{}({inputs}) -> {}: {anchor}{}", self.name, self.output, self.value)
    }
}

/// A part of a graph that becomes one kernel: what it computes, the node whose value that is, and the nodes it reads.
#[derive(Debug)]
pub struct Group {
    /// What is computed.
    pub fused: FusedTask,
    /// The node whose value is the result.
    pub node: NodeId,
    /// The nodes that are its inputs, in order.
    pub inputs: Vec<NodeId>,
}

/// Divides a graph into kernels, in an order in which they can run.
pub fn groups(graph: &FlowGraph) -> Vec<Group> {
    let mut owner: HashMap<NodeId, NodeId> = HashMap::new();
    let mut drafts: HashMap<NodeId, Draft> = HashMap::new();
    // Consumers come first, so that all are known when a node is looked at.
    for node in graph.nodes().rev() {
        let Origin::Task { task, .. } = &node.origin else { continue };
        let owners: Vec<NodeId> = graph.users(node.id).iter().filter_map(|user| owner.get(user).copied()).collect();
        let joined = owners.first().filter(|first| owners.iter().all(|other| other == *first)).copied();
        let joined = joined.filter(|_| !graph.is_output(node.id));
        if let Some(group) = joined
            && let Some(draft) = drafts.get_mut(&group)
            && draft.take(node, task)
        {
            owner.insert(node.id, group);
            continue;
        }
        owner.insert(node.id, node.id);
        drafts.insert(node.id, Draft::new(node, task));
    }
    let made = graph.nodes().filter_map(|node| Some((node.id, drafts.remove(&node.id)?)));
    made.map(|(node, draft)| draft.finish(graph, node)).collect()
}

/// A group while it grows from its result towards its inputs. Reads name nodes by their number until it is finished.
struct Draft {
    output: TensorType,
    names: Vec<&'static str>,
    value: ScalarExpr,
    anchor: Option<(NodeId, Anchor)>,
}

impl Draft {
    fn new(node: &Node, task: &Arc<Task>) -> Draft {
        let output = task.output.clone();
        let own = ScalarExpr::read(node.id.0, output.dtype, (0..output.rank()).map(ScalarExpr::axis).collect());
        let mut draft = Draft { output, names: Vec::new(), value: own, anchor: None };
        draft.take(node, task);
        draft
    }

    /// Makes an operator part of the group, if it can be.
    fn take(&mut self, node: &Node, task: &Arc<Task>) -> bool {
        let Origin::Task { inputs, .. } = &node.origin else { return false };
        let named = |expr: &ScalarExpr| named(expr, inputs);
        match &task.compute {
            Compute::Each(value) => {
                let value = named(value);
                let inlined = |expr: &ScalarExpr| {
                    expr.substitute(&mut |expr| match expr.node() {
                        ExprNode::Read { input, index } if *input == node.id.0 => Some(value.at(index)),
                        _ => None,
                    })
                };
                let new = inlined(&self.value);
                let anchor = self.anchor.clone().map(|(id, anchor)| {
                    let operands = anchor.operands.iter().map(inlined).collect();
                    (id, Anchor { operands, ..anchor })
                });
                let all = || std::iter::once(&new).chain(anchor.iter().flat_map(|(_, anchor)| &anchor.operands));
                let begins = self.names.is_empty();
                if !begins && (!all().all(is_along) || all().map(size).sum::<usize>() > MOST_VALUES) {
                    return false;
                }
                (self.value, self.anchor) = (new, anchor);
            }
            Compute::Sum { term, .. } => {
                let mut only = true;
                let mut reads = |expr: &ScalarExpr, may: bool| {
                    expr.visit(&mut |expr| {
                        if let ExprNode::Read { input, index } = expr.node()
                            && *input == node.id.0
                        {
                            only &= may && is_identity(index, self.output.rank());
                        }
                    });
                };
                reads(&self.value, self.anchor.is_none());
                if !only || self.anchor.is_some() || task.output.shape != self.output.shape {
                    return false;
                }
                let operands = term.reads().into_iter().map(named).collect();
                self.anchor = Some((node.id, Anchor { task: task.clone(), operands }));
            }
        }
        self.names.push(task.name);
        true
    }

    fn finish(self, graph: &FlowGraph, node: NodeId) -> Group {
        let Draft { output, mut names, value, anchor } = self;
        let mut inputs: Vec<NodeId> = Vec::new();
        let anchor_id = anchor.as_ref().map(|(id, _)| *id);
        let exprs = || std::iter::once(&value).chain(anchor.iter().flat_map(|(_, anchor)| &anchor.operands));
        for expr in exprs() {
            expr.visit(&mut |expr| {
                if let ExprNode::Read { input, .. } = expr.node()
                    && Some(NodeId(*input)) != anchor_id
                    && !inputs.contains(&NodeId(*input))
                {
                    inputs.push(NodeId(*input));
                }
            });
        }
        let numbered = |expr: &ScalarExpr| {
            expr.substitute(&mut |expr| match expr.node() {
                ExprNode::Read { input, index } => {
                    let at = inputs.iter().position(|id| id.0 == *input).unwrap_or(inputs.len());
                    Some(ScalarExpr::read(at, expr.dtype(), index.clone()))
                }
                _ => None,
            })
        };
        let value = numbered(&value);
        let anchor = anchor
            .map(|(_, Anchor { task, operands })| Anchor { task, operands: operands.iter().map(&numbered).collect() });
        names.reverse();
        let types = inputs.iter().map(|id| graph.node(*id).ty.clone()).collect();
        let fused = FusedTask { name: names.join("_"), inputs: types, output, anchor, value };
        Group { fused, node, inputs }
    }
}

/// Returns an expression whose reads name nodes instead of inputs.
fn named(expr: &ScalarExpr, inputs: &[NodeId]) -> ScalarExpr {
    expr.substitute(&mut |expr| match expr.node() {
        ExprNode::Read { input, index } => Some(ScalarExpr::read(inputs[*input].0, expr.dtype(), index.clone())),
        _ => None,
    })
}

/// Returns true if all reads are at coordinates themselves, or 0.
fn is_along(expr: &ScalarExpr) -> bool {
    let mut is = true;
    expr.visit(&mut |expr| {
        if let ExprNode::Read { index, .. } = expr.node() {
            is &= axes_of(index).is_some();
        }
    });
    is
}

fn is_identity(index: &[ScalarExpr], rank: usize) -> bool {
    index.len() == rank
        && index.iter().enumerate().all(|(at, index)| matches!(index.node(), ExprNode::Axis(axis) if *axis == at))
}

/// Returns the number of values that an expression computes.
fn size(expr: &ScalarExpr) -> usize {
    let mut count = 0;
    expr.visit(&mut |_| count += 1);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A term may read an input twice: here x[i, k] * x[k, i].
    #[test]
    fn each_read_of_a_term_is_an_operand() {
        let read =
            |index: [usize; 2]| ScalarExpr::read(0, hidet::types::Scalar::F32, index.map(ScalarExpr::axis).to_vec());
        let term = read([0, 1]) * read([1, 0]);
        let ty = |shape: &[usize]| TensorType::new(hidet::types::Scalar::F32, shape);
        let compute = Compute::Sum { extents: vec![4], term };
        let (inputs, output) = (vec![ty(&[4, 4])], ty(&[4]));
        let task = Arc::new(Task { name: "dots", inputs, output, compute });
        let mut graph = FlowGraph::default();
        let x = graph.input(ty(&[4, 4]));
        let y = graph.apply(task, vec![x]);
        graph.output(y);
        let groups = groups(&graph);
        let anchor = groups[0].fused.anchor.as_ref().and_then(Anchor::term);
        assert_eq!(
            anchor.map(|term| term.to_string()).as_deref(),
            Some("v0 = x0[i0, i1]; v1 = x0[i1, i0]; v2 = mul(v0, v1)")
        );
    }
}
