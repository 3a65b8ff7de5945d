//! [`Draft`]: a kernel while it grows, from its result towards its inputs.

use super::cost::{has_functions, narrows, size};
use super::{CannotFuse, FewChannels, FusedTask, Group, Line, LineOp, Reduction};
use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of};
use crate::graph::{FlowGraph, NodeId};
use crate::task::{Compute, Task};
use hidet::types::Scalar;
use std::sync::Arc;

/// The most values that the expressions of one kernel compute: longer chains become several kernels.
const MOST_VALUES: usize = 256;

/// How many times as often as elements a product may compute a function (an exponential, a division) of them.
const MOST_REPEATS: usize = 4;

/// The most terms of a product whose windows may be of what it computes: these are computed one by one (`schedule/windows.rs`).
const MOST_OF_WINDOWS: usize = 64;

/// A group while it grows. Reads name nodes by their number until it is finished; results of its own reductions are read
/// without coordinates.
pub(super) struct Draft {
    output: TensorType,
    /// What is computed, the last one first.
    operators: Vec<NodeId>,
    extents: Vec<usize>,
    over: Vec<usize>,
    /// The last one comes first.
    reductions: Vec<(NodeId, Reduction)>,
    line: Option<Line>,
    value: ScalarExpr,
}

impl Draft {
    /// Begins a group with the operator that computes its result.
    pub(super) fn new(node: NodeId, task: &Arc<Task>, inputs: &[NodeId]) -> Draft {
        let output = task.output.clone();
        let value = ScalarExpr::read(node.0, output.dtype, (0..output.rank()).map(ScalarExpr::axis).collect());
        let extents = output.shape.clone();
        let (operators, over, reductions) = (Vec::new(), Vec::new(), Vec::new());
        let mut draft = Draft { output, operators, extents, over, reductions, line: None, value };
        // Nothing keeps an operator from being a kernel by itself.
        let _ = draft.take(node, task, inputs);
        draft
    }

    /// Makes an operator part of the group, or says why it cannot be: then the group is as it was.
    pub(super) fn take(&mut self, node: NodeId, task: &Arc<Task>, inputs: &[NodeId]) -> Result<(), CannotFuse> {
        match &task.compute {
            Compute::Each(value) => self.take_each(node, task, &named(value, inputs))?,
            Compute::Reduce { extents, term, .. } => {
                let operands = term.leaves().into_iter().map(|leaf| named(leaf, inputs)).collect();
                self.take_reduction(node, extents, Reduction { task: task.clone(), operands })?;
            }
            // What is made of a line is a kernel's last operation: only its terms are fused.
            Compute::Scan { axis, term } => self.begin(Line { axis: *axis, op: LineOp::Sums }, named(term, inputs))?,
            Compute::Order { axis, len, descending, term } => {
                let op = LineOp::Order { descending: *descending };
                self.begin(Line { axis: *axis, op }, named(term, inputs))?;
                self.extents[*axis] = *len;
            }
            Compute::Kernel(_) => {
                // Each input has coordinates of its own, behind those of the result.
                let mut next = task.output.rank();
                let mut operand = |(input, ty): (&NodeId, &TensorType)| {
                    let axes = next..next + ty.rank();
                    next = axes.end;
                    ScalarExpr::read(input.0, ty.dtype, axes.map(ScalarExpr::axis).collect())
                };
                let operands = inputs.iter().zip(&task.inputs).map(&mut operand).collect();
                let extents: Vec<usize> = task.inputs.iter().flat_map(|ty| ty.shape.clone()).collect();
                self.take_reduction(node, &extents, Reduction { task: task.clone(), operands })?;
            }
            Compute::Reshape => return Err(CannotFuse::Reshape),
        }
        self.operators.push(node);
        Ok(())
    }

    fn begin(&mut self, line: Line, term: ScalarExpr) -> Result<(), CannotFuse> {
        if !self.operators.is_empty() {
            return Err(CannotFuse::EndsLine);
        }
        (self.line, self.value) = (Some(line), term);
        Ok(())
    }

