//! Emission into a kernel.

use super::{ExprNode, ScalarExpr};
use hidet::dsl::AnyExpr;
use std::collections::HashMap;

/// Emits an expression, whose axes and reads `leaf` gives.
#[track_caller]
pub(crate) fn emit(expr: &ScalarExpr, leaf: &mut dyn FnMut(&ScalarExpr) -> AnyExpr) -> AnyExpr {
    Emitter { leaf, done: HashMap::new() }.value(expr)
}

struct Emitter<'a> {
    leaf: &'a mut dyn FnMut(&ScalarExpr) -> AnyExpr,
    done: HashMap<usize, AnyExpr>,
}

impl Emitter<'_> {
    fn value(&mut self, expr: &ScalarExpr) -> AnyExpr {
        if let Some(done) = self.done.get(&expr.identity()) {
            return *done;
        }
        let value = match expr.node() {
            ExprNode::Axis(_) | ExprNode::Read { .. } => (self.leaf)(expr),
            ExprNode::Const(value) => AnyExpr::constant(*value),
            ExprNode::Unary(op, a) => self.value(a).unary(*op),
            ExprNode::Binary(op, a, b) => {
                let a = self.value(a);
                a.binary(*op, self.value(b))
            }
            ExprNode::Compare(op, a, b) => {
                let a = self.value(a);
                a.compare(*op, self.value(b))
            }
            ExprNode::Select(condition, a, b) => {
                let (condition, a) = (self.value(condition), self.value(a));
                condition.select(a, self.value(b))
            }
            ExprNode::Cast(a) => self.value(a).cast(expr.dtype()),
        };
        self.done.insert(expr.identity(), value);
        value
    }
}
