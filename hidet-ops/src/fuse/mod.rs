//! Several operators as one kernel: what is computed is put together here, after which an implementation is chosen.
//!
//! Operators that compute each element by itself join the kernel of their users, if these are all in one kernel: their
//! expressions are substituted. Reductions join it too if all that reads them is in the same row: a matrix product with
//! what follows element by element, or a softmax, whose maximum and sum are of the rows that it is made of.
//! [`draft`] has the conditions. Kernels of which a template may make one, as those of attention, become a [`chain`].

mod cannot;
mod chain;
mod cost;
mod draft;
mod factors;
mod few_channels;
mod follow;

use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of};
use crate::graph::{FlowGraph, Node, NodeId, Origin};
use crate::task::{Compute, ReduceOp, Task};
pub use cannot::CannotFuse;
use draft::Draft;
pub(crate) use few_channels::FewChannels;
use hidet::types::Scalar;
use std::collections::HashMap;
use std::sync::Arc;

/// What one kernel computes: each element of the result, after reductions of the row in which it lies.
///
/// Coordinates are those of the result, and behind them those of reductions whose result has no such axis. Expressions
/// read input `i` as `i`, and the result of reduction `j` as the number of inputs plus `j`, without coordinates: it is that
/// of their own row.
#[derive(Clone, Debug)]
pub struct FusedTask {
    /// A name for people: the operators in order.
    pub name: String,
    /// The inputs.
    pub inputs: Vec<TensorType>,
    /// What computes the last ones of the inputs, in order, if they are not given: a chain of kernels, which may be one.
    pub producers: Vec<Producer>,
    /// The result.
    pub output: TensorType,
    /// The extents of all coordinates.
    pub extents: Vec<usize>,
    /// The coordinates along which reductions combine terms.
    pub over: Vec<usize>,
    /// Reductions, each behind those whose results it reads.
    pub reductions: Vec<Reduction>,
    /// What is made of all terms of a line, if the value is one term.
    pub line: Option<Line>,
    /// Each element of the result.
    pub value: ScalarExpr,
}

/// What is made of the terms of a line along an axis. A task has no reductions then, and its extent along the axis is that of
/// the terms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The axis.
    pub axis: usize,
    /// What is made of them.
    pub op: LineOp,
}

/// What is made of the terms of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LineOp {
    /// The sum of all up to each.
    Sums,
    /// The numbers of the first ones in order.
    Order {
        /// True if the largest comes first.
        descending: bool,
    },
}

/// What computes an input of a fused task, for that alone.
#[derive(Clone, Debug)]
pub struct Producer {
    /// What is computed.
    pub fused: FusedTask,
    /// Its inputs: numbers of inputs of the other task, which are given or computed before.
    pub inputs: Vec<usize>,
}

/// A reduction in a kernel.
#[derive(Clone, Debug)]
pub struct Reduction {
    /// The operator.
    pub task: Arc<Task>,
    /// The elements and coordinates that its terms are made of, in order, of coordinates and inputs of the kernel.
    pub operands: Vec<ScalarExpr>,
}

impl Reduction {
    /// Returns how terms are combined.
    pub fn op(&self) -> ReduceOp {
        match &self.task.compute {
            Compute::Reduce { op, .. } => *op,
            _ => ReduceOp::Sum,
        }
    }

    /// Returns one term, of elements of the inputs of the kernel.
    pub fn term(&self) -> ScalarExpr {
        let Compute::Reduce { term, .. } = &self.task.compute else { return self.operands[0].clone() };
        term.with_leaves(&self.operands)
    }

    /// Returns the type of its result.
    pub fn dtype(&self) -> Scalar {
        self.task.output.dtype
    }

    /// Returns true if terms are products of elements of two inputs: a matrix product, a convolution.
    pub fn is_product(&self) -> bool {
        self.factors().is_some()
    }

    /// Returns true if it is an operator with a kernel of its own, whose inputs are the operands, each with coordinates of its
    /// own behind those of the result.
    pub fn is_kernel(&self) -> bool {
        matches!(self.task.compute, Compute::Kernel(_))
    }

    /// Returns true if nothing else that is reduced can be part of its kernel, whose operands are read where their elements
    /// are.
    pub fn is_alone(&self) -> bool {
        self.is_product() || self.is_kernel()
    }
}

impl FusedTask {
    /// Returns a task that computes each element by itself.
    pub(crate) fn each(name: String, inputs: Vec<TensorType>, output: TensorType, value: ScalarExpr) -> FusedTask {
        let (extents, over) = (output.shape.clone(), Vec::new());
        FusedTask {
            name,
            inputs,
            producers: Vec::new(),
            output,
            extents,
            over,
            reductions: Vec::new(),
            line: None,
            value,
        }
    }

