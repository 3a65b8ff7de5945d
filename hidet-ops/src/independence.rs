//! Proofs that the rows of a graph are independent: what it computes of many rows is, row by row, what it computes of few.
//!
//! Two graphs are compared: of many rows, and of fewer. Each tensor of them is the same in both, or has rows: `times` elements of
//! its first axis for each row. By induction over the nodes, row `b` of a tensor with rows is made of row `b` of the inputs in
//! the same way in both: its definition is the same, and each index at which it reads a tensor with rows is proved to stay in
//! row `b` ([`Span`]). So results of few rows are the first ones of many, whatever the other rows have. What cannot be
//! proved is refused, such as rows that are read at indices which are elements of tensors, whatever these are, and kernels of
//! users, of which nothing is known. Kernels may add in another order for another number of rows, as they may for any other shape.

use crate::expr::{ExprNode, ScalarExpr};
use crate::graph::{FlowGraph, NodeId, Origin};
use crate::task::{Compute, Task};
use hidet::ir::{BinaryOp, eval};
use std::collections::HashMap;

/// What a tensor has of the rows: `times` elements of its first axis for each, or the tensor is the same for any number of rows.
type Rows = Option<usize>;

/// The node of the graph of many rows of which independence is not proved.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mixed {
    pub(crate) node: NodeId,
    pub(crate) why: String,
}

/// Proves that results of `few` rows are the first ones of `many`, of which there are more, or returns the first node for which
/// that is not proved. The graphs begin with `given` inputs; `is_constant` returns true if another input of the first graph has
/// in front the same elements as one of the second, which are there before a run.
///
/// # Errors
///
/// Those of `is_constant`.
pub(crate) fn prove<E>(
    [large, small]: [&FlowGraph; 2],
    [many, few]: [usize; 2],
    given: usize,
    is_constant: &mut dyn FnMut(NodeId, NodeId) -> Result<bool, E>,
) -> Result<Result<(), Mixed>, E> {
    // Nodes of equal graphs may have other numbers, as some operators are put together once.
    let [(order, places), (others, other_places)] = [large, small].map(|graph| ordered(graph, given));
    let (mut rows, mut others) = (Vec::<Rows>::new(), others.into_iter().map(|node| small.node(node)));
    for node in order.into_iter().map(|node| large.node(node)) {
        let refused = |why: String| Ok(Err(Mixed { node: node.id, why }));
        let Some(other) = others.next() else {
            return refused(format!("{few} rows are computed by fewer operators than {many}"));
        };
        let own = match (&node.ty.shape[..], &other.ty.shape[..]) {
            _ if node.ty.dtype != other.ty.dtype => None,
            (a, b) if a == b => Some(None),
            ([a, rest @ ..], [b, others @ ..]) if rest == others && a % many == 0 && a / many * few == *b => {
                Some(Some(a / many))
            }
            _ => None,
        };
        let Some(own) = own else {
            let types = format!("{} for {many} rows and {} for {few}", node.ty, other.ty);
            return refused(format!("it is {types}, where rows are not the first axis alone"));
        };
        match (&node.origin, &other.origin) {
            (Origin::Input, Origin::Input) => {
                if node.id.0 >= given && !is_constant(node.id, other.id)? {
                    return refused("it has other elements for another number of rows".to_owned());
                }
            }
            (Origin::Task { task, inputs }, Origin::Task { task: again, inputs: others }) => {
                let inputs: Vec<usize> = inputs.iter().map(|input| places[input.0]).collect();
                let inputs_of: Vec<Rows> = inputs.iter().map(|input| rows[*input]).collect();
                let same = inputs.iter().copied().eq(others.iter().map(|other| other_places[other.0]));
                let same = same && task.name == again.name && task.compute.is_same(&again.compute);
                let stays = stays_in_rows(task, own, &inputs_of, many);
                if let Err(why) = stays {
                    return refused(why);
                }
                if !same {
                    return refused(format!("what it computes is another for {many} rows than for {few}"));
                }
            }
            _ => return refused(format!("it is computed in another way for {many} rows than for {few}")),
        }
        rows.push(own);
    }
    let outputs = [(large, &places), (small, &other_places)]
        .map(|(graph, places)| graph.outputs().iter().map(|output| places[output.0]).collect::<Vec<usize>>());
    if outputs[0] != outputs[1] || others.next().is_some() {
        let node = large.outputs().last().copied().unwrap_or(NodeId(0));
        return Ok(Err(Mixed { node, why: format!("{many} rows are computed by fewer operators than {few}") }));
    }
    Ok(Ok(()))
}

