//! Scalar expressions as data: what one element of a result is, of coordinates and of elements of the inputs.
//!
//! An expression says what is computed, not how: the host [evaluates](ScalarExpr::eval) it in `f64`, a kernel
//! [emits](emit) it, and fusion [substitutes](ScalarExpr::substitute) one into another. Equal parts that are shared in
//! memory are evaluated and emitted once.

pub(crate) mod activation;
mod affine;
mod bounds;
mod build;
pub(crate) mod emit;
mod eval;
mod hash;
mod precision;
mod rewrite;
mod text;

pub use build::IntoScalar;
pub use eval::Element64;
pub(crate) use eval::Program;
pub(crate) use hash::{Mixed, Mixer};
pub use precision::Precision;

use hidet::ir::{BinaryOp, CompareOp, UnaryOp};
use hidet::types::{Const, Scalar};
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;

/// A scalar expression. Cloning shares it.
#[derive(Clone, Debug)]
pub struct ScalarExpr(Arc<Typed>);

#[derive(Debug)]
struct Typed {
    dtype: Scalar,
    node: ExprNode,
    /// Equal for expressions that are the same.
    hash: u64,
}

/// How a scalar expression is computed.
#[derive(Clone, Debug)]
pub enum ExprNode {
    /// A coordinate of the result, or behind these, of a reduction: an `i32`.
    Axis(usize),
    /// A number.
    Const(Const),
    /// An element of an input, 0 outside of it. An index that is a coordinate itself goes along the whole axis.
    Read {
        /// The number of the input.
        input: usize,
        /// One `i32` per axis of the input.
        index: Vec<ScalarExpr>,
    },
    /// An operation on one value.
    Unary(UnaryOp, ScalarExpr),
    /// An operation on two values of one type.
    Binary(BinaryOp, ScalarExpr, ScalarExpr),
    /// A comparison of two values of one type: a `bool`.
    Compare(CompareOp, ScalarExpr, ScalarExpr),
    /// The second if the first is true, else the third.
    Select(ScalarExpr, ScalarExpr, ScalarExpr),
    /// A conversion to the type of this expression, as Rust's `as`.
    Cast(ScalarExpr),
}

impl ScalarExpr {
    pub(crate) fn new(dtype: Scalar, node: ExprNode) -> ScalarExpr {
        let mut hasher = Mixer::default();
        (dtype, mem::discriminant(&node)).hash(&mut hasher);
        match &node {
            ExprNode::Axis(axis) => axis.hash(&mut hasher),
            ExprNode::Const(value) => value.bits.hash(&mut hasher),
            ExprNode::Read { input, index } => {
                input.hash(&mut hasher);
                index.iter().for_each(|index| index.hash().hash(&mut hasher));
            }
            ExprNode::Unary(op, a) => (op, a.hash()).hash(&mut hasher),
            ExprNode::Binary(op, a, b) => (op, a.hash(), b.hash()).hash(&mut hasher),
            ExprNode::Compare(op, a, b) => (op, a.hash(), b.hash()).hash(&mut hasher),
            ExprNode::Select(a, b, c) => (a.hash(), b.hash(), c.hash()).hash(&mut hasher),
            ExprNode::Cast(a) => a.hash().hash(&mut hasher),
        }
        ScalarExpr(Arc::new(Typed { dtype, node, hash: hasher.finish() }))
    }

    /// Returns the type of the value.
    pub fn dtype(&self) -> Scalar {
        self.0.dtype
    }

    /// Returns how it is computed.
    pub fn node(&self) -> &ExprNode {
        &self.0.node
    }

    /// Returns the expressions that it is computed from.
    pub fn operands(&self) -> Vec<&ScalarExpr> {
        match self.node() {
            ExprNode::Axis(_) | ExprNode::Const(_) => Vec::new(),
            ExprNode::Read { index, .. } => index.iter().collect(),
            ExprNode::Unary(_, a) | ExprNode::Cast(a) => vec![a],
            ExprNode::Binary(_, a, b) | ExprNode::Compare(_, a, b) => vec![a, b],
            ExprNode::Select(a, b, c) => vec![a, b, c],
        }
    }

    /// Returns a number that is equal for expressions that are [the same](ScalarExpr::is_same).
    pub(crate) fn hash(&self) -> u64 {
        self.0.hash
    }

    /// Returns true if it is part of several expressions, or several times part of one.
    fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Returns a number that tells shared expressions apart.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }
}

/// Returns for each axis of an input the coordinate at which an index reads it, `None` where that is 0; or nothing for any
/// other index. No coordinate is read twice.
pub(crate) fn axes_of(index: &[ScalarExpr]) -> Option<Vec<Option<usize>>> {
    let axis = |index: &ScalarExpr| match index.node() {
        ExprNode::Axis(axis) => Some(Some(*axis)),
        ExprNode::Const(value) if value.bits == 0 => Some(None),
        _ => None,
    };
    let axes: Vec<Option<usize>> = index.iter().map(axis).collect::<Option<_>>()?;
    let once = |at: usize| axes[at].is_none() || !axes[..at].contains(&axes[at]);
    (0..axes.len()).all(once).then_some(axes)
}

/// Returns for each axis of an input the coordinate behind whose start an index reads it, `None` where it reads the start alone,
/// and the starts; or nothing for any other index, and if it leaves the input with this shape. `extents` are those of the
/// coordinates, of which none is read twice.
pub(crate) fn part_of(
    index: &[ScalarExpr],
    extents: &[usize],
    shape: &[usize],
) -> Option<(Vec<Option<usize>>, Vec<usize>)> {
    let place = |expr: &ScalarExpr| {
        let (mut factors, start) = expr.affine()?;
        factors.retain(|_, factor| *factor != 0);
        let axis = match factors.pop_first() {
            Some((axis, 1)) => Some(axis),
            None => None,
            _ => return None,
        };
        factors.is_empty().then_some((axis, usize::try_from(start).ok()?))
    };
    let (axes, starts): (Vec<Option<usize>>, Vec<usize>) =
        index.iter().map(place).collect::<Option<Vec<_>>>()?.into_iter().unzip();
    let once = |at: usize| axes[at].is_none() || !axes[..at].contains(&axes[at]);
    let inside = |at: usize| starts[at] + axes[at].map_or(1, |axis| extents[axis]) <= shape[at];
    (0..axes.len()).all(|at| once(at) && inside(at)).then_some((axes, starts))
}