    /// Returns true if the result has the elements of the only input in the same order.
    fn is_reshape(&self) -> bool {
        let plain = self.reductions.is_empty() && self.line.is_none() && self.producers.is_empty();
        plain && matches!(self.inputs.as_slice(), [input] if keeps_order(&self.value, input, &self.output))
    }

    /// Returns how many inputs are given: the first ones.
    pub fn given(&self) -> usize {
        self.inputs.len() - self.producers.len()
    }

    /// Returns the number by which the result of a reduction is read.
    pub fn result_of(&self, reduction: usize) -> usize {
        self.inputs.len() + reduction
    }

    /// Returns all expressions of elements of inputs.
    pub fn exprs(&self) -> impl Iterator<Item = &ScalarExpr> {
        self.reductions.iter().flat_map(|reduction| &reduction.operands).chain([&self.value])
    }

    /// Returns the task without the axes of the result that have one element, if it has any and two others: the same memory.
    pub(crate) fn without_ones(&self) -> Option<FusedTask> {
        let rank = self.output.rank();
        let is_kept = |axis: usize| axis >= rank || self.extents[axis] != 1;
        let kept: Vec<usize> = (0..self.extents.len()).filter(|axis| is_kept(*axis)).collect();
        let new = |axis: usize| kept.iter().position(|own| *own == axis);
        let shape: Vec<usize> = self.output.shape.iter().copied().filter(|extent| *extent != 1).collect();
        if kept.len() == self.extents.len()
            || shape.len() < 2
            || self.line.is_some()
            || self.reductions.iter().any(Reduction::is_kernel)
        {
            return None;
        }
        let zero = || ScalarExpr::constant(Scalar::I32, 0.0);
        let all: Vec<ScalarExpr> =
            (0..self.extents.len()).map(|axis| new(axis).map_or_else(zero, ScalarExpr::axis)).collect();
        Some(FusedTask {
            output: TensorType::new(self.output.dtype, &shape),
            extents: kept.iter().map(|axis| self.extents[*axis]).collect(),
            over: self.over.iter().filter_map(|axis| new(*axis)).collect(),
            ..self.with_exprs(&|expr| expr.at(&all))
        })
    }

    /// Returns the task with its reductions and its value at other coordinates of the result.
    pub(crate) fn at(&self, coordinates: Vec<ScalarExpr>) -> FusedTask {
        let further = (coordinates.len()..self.extents.len()).map(ScalarExpr::axis);
        let all: Vec<ScalarExpr> = coordinates.into_iter().chain(further).collect();
        self.with_exprs(&|expr| expr.at(&all))
    }

    /// Returns the task with other expressions of elements.
    pub(crate) fn with_exprs(&self, of: &dyn Fn(&ScalarExpr) -> ScalarExpr) -> FusedTask {
        let reduction =
            |own: &Reduction| Reduction { task: own.task.clone(), operands: own.operands.iter().map(of).collect() };
        FusedTask {
            reductions: self.reductions.iter().map(reduction).collect(),
            value: of(&self.value),
            ..self.clone()
        }
    }

    /// Returns the multiplications and additions of its products; windows count what is outside of tensors too.
    pub fn flops(&self) -> f64 {
        let terms: f64 = self.extents.iter().map(|extent| *extent as f64).product();
        let own = if self.reductions.iter().any(Reduction::is_product) { 2.0 * terms } else { 0.0 };
        own + self.producers.iter().map(|producer| producer.fused.flops()).sum::<f64>()
    }

    /// Returns a text that is equal for kernels that compute the same.
    pub fn text(&self) -> String {
        let inputs = self.inputs.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", ");
        let reductions = self.reductions.iter().map(|reduction| {
            let operands =
                reduction.operands.iter().map(|operand| format!("[{operand}]")).collect::<Vec<_>>().join(" ");
            format!("{:?} of {operands}; ", reduction.task)
        });
        let reductions: String = reductions.collect();
        let line = self.line.map_or(String::new(), |Line { axis, op }| format!("{op:?} along {axis} of "));
        let producers =
            self.producers.iter().map(|producer| format!("{} of {:?}; ", producer.fused.text(), producer.inputs));
        let producers: String = producers.collect();
        format!(
            "{producers}{}({inputs}) -> {}: {:?} over {:?}: {reductions}{line}{}",
            self.name, self.output, self.extents, self.over, self.value
        )
    }
}

/// Returns true if a value is the element at the same place in memory of the only input: axes with one element may be more or
/// fewer.
fn keeps_order(value: &ScalarExpr, input: &TensorType, output: &TensorType) -> bool {
    let ExprNode::Read { input: 0, index } = value.node() else { return false };
    let own = (0..output.rank()).filter(|axis| output.shape[*axis] != 1);
    let long = |axes: Vec<Option<usize>>| {
        let axes = axes.into_iter().zip(&input.shape).filter(|(_, extent)| **extent != 1);
        axes.map(|(axis, _)| axis).collect::<Option<Vec<usize>>>()
    };
    input.len() == output.len() && axes_of(index).and_then(long).is_some_and(|axes| axes.into_iter().eq(own))
}

