//! Expressions made of others.

use super::{ExprNode, Mixed, ScalarExpr};
use std::collections::{HashMap, HashSet};

impl ScalarExpr {
    /// Returns the expression with every axis and every read replaced; `None` keeps it, with the operands replaced.
    pub fn substitute(&self, replace: &mut dyn FnMut(&ScalarExpr) -> Option<ScalarExpr>) -> ScalarExpr {
        Rewriter { replace, done: HashMap::new() }.value(self)
    }

    /// Returns the expression with other coordinates.
    pub fn at(&self, axes: &[ScalarExpr]) -> ScalarExpr {
        self.substitute(&mut |expr| match expr.node() {
            ExprNode::Axis(axis) => axes.get(*axis).cloned(),
            _ => None,
        })
    }

    /// Returns the distinct elements of inputs that it is made of, in the order in which they are read.
    pub fn reads(&self) -> Vec<&ScalarExpr> {
        let mut reads = Vec::new();
        self.visit(&mut |expr| {
            if matches!(expr.node(), ExprNode::Read { .. }) {
                reads.push(expr);
            }
        });
        reads
    }

    /// Returns the distinct elements of inputs and coordinates that it is made of, in order, but not those that are in the
    /// index of an element only.
    pub(crate) fn leaves(&self) -> Vec<&ScalarExpr> {
        let (mut leaves, mut seen, mut open) = (Vec::new(), HashSet::new(), vec![self]);
        while let Some(expr) = open.pop() {
            if !seen.insert(expr.identity()) {
                continue;
            }
            match expr.node() {
                ExprNode::Axis(_) | ExprNode::Read { .. } => leaves.push(expr),
                _ => open.extend(expr.operands().into_iter().rev()),
            }
        }
        leaves
    }

    /// Returns the expression with other leaves, of which there are as many.
    pub(crate) fn with_leaves(&self, new: &[ScalarExpr]) -> ScalarExpr {
        // What is done is not looked into.
        let done = self.leaves().into_iter().map(ScalarExpr::identity).zip(new.iter().cloned()).collect();
        Rewriter { replace: &mut |_| None, done }.value(self)
    }

    /// Returns true if another expression computes the same in the same way.
    pub(crate) fn is_same(&self, other: &ScalarExpr) -> bool {
        self.is_same_beside(other, &mut HashSet::default())
    }

    /// The same; `seen` are pairs of shared expressions that are the same.
    fn is_same_beside(&self, other: &ScalarExpr, seen: &mut HashSet<[usize; 2], Mixed>) -> bool {
        if self.identity() == other.identity() {
            return true;
        }
        if self.hash() != other.hash() || self.dtype() != other.dtype() {
            return false;
        }
        if self.is_shared() && other.is_shared() && !seen.insert([self.identity(), other.identity()]) {
            return true;
        }
        let mut same = |a: &ScalarExpr, b: &ScalarExpr| a.is_same_beside(b, seen);
        match (self.node(), other.node()) {
            (ExprNode::Axis(a), ExprNode::Axis(b)) => a == b,
            (ExprNode::Const(a), ExprNode::Const(b)) => a.bits == b.bits,
            (ExprNode::Read { input: a, index: x }, ExprNode::Read { input: b, index: y }) => {
                a == b && x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y))
            }
            (ExprNode::Unary(p, a), ExprNode::Unary(q, b)) => p == q && same(a, b),
            (ExprNode::Binary(p, a, b), ExprNode::Binary(q, x, y)) => p == q && same(a, x) && same(b, y),
            (ExprNode::Compare(p, a, b), ExprNode::Compare(q, x, y)) => p == q && same(a, x) && same(b, y),
            (ExprNode::Select(a, b, c), ExprNode::Select(x, y, z)) => same(a, x) && same(b, y) && same(c, z),
            (ExprNode::Cast(a), ExprNode::Cast(b)) => same(a, b),
            _ => false,
        }
    }

    /// Calls `f` once for each distinct expression that this one is made of, operands first.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a ScalarExpr)) {
        let mut seen = HashSet::new();
        self.visit_new(&mut seen, f);
    }

    fn visit_new<'a>(&'a self, seen: &mut HashSet<usize>, f: &mut dyn FnMut(&'a ScalarExpr)) {
        if seen.insert(self.identity()) {
            for operand in self.operands() {
                operand.visit_new(seen, f);
            }
            f(self);
        }
    }
}

struct Rewriter<'a> {
    replace: &'a mut dyn FnMut(&ScalarExpr) -> Option<ScalarExpr>,
    done: HashMap<usize, ScalarExpr>,
}

impl ScalarExpr {
    /// Returns the same operation on other operands, of which there are as many.
    fn with_operands(&self, operands: Vec<ScalarExpr>) -> ScalarExpr {
        let node = match (self.node(), operands.as_slice()) {
            (ExprNode::Read { input, .. }, _) => ExprNode::Read { input: *input, index: operands },
            (ExprNode::Unary(op, _), [a]) => ExprNode::Unary(*op, a.clone()),
            (ExprNode::Cast(_), [a]) => ExprNode::Cast(a.clone()),
            (ExprNode::Binary(op, ..), [a, b]) => ExprNode::Binary(*op, a.clone(), b.clone()),
            (ExprNode::Compare(op, ..), [a, b]) => ExprNode::Compare(*op, a.clone(), b.clone()),
            (ExprNode::Select(..), [a, b, c]) => ExprNode::Select(a.clone(), b.clone(), c.clone()),
            (node, _) => node.clone(),
        };
        ScalarExpr::new(self.dtype(), node)
    }
}

impl Rewriter<'_> {
    fn value(&mut self, expr: &ScalarExpr) -> ScalarExpr {
        if let Some(done) = self.done.get(&expr.identity()) {
            return done.clone();
        }
        // A read is offered with its index replaced, so that what replaces it may use that. What has not changed stays the
        // same expression.
        let before = expr.operands();
        let after: Vec<ScalarExpr> = before.iter().map(|operand| self.value(operand)).collect();
        let same = before.iter().zip(&after).all(|(before, after)| before.identity() == after.identity());
        let own = if same { expr.clone() } else { expr.with_operands(after) };
        let new = (self.replace)(&own).unwrap_or(own);
        self.done.insert(expr.identity(), new.clone());
        new
    }
}