    fn take_each(&mut self, node: NodeId, task: &Task, value: &ScalarExpr) -> Result<(), CannotFuse> {
        let begins = self.operators.is_empty();
        let inlined = |expr: &ScalarExpr| {
            expr.substitute(&mut |expr| match expr.node() {
                ExprNode::Read { input, index } if *input == node.0 => {
                    Some(self.zero_outside(value, index, &task.output.shape))
                }
                _ => None,
            })
        };
        let new = inlined(&self.value);
        let operands: Vec<Vec<ScalarExpr>> =
            self.reductions.iter().map(|(_, reduction)| reduction.operands.iter().map(inlined).collect()).collect();
        let all = || operands.iter().flatten().chain([&new]);
        if !begins {
            let in_terms =
                self.reductions.iter().flat_map(|(_, own)| &own.operands).any(|operand| reads(operand, node));
            let extents = if in_terms { &self.extents } else { &self.output.shape };
            let terms = extents.iter().fold(1usize, |terms, extent| terms.saturating_mul(*extent));
            let repeats = terms > MOST_REPEATS * task.output.len();
            if all().map(size).sum::<usize>() > MOST_VALUES {
                return Err(CannotFuse::Size);
            }
            // Products are bound by arithmetic, other kernels by memory, where a few functions more cost nothing; and
            // templates of products read tensors at coordinates themselves, and no larger elements than those of operands.
            if self.has_alone() {
                let slows = if repeats && (has_functions(value) || self.are_computed(&operands)) {
                    Some(CannotFuse::Repeated)
                } else {
                    (in_terms && narrows(value)).then_some(CannotFuse::Narrows)
                };
                if let Some(why) = slows.filter(|_| !self.copies_windows(&operands)) {
                    return Err(why);
                }
                if !self.stay_along(&new, &operands) {
                    return Err(CannotFuse::Places);
                }
            }
        }
        self.value = new;
        for ((_, reduction), operands) in self.reductions.iter_mut().zip(operands) {
            reduction.operands = operands;
        }
        Ok(())
    }

    /// Returns an element of a tensor with these extents at an index, or 0 if that is outside: what is computed of elements
    /// that are 0 there may be another number. An element of another tensor that is outside there too is 0 already.
    fn zero_outside(&self, operator: &ScalarExpr, index: &[ScalarExpr], shape: &[usize]) -> ScalarExpr {
        let value = operator.at(index);
        if let ExprNode::Read { index: own, .. } = operator.node()
            && let Some(axes) = axes_of(own)
            && (0..shape.len()).all(|axis| axes.contains(&Some(axis)))
        {
            return value;
        }
        let is_outside = |(own, extent): (&ScalarExpr, &usize)| {
            let (least, most) = own.bounds(&self.extents);
            (least < 0 || most >= *extent as i64).then(|| own.ge(0.0) & own.lt(*extent))
        };
        let inside = index.iter().zip(shape).filter_map(is_outside).reduce(|all, one| all & one);
        inside.map_or_else(|| value.clone(), |inside| inside.select(&value, &value.same(0.0)))
    }

    /// Returns true if terms of a product are made of a node.
    pub(super) fn is_product_of(&self, node: NodeId) -> bool {
        let products = self.reductions.iter().filter(|(_, reduction)| reduction.is_alone());
        products.flat_map(|(_, reduction)| &reduction.operands).any(|operand| reads(operand, node))
    }

    fn has_alone(&self) -> bool {
        self.reductions.iter().any(|(_, reduction)| reduction.is_alone())
    }

    /// Returns true if new expressions read tensors at coordinates themselves where the old ones did.
    fn stay_along(&self, value: &ScalarExpr, operands: &[Vec<ScalarExpr>]) -> bool {
        let old = self.reductions.iter().flat_map(|(_, reduction)| &reduction.operands);
        is_along(value) && old.zip(operands.iter().flatten()).all(|(old, new)| !is_along(old) || is_along(new))
    }

    /// Returns true if a product of windows of tensors, as a convolution, would be one of windows of what is computed: no template
    /// takes it, and each element would be computed for every result that it is a term of.
    fn are_computed(&self, operands: &[Vec<ScalarExpr>]) -> bool {
        let is_read = |expr: &ScalarExpr| matches!(expr.node(), ExprNode::Read { .. });
        let old = self.reductions.iter().flat_map(|(_, reduction)| &reduction.operands);
        let terms: usize = self.over.iter().map(|axis| self.extents[*axis]).product();
        terms > MOST_OF_WINDOWS
            && old.zip(operands.iter().flatten()).any(|(old, new)| is_read(old) && !is_along(old) && !is_read(new))
    }

    /// Returns true if what the windows of a product cover would be computed about once, on the way to where it is multiplied.
    fn copies_windows(&self, operands: &[Vec<ScalarExpr>]) -> bool {
        matches!(operands, [factors] if FewChannels::of(&self.output, &self.extents, factors).is_some())
    }

