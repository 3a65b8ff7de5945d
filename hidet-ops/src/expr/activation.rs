//! Activations that have quick forms for results of 16 bits.

use super::{ExprNode, ScalarExpr};
use hidet::dsl::{AnyExpr, Expr};
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

/// Returns `x / 2 * (1 + erf(x / sqrt(2)))`.
pub(crate) fn gelu(x: &ScalarExpr) -> ScalarExpr {
    let erf = (x * std::f64::consts::FRAC_1_SQRT_2).unary(UnaryOp::Erf);
    x * 0.5 * (erf + 1.0)
}

/// Returns `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: &ScalarExpr) -> ScalarExpr {
    x.same(1.0) / (x.unary(UnaryOp::Neg).unary(UnaryOp::Exp) + 1.0)
}

/// Returns `x / (1 + exp(-x))`.
pub(crate) fn silu(x: &ScalarExpr) -> ScalarExpr {
    x * sigmoid(x)
}

/// A function of few instructions, good enough for a result of 16 bits: the nearest one almost always.
type Quick = fn(Expr<f32>) -> Expr<f32>;

/// Returns what a value of `f32` that is rounded to a type is a function of, if there is a quick form of the function.
pub(super) fn quick(value: &ScalarExpr, rounded: Scalar) -> Option<(&ScalarExpr, impl Fn(AnyExpr) -> AnyExpr)> {
    if value.dtype() != Scalar::F32 || ![Scalar::F16, Scalar::BF16].contains(&rounded) {
        return None;
    }
    let ExprNode::Binary(_, left, _) = value.node() else { return None };
    let inner = match left.node() {
        ExprNode::Binary(_, inner, _) => Some(inner),
        _ => None,
    };
    let known: [(Option<&ScalarExpr>, fn(&ScalarExpr) -> ScalarExpr, Quick); 2] =
        [(inner, gelu, hidet::blocks::gelu), (Some(left), silu, hidet::blocks::silu)];
    known.into_iter().find_map(|(x, whole, quick)| {
        let x = x.filter(|x| x.dtype() == Scalar::F32 && value.is_same(&whole(x)))?;
        Some((x, move |x: AnyExpr| AnyExpr::from(quick(x.typed::<f32>()))))
    })
}