/// Returns the nodes of a graph in an order that does not depend on their numbers, and the place of each node in it: first those that
/// are given, then each node behind its inputs, as they are found from the outputs.
fn ordered(graph: &FlowGraph, given: usize) -> (Vec<NodeId>, Vec<usize>) {
    let mut places = vec![usize::MAX; graph.nodes().count()];
    let (mut order, mut open) = (Vec::new(), Vec::new());
    let outputs = graph.outputs().iter().rev().copied();
    open.extend(outputs.chain((0..given).rev().map(NodeId)).map(|node| (node, false)));
    while let Some((node, has_inputs)) = open.pop() {
        if places[node.0] != usize::MAX {
            continue;
        }
        match &graph.node(node).origin {
            Origin::Task { inputs, .. } if !has_inputs => {
                open.push((node, true));
                open.extend(inputs.iter().rev().map(|input| (*input, false)));
            }
            _ => {
                places[node.0] = order.len();
                order.push(node);
            }
        }
    }
    (order, places)
}

/// Returns an error if a task may read other rows than its own, of which it has these, and its inputs have those.
fn stays_in_rows(task: &Task, own: Rows, inputs: &[Rows], many: usize) -> Result<(), String> {
    if inputs.iter().all(Option::is_none) {
        return Ok(());
    }
    let mut extents = task.output.shape.clone();
    let (expr, along) = match &task.compute {
        // The same elements in the same order, rows outermost.
        Compute::Reshape => return Ok(()),
        Compute::Kernel(_) => return Err("it is a kernel of its own, of which nothing is known".to_owned()),
        Compute::Each(value) => (value, None),
        Compute::Reduce { extents: further, term, .. } => {
            extents.extend(further);
            (term, None)
        }
        Compute::Scan { axis, term } => (term, Some(*axis)),
        Compute::Order { axis, len, term, .. } => {
            if let Some(extent) = extents.get_mut(*axis) {
                *extent = *len;
            }
            (term, Some(*axis))
        }
    };
    let mut spans = Spans { times: own, many, extents: &extents, known: HashMap::new() };
    for read in expr.reads() {
        let ExprNode::Read { input, index } = read.node() else { continue };
        let Some(times) = inputs.get(*input).copied().flatten() else { continue };
        let ty = &task.inputs[*input];
        if own.is_none() {
            return Err(format!("its result {} is made of all rows of {ty}", task.output));
        }
        if along == Some(0) {
            return Err(format!("it goes from row to row of {ty}"));
        }
        let times = i64::try_from(times).map_err(|_| "it has too many elements".to_owned())?;
        let stays = |span: Span| span.per_row == times && span.least >= 0 && span.most < times;
        if !index.first().and_then(|index| spans.of(index)).is_some_and(stays) {
            return Err(format!("it may read other rows of {ty} than its own"));
        }
    }
    Ok(())
}

/// An integer in row `b`: `per_row * b` and a number from `least` to `most`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Span {
    per_row: i64,
    least: i64,
    most: i64,
}

/// The spans of expressions of one task, whose result has `times` elements of its first axis for each of `many` rows.
struct Spans<'a> {
    times: Rows,
    many: usize,
    extents: &'a [usize],
    known: HashMap<usize, Option<Span>>,
}

