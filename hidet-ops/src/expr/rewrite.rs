//! Expressions made of others.

use super::{ExprNode, ScalarExpr};
use std::collections::HashMap;

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

    /// Calls `f` once for each distinct expression that this one is made of, operands first.
    pub fn visit<'a>(&'a self, f: &mut dyn FnMut(&'a ScalarExpr)) {
        let mut seen = std::collections::HashSet::new();
        self.visit_new(&mut seen, f);
    }

    fn visit_new<'a>(&'a self, seen: &mut std::collections::HashSet<usize>, f: &mut dyn FnMut(&'a ScalarExpr)) {
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

impl Rewriter<'_> {
    fn value(&mut self, expr: &ScalarExpr) -> ScalarExpr {
        if let Some(done) = self.done.get(&expr.identity()) {
            return done.clone();
        }
        // A read is offered with its index replaced, so that what replaces it may use that.
        let own = match expr.node() {
            ExprNode::Axis(_) | ExprNode::Const(_) => expr.clone(),
            node => {
                let node = match node {
                    ExprNode::Read { input, index } => {
                        ExprNode::Read { input: *input, index: index.iter().map(|index| self.value(index)).collect() }
                    }
                    ExprNode::Unary(op, a) => ExprNode::Unary(*op, self.value(a)),
                    ExprNode::Binary(op, a, b) => ExprNode::Binary(*op, self.value(a), self.value(b)),
                    ExprNode::Compare(op, a, b) => ExprNode::Compare(*op, self.value(a), self.value(b)),
                    ExprNode::Select(a, b, c) => ExprNode::Select(self.value(a), self.value(b), self.value(c)),
                    ExprNode::Cast(a) => ExprNode::Cast(self.value(a)),
                    ExprNode::Axis(_) | ExprNode::Const(_) => node.clone(),
                };
                ScalarExpr::new(expr.dtype(), node)
            }
        };
        let new = (self.replace)(&own).unwrap_or(own);
        self.done.insert(expr.identity(), new.clone());
        new
    }
}