    fn take_reduction(&mut self, node: NodeId, extents: &[usize], reduction: Reduction) -> Result<(), CannotFuse> {
        let (own, further) = self.places(node, &reduction, extents)?;
        if self.reductions.is_empty() {
            self.over = further.iter().filter_map(axis_of).collect();
            if self.over.iter().any(|axis| *axis >= self.extents.len()) {
                self.extents.extend(extents);
            }
        }
        // Coordinates of the reduction are replaced by those of the group.
        let coordinates = [own, further].concat();
        let operands = reduction.operands.iter().map(|operand| operand.at(&coordinates)).collect();
        let result = ScalarExpr::read(node.0, reduction.dtype(), Vec::new());
        let read = |expr: &ScalarExpr| {
            expr.substitute(&mut |expr| {
                matches!(expr.node(), ExprNode::Read { input, .. } if *input == node.0).then(|| result.clone())
            })
        };
        let known = self.reductions.iter_mut().flat_map(|(_, reduction)| &mut reduction.operands);
        for expr in known.chain([&mut self.value]) {
            *expr = read(expr);
        }
        self.reductions.push((node, Reduction { operands, ..reduction }));
        Ok(())
    }

    /// Returns the coordinates of the group that are those of the result of a reduction, and of its further axes. These are
    /// new ones if the group reads each element of the result once, else those at which it does not read it, as in a
    /// softmax. Or says why the reduction cannot be part of the group.
    fn places(
        &self,
        node: NodeId,
        reduction: &Reduction,
        extents: &[usize],
    ) -> Result<(Vec<ScalarExpr>, Vec<ScalarExpr>), CannotFuse> {
        let shape = &reduction.task.output.shape;
        let exprs = self.reductions.iter().flat_map(|(_, reduction)| &reduction.operands).chain([&self.value]);
        let mut index: Option<(&[ScalarExpr], Vec<Option<usize>>)> = None;
        for read in exprs.flat_map(ScalarExpr::reads) {
            let ExprNode::Read { input, index: own } = read.node() else { continue };
            if *input == node.0 {
                // Along an axis with one element, 0 is as good as a coordinate.
                let axes = axes_of(own).ok_or(CannotFuse::Places)?.into_iter().zip(shape);
                let axes = axes.map(|(axis, extent)| axis.filter(|_| *extent != 1)).collect();
                if index.as_ref().is_some_and(|(_, known)| *known != axes) {
                    return Err(CannotFuse::Places);
                }
                index = Some((own, axes));
            }
        }
        let (index, axes) = index.ok_or(CannotFuse::Places)?;
        if self.line.is_some() {
            return Err(CannotFuse::BeforeLine);
        }
        // Axes with one element may be more or fewer than those of the result.
        let places = (0..self.output.rank()).filter(|axis| self.output.shape[*axis] != 1);
        if self.reductions.is_empty() && axes.iter().flatten().copied().eq(places) {
            // What follows a product reads tensors at coordinates themselves, as templates do.
            if reduction.is_alone() && !self.operators.is_empty() && !is_along(&self.value) {
                return Err(CannotFuse::Places);
            }
            let first = self.output.rank();
            return Ok((index.to_vec(), (first..first + extents.len()).map(ScalarExpr::axis).collect()));
        }
        if reduction.is_alone() || self.has_alone() {
            return Err(if self.reductions.is_empty() { CannotFuse::Places } else { CannotFuse::Alone });
        }
        let is_free = |axis: &usize| self.extents[*axis] != 1 && !axes.contains(&Some(*axis));
        let free: Vec<usize> = (0..self.extents.len()).filter(is_free).collect();
        let mut open = free.iter();
        let mut further = Vec::new();
        for extent in extents {
            further.push(match extent {
                1 => ScalarExpr::constant(Scalar::I32, 0.0),
                _ => ScalarExpr::axis(
                    *open.next().filter(|axis| self.extents[**axis] == *extent).ok_or(CannotFuse::OtherRows)?,
                ),
            });
        }
        let known: Vec<usize> = self.over.iter().copied().filter(|axis| self.extents[*axis] != 1).collect();
        let agrees = self.reductions.is_empty() || known == free;
        match open.next().is_none() && agrees && !free.is_empty() {
            true => Ok((index.to_vec(), further)),
            false => Err(CannotFuse::OtherRows),
        }
    }

