//! The text of expressions, for people and as the key of compiled kernels.

use super::{ExprNode, ScalarExpr};
use hidet::ir::eval;
use std::collections::HashMap;
use std::fmt;

impl fmt::Display for ScalarExpr {
    /// Writes one line for each value that is not a coordinate or a constant, so that shared parts are written once.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut names, mut lines) = (HashMap::new(), Vec::new());
        self.visit(&mut |expr| {
            let name = |expr: &ScalarExpr| names.get(&expr.identity()).map_or("?", String::as_str);
            let list = |exprs: &[&ScalarExpr]| exprs.iter().map(|expr| name(expr)).collect::<Vec<_>>().join(", ");
            let operands = list(&expr.operands());
            let text = match expr.node() {
                ExprNode::Axis(axis) => format!("i{axis}"),
                ExprNode::Const(value) => format!("{}{}", eval::number(value.scalar, value.bits), value.scalar),
                ExprNode::Read { input, .. } => format!("x{input}[{operands}]"),
                ExprNode::Unary(op, _) => format!("{}({operands})", op.name()),
                ExprNode::Binary(op, ..) => format!("{}({operands})", op.name()),
                ExprNode::Compare(op, ..) => format!("{}({operands})", op.name()),
                ExprNode::Select(..) => format!("select({operands})"),
                ExprNode::Cast(_) => format!("{}({operands})", expr.dtype()),
            };
            let name = match expr.node() {
                ExprNode::Axis(_) | ExprNode::Const(_) => text,
                _ => {
                    let name = format!("v{}", lines.len());
                    lines.push(format!("{name} = {text}"));
                    name
                }
            };
            names.insert(expr.identity(), name);
        });
        match lines.is_empty() {
            true => write!(f, "{}", names.get(&self.identity()).map_or("?", String::as_str)),
            false => write!(f, "{}", lines.join("; ")),
        }
    }
}
