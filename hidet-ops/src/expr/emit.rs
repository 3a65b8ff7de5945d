//! Emission into a kernel.

use super::activation::quick;
use super::{ExprNode, ScalarExpr, axes_of};
use hidet::dsl::AnyExpr;
use std::collections::HashMap;

/// Returns the value of a coordinate, or of an element of an input; of one at a computed index, that comes too.
pub(crate) type Leaf<'a> = dyn FnMut(&ScalarExpr, &[AnyExpr]) -> AnyExpr + 'a;

/// Emits an expression, whose coordinates and elements of inputs `leaf` gives.
#[track_caller]
pub(crate) fn emit(expr: &ScalarExpr, leaf: &mut Leaf) -> AnyExpr {
    Emitter { leaf, done: HashMap::new() }.value(expr)
}

struct Emitter<'a, 'b> {
    leaf: &'a mut Leaf<'b>,
    done: HashMap<usize, AnyExpr>,
}

impl Emitter<'_, '_> {
    fn value(&mut self, expr: &ScalarExpr) -> AnyExpr {
        if let Some(done) = self.done.get(&expr.identity()) {
            return *done;
        }
        let value = match expr.node() {
            ExprNode::Axis(_) => (self.leaf)(expr, &[]),
            ExprNode::Read { index, .. } if axes_of(index).is_some() => (self.leaf)(expr, &[]),
            ExprNode::Read { index, .. } => {
                let index: Vec<AnyExpr> = index.iter().map(|index| self.value(index)).collect();
                (self.leaf)(expr, &index)
            }
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
            ExprNode::Cast(a) => match quick(a, expr.dtype()) {
                Some((x, quick)) => quick(self.value(x)).cast(expr.dtype()),
                None => self.value(a).cast(expr.dtype()),
            },
        };
        self.done.insert(expr.identity(), value);
        value
    }
}