impl Spans<'_> {
    fn of(&mut self, expr: &ScalarExpr) -> Option<Span> {
        if let Some(known) = self.known.get(&expr.identity()) {
            return *known;
        }
        let span = self.computed(expr).filter(|span| self.fits(expr, span));
        self.known.insert(expr.identity(), span);
        span
    }

    /// Returns true if no row has a number that the type has not: what overflows may be any number.
    fn fits(&self, expr: &ScalarExpr, span: &Span) -> bool {
        let (least, most) = eval::int_range(expr.dtype());
        let last = i128::from(span.per_row) * (self.many as i128 - 1);
        i128::from(span.least) + last.min(0) >= least && i128::from(span.most) + last.max(0) <= most
    }

    fn computed(&mut self, expr: &ScalarExpr) -> Option<Span> {
        if !expr.dtype().is_int() {
            return None;
        }
        let span = |per_row, least, most| Some(Span { per_row, least, most });
        match expr.node() {
            ExprNode::Axis(axis) => {
                let (per_row, extent) = match (axis, self.times) {
                    (0, Some(times)) => (times, times),
                    _ => (0, *self.extents.get(*axis)?),
                };
                span(i64::try_from(per_row).ok()?, 0, (i64::try_from(extent).ok()? - 1).max(0))
            }
            ExprNode::Const(value) => value.as_int().and_then(|value| span(0, value, value)),
            ExprNode::Binary(op, a, b) => {
                let (a, b) = (self.of(a)?, self.of(b)?);
                let number = (b.per_row == 0 && b.least == b.most).then_some(b.least);
                match (op, number) {
                    (BinaryOp::Add, _) => span(
                        a.per_row.checked_add(b.per_row)?,
                        a.least.checked_add(b.least)?,
                        a.most.checked_add(b.most)?,
                    ),
                    (BinaryOp::Sub, _) => span(
                        a.per_row.checked_sub(b.per_row)?,
                        a.least.checked_sub(b.most)?,
                        a.most.checked_sub(b.least)?,
                    ),
                    (BinaryOp::Mul, Some(by)) => {
                        let [x, y] = [a.least.checked_mul(by)?, a.most.checked_mul(by)?];
                        span(a.per_row.checked_mul(by)?, x.min(y), x.max(y))
                    }
                    // Of numbers from 0 on, of which the part before is a multiple.
                    (BinaryOp::Div, Some(by)) if by > 0 && a.per_row >= 0 && a.per_row % by == 0 && a.least >= 0 => {
                        span(a.per_row / by, a.least / by, a.most / by)
                    }
                    (BinaryOp::Rem, Some(by)) if by > 0 && a.per_row >= 0 && a.least >= 0 => {
                        match a.per_row % by == 0 && a.most < by {
                            true => span(0, a.least, a.most),
                            false => span(0, 0, by - 1),
                        }
                    }
                    (BinaryOp::Min, _) if a.per_row == b.per_row => {
                        span(a.per_row, a.least.min(b.least), a.most.min(b.most))
                    }
                    (BinaryOp::Max, _) if a.per_row == b.per_row => {
                        span(a.per_row, a.least.max(b.least), a.most.max(b.most))
                    }
                    _ => None,
                }
            }
            ExprNode::Select(_, a, b) => {
                let (a, b) = (self.of(a)?, self.of(b)?);
                (a.per_row == b.per_row).then_some(())?;
                span(a.per_row, a.least.min(b.least), a.most.max(b.most))
            }
            ExprNode::Cast(a) if a.dtype().is_int() => self.of(a),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hidet::types::Scalar;

    /// Of 4 rows with 6 elements each of the first axis, and 5 of another.
    #[test]
    fn spans_are_in_their_row() {
        let (i, j) = (ScalarExpr::axis(0), ScalarExpr::axis(1));
        let of = |expr: &ScalarExpr| {
            let mut spans = Spans { times: Some(6), many: 4, extents: &[24, 5], known: HashMap::new() };
            spans.of(expr).map(|span| (span.per_row, span.least, span.most))
        };
        assert_eq!(of(&i), Some((6, 0, 5)));
        assert_eq!(of(&(&i * 5usize + &j)), Some((30, 0, 29)));
        assert_eq!(of(&((&i * 5usize + &j) / 10usize)), Some((3, 0, 2)));
        assert_eq!(of(&(&i / 6usize)), Some((1, 0, 0)));
        assert_eq!(of(&(&i / 3usize * 3usize + &i % 3usize)), Some((6, 0, 5)));
        // Half of the next row, a row that is another one, and a number that depends on elements.
        assert_eq!(of(&(&i + 1usize)), Some((6, 1, 6)));
        assert_eq!(of(&(&i / 4usize)), None);
        assert_eq!(of(&(&i - &i)), Some((0, -5, 5)));
        assert_eq!(of(&ScalarExpr::read(0, Scalar::I32, vec![i.clone()])), None);
        assert_eq!(of(&i.lt(&j).select(&i, &(&i + &j))), Some((6, 0, 9)));
        assert_eq!(of(&i.lt(&j).select(&i, &j)), None);
        assert_eq!(of(&(i.same(23.0) - &i)), Some((-6, 18, 23)));
        assert_eq!(of(&(&i - 1usize).max(&i - 1usize)), Some((6, -1, 4)));
        // A product that overflows in a later row.
        assert_eq!(of(&(&i * 200_000_000i64)), None);
        assert_eq!(of(&(&i * 90_000_000i64)), Some((540_000_000, 0, 450_000_000)));
    }
}
