//! Activations of neural networks. All are for floats; those of 16 bits are computed in `f32` and rounded once: GELU and SiLU by
//! quick forms (`hidet_blocks::gelu`), whose results are the nearest almost always.

use super::refused;
use crate::composed::composed;
use crate::error::Result;
use crate::expr::ScalarExpr;
use crate::expr::activation::{gelu, sigmoid, silu};
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;

/// `log(1 + exp(x))`, without overflow.
fn softplus(x: &ScalarExpr) -> ScalarExpr {
    x.max(0.0) + x.unary(UnaryOp::Abs).unary(UnaryOp::Neg).unary(UnaryOp::Exp).unary(UnaryOp::Log1p)
}

/// `x` limited to `low ..= high`.
fn limited(x: &ScalarExpr, low: f64, high: f64) -> ScalarExpr {
    let (low, high) = (x.same(low), x.same(high));
    x.lt(&low).select(&low, &x.gt(&high).select(&high, x))
}

macro_rules! activations {
    ($($(#[$doc:meta])* $name:ident($x:ident $(, $parameter:ident)*) = $value:expr;)*) => {
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            ///
            /// If the elements are not floats.
            pub fn $name(&self $(, $parameter: f64)*) -> Result<Tensor> {
                self.only_floats(stringify!($name))?;
                composed(stringify!($name), &[$($parameter.to_bits()),*], &[self], || self.each(stringify!($name), |$x| $value))
            }
        )*}
    };
}

activations! {
    /// Returns `1 / (1 + exp(-x))` of each element.
    sigmoid(x) = sigmoid(&x);
    /// Returns `log(sigmoid(x))` of each element.
    log_sigmoid(x) = softplus(&x.unary(UnaryOp::Neg)).unary(UnaryOp::Neg);
    /// Returns `min(max(slope * x + offset, 0), 1)` of each element.
    hard_sigmoid(x, slope, offset) = limited(&(&x * slope + offset), 0.0, 1.0);
    /// Returns `x / 2 * (1 + erf(x / sqrt(2)))` of each element.
    gelu(x) = gelu(&x);
    /// Returns `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))` of each element.
    gelu_tanh(x) = {
        let inner = (&x + &(&x * &x) * &x * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
        &x * 0.5 * (inner.unary(UnaryOp::Tanh) + 1.0)
    };
    /// Returns `x * sigmoid(x)` of each element.
    silu(x) = silu(&x);
    /// Returns `x * min(max(x + 3, 0), 6) / 6` of each element.
    hard_swish(x) = &x * limited(&(&x + 3.0), 0.0, 6.0) / 6.0;
    /// Returns `x * tanh(softplus(x))` of each element.
    mish(x) = &x * softplus(&x).unary(UnaryOp::Tanh);
    /// Returns each element limited to 0 ..= 6.
    relu6(x) = limited(&x, 0.0, 6.0);
    /// Returns each element limited to `low ..= high`.
    hard_tanh(x, low, high) = limited(&x, low, high);
    /// Returns each element, those less than 0 times `slope`.
    leaky_relu(x, slope) = x.lt(0.0).select(&(&x * slope), &x);
    /// Returns each element, for those less than 0 `alpha * (exp(x) - 1)`.
    elu(x, alpha) = x.lt(0.0).select(&(x.unary(UnaryOp::Expm1) * alpha), &x);
    /// Returns `scale * x` of each element, for those less than 0 `scale * alpha * (exp(x) - 1)`, with the constants of
    /// "Self-Normalizing Neural Networks", NeurIPS 2017.
    selu(x) = {
        let below = x.unary(UnaryOp::Expm1) * 1.673_263_242_354_377_2;
        x.lt(0.0).select(&below, &x) * 1.050_700_987_355_480_5
    };
    /// Returns `max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)` of each element.
    celu(x, alpha) = x.max(0.0) + ((&x / alpha).unary(UnaryOp::Expm1) * alpha).min(0.0);
    /// Returns `log(1 + exp(x))` of each element.
    softplus(x) = softplus(&x);
    /// Returns `x / (1 + |x|)` of each element.
    softsign(x) = &x / (x.unary(UnaryOp::Abs) + 1.0);
    /// Returns each element, 0 for those from `-lambda` to `lambda`.
    hard_shrink(x, lambda) = {
        let outside = x.gt(lambda) | x.lt(-lambda);
        outside.select(&x, &x.same(0.0))
    };
    /// Returns each element moved by `lambda` towards 0, at most to 0.
    soft_shrink(x, lambda) = x.gt(lambda).select(&(&x - lambda), &x.lt(-lambda).select(&(&x + lambda), &x.same(0.0)));
    /// Returns `x - tanh(x)` of each element.
    tanh_shrink(x) = &x - x.unary(UnaryOp::Tanh);
    /// Returns each element that is more than `threshold`, `value` for the others.
    threshold(x, threshold, value) = x.gt(threshold).select(&x, &x.same(value));
}

impl Tensor {
    /// Returns each element, those less than 0 times that of `slope`, which is broadcast.
    ///
    /// # Errors
    ///
    /// If the elements are not floats of one type, or the slope does not broadcast to the shape of the tensor.
    pub fn prelu(&self, slope: &Tensor) -> Result<Tensor> {
        self.only_floats("prelu")?;
        let result = self.both_by("prelu", slope, |x, slope| x.lt(0.0).select(&(x * slope), x))?;
        match result.shape() == self.shape() {
            true => Ok(result),
            false => {
                Err(refused("prelu", &[self.ty(), slope.ty()], "the slope is larger than what it is multiplied with"))
            }
        }
    }
}