/// Returns the node that another one is with another shape: the same memory. Of a tensor that is given, that is an operator too
/// which could be part of a kernel: kernels read tensors with all of their axes best.
fn reshaped(graph: &FlowGraph, node: &Node) -> Option<NodeId> {
    let Origin::Task { task, inputs } = &node.origin else { return None };
    let input = *inputs.first()?;
    let is_given = || inputs.len() == 1 && matches!(graph.node(input).origin, Origin::Input);
    match &task.compute {
        Compute::Reshape => Some(input),
        Compute::Each(value) => {
            (is_given() && keeps_order(value, &graph.node(input).ty, &task.output)).then_some(input)
        }
        _ => None,
    }
}

/// A part of a graph that becomes one kernel: what it computes, the node whose value that is, and the nodes it reads.
#[derive(Clone, Debug)]
pub struct Group {
    /// What is computed.
    pub fused: FusedTask,
    /// The node whose value is the result.
    pub node: NodeId,
    /// The nodes that it computes, each behind those of them that it is computed of.
    pub operators: Vec<NodeId>,
    /// The nodes that are its inputs, in order, those that are given.
    pub inputs: Vec<NodeId>,
}

/// What is done to compute a graph.
#[derive(Debug)]
pub enum Step {
    /// A kernel runs.
    Kernel(Box<Group>),
    /// A node has the elements of another one under another shape.
    Reshape {
        /// The node.
        node: NodeId,
        /// The other one.
        input: NodeId,
    },
}

/// A graph divided into kernels.
#[derive(Debug)]
pub struct Division {
    /// What is done, in an order in which it can be.
    pub steps: Vec<Step>,
    /// Why the last operators of kernels are not in those that read their results.
    pub apart: HashMap<NodeId, CannotFuse>,
}

/// Divides a graph into kernels, in an order in which they can run.
pub fn steps(graph: &FlowGraph) -> Vec<Step> {
    division(graph).steps
}

/// Divides a graph into kernels, and says why there are not fewer.
pub fn division(graph: &FlowGraph) -> Division {
    let mut apart = HashMap::new();
    let mut owner: HashMap<NodeId, NodeId> = HashMap::new();
    let mut drafts: HashMap<NodeId, Draft> = HashMap::new();
    // Users come first, so that all are known when a node is looked at.
    for node in graph.nodes().rev() {
        let Origin::Task { task, inputs } = &node.origin else { continue };
        if reshaped(graph, node).is_some() {
            owner.insert(node.id, node.id);
            continue;
        }
        let mut join = || {
            if graph.is_output(node.id) {
                return Err(CannotFuse::Output);
            }
            let mut owners = graph.users(node.id).iter().filter_map(|user| owner.get(user).copied());
            let group = owners.next().ok_or(CannotFuse::Readers)?;
            if owners.any(|other| other != group) {
                return Err(CannotFuse::Readers);
            }
            let draft = drafts.get_mut(&group).ok_or(CannotFuse::Reshape)?;
            if draft.is_product_of(node.id) && follow::ends_product(graph, node.id) {
                return Err(CannotFuse::EndsProduct);
            }
            if draft.is_product_of(node.id) && follow::ends_rows(graph, node.id) {
                return Err(CannotFuse::EndsRows);
            }
            draft.take(node.id, task, inputs).map(|()| group)
        };
        match join() {
            Ok(group) => {
                owner.insert(node.id, group);
                continue;
            }
            Err(why) => drop(apart.insert(node.id, why)),
        }
        owner.insert(node.id, node.id);
        drafts.insert(node.id, Draft::new(node.id, task, inputs));
    }
    let step = |node: &Node| match reshaped(graph, node) {
        Some(input) => Some(Step::Reshape { node: node.id, input }),
        None => {
            let group = drafts.remove(&node.id)?.finish(graph, node.id);
            Some(match group.inputs.as_slice() {
                [input] if group.fused.is_reshape() => Step::Reshape { node: node.id, input: *input },
                _ => Step::Kernel(Box::new(group)),
            })
        }
    };
    Division { steps: chain::joined(graph, graph.nodes().filter_map(step).collect()), apart }
}

/// Returns the kernels among the steps.
pub fn groups(graph: &FlowGraph) -> Vec<Group> {
    let kernel = |step| match step {
        Step::Kernel(group) => Some(*group),
        Step::Reshape { .. } => None,
    };
    steps(graph).into_iter().filter_map(kernel).collect()
}