    /// Ends the group: reads name its inputs and its reductions.
    pub(super) fn finish(self, graph: &FlowGraph, node: NodeId) -> Group {
        let Draft { output, mut operators, extents, over, mut reductions, line, value } = self;
        reductions.reverse();
        let ids: Vec<NodeId> = reductions.iter().map(|(id, _)| *id).collect();
        let mut inputs: Vec<NodeId> = Vec::new();
        for expr in reductions.iter().flat_map(|(_, reduction)| &reduction.operands).chain([&value]) {
            for read in expr.reads() {
                if let ExprNode::Read { input, .. } = read.node()
                    && !ids.contains(&NodeId(*input))
                    && !inputs.contains(&NodeId(*input))
                {
                    inputs.push(NodeId(*input));
                }
            }
        }
        let numbered = |expr: &ScalarExpr| {
            expr.substitute(&mut |expr| match expr.node() {
                ExprNode::Read { input, index } => {
                    let place = |all: &[NodeId]| all.iter().position(|id| id.0 == *input);
                    let at = place(&inputs).or_else(|| Some(inputs.len() + place(&ids)?))?;
                    // A coordinate by itself goes along a whole axis; one that another operator computed may go beyond.
                    let shape = &graph.node(NodeId(*input)).ty.shape;
                    let whole = |(index, extent): (&ScalarExpr, &usize)| match index.node() {
                        ExprNode::Axis(axis) if extents[*axis] != *extent => index + 0i64,
                        _ => index.clone(),
                    };
                    let index = index.iter().zip(shape).map(whole).collect();
                    Some(ScalarExpr::read(at, expr.dtype(), index))
                }
                _ => None,
            })
        };
        let value = numbered(&value);
        let reductions = reductions
            .into_iter()
            .map(|(_, Reduction { task, operands })| Reduction {
                task,
                operands: operands.iter().map(&numbered).collect(),
            })
            .collect();
        operators.reverse();
        let names: Vec<&str> = operators.iter().filter_map(|id| graph.node(*id).operator()).collect();
        let types = inputs.iter().map(|id| graph.node(*id).ty.clone()).collect();
        let (name, producers) = (names.join("_"), Vec::new());
        let fused = FusedTask { name, inputs: types, producers, output, extents, over, reductions, line, value };
        Group { fused, node, operators, inputs }
    }
}

/// Returns the coordinate that an expression is.
fn axis_of(expr: &ScalarExpr) -> Option<usize> {
    match expr.node() {
        ExprNode::Axis(axis) => Some(*axis),
        _ => None,
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
    let along = |read: &ScalarExpr| matches!(read.node(), ExprNode::Read { index, .. } if axes_of(index).is_some());
    expr.reads().into_iter().all(along)
}

/// Returns true if an expression reads a node.
fn reads(expr: &ScalarExpr, node: NodeId) -> bool {
    expr.reads().into_iter().any(|read| matches!(read.node(), ExprNode::Read { input, .. } if *input == node.0))
}

#[cfg(test)]
mod tests {
    use crate::error::TensorType;
    use crate::expr::ScalarExpr;
    use crate::fuse::{Group, groups};
    use crate::graph::FlowGraph;
    use crate::task::{Compute, ReduceOp, Task};
    use hidet::types::Scalar;
    use std::sync::Arc;

    /// Returns the kernel of a sum of terms, of which x is the input.
    fn group_of(shape: &[usize], output: &[usize], extents: &[usize], term: ScalarExpr) -> Group {
        let ty = |shape: &[usize]| TensorType::new(Scalar::F32, shape);
        let compute = Compute::Reduce { op: ReduceOp::Sum, extents: extents.to_vec(), term };
        let task = Arc::new(Task { name: "own", inputs: vec![ty(shape)], output: ty(output), compute });
        let mut graph = FlowGraph::default();
        let x = graph.input(ty(shape));
        let y = graph.apply(task, vec![x]);
        graph.output(y);
        groups(&graph).remove(0)
    }

    /// A term may read an input twice: here x[i, k] * x[k, i].
    #[test]
    fn each_read_of_a_term_is_an_operand() {
        let read = |index: [usize; 2]| ScalarExpr::read(0, Scalar::F32, index.map(ScalarExpr::axis).to_vec());
        let group = group_of(&[4, 4], &[4], &[4], read([0, 1]) * read([1, 0]));
        let term = group.fused.reductions[0].term();
        assert_eq!(term.to_string(), "v0 = x0[i0, i1]; v1 = x0[i1, i0]; v2 = mul(v0, v1)");
    }

    /// A term may read an input at an index that it reads, and compute with coordinates: here x[x[i]] + k.
    #[test]
    fn a_term_may_read_at_what_it_reads() {
        let [i, k] = [0, 1].map(ScalarExpr::axis);
        let index = ScalarExpr::read(0, Scalar::F32, vec![i]).cast(Scalar::I32);
        let term = ScalarExpr::read(0, Scalar::F32, vec![index]) + k.cast(Scalar::F32);
        let reduction = &group_of(&[4], &[4], &[3], term).fused.reductions[0];
        assert_eq!(reduction.operands.len(), 2);
        assert_eq!(
            reduction.term().to_string(),
            "v0 = x0[i0]; v1 = i32(v0); v2 = x0[v1]; v3 = f32(i1); v4 = add(v2, v3)"
        );
    }
}
