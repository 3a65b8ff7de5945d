//! [`Precision`]: how products of `f32` are computed.

use super::ScalarExpr;
use hidet::types::Scalar;

/// How factors of `f32` are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    F32,
    /// Rounded or truncated to tf32, which has 10 bits of mantissa, as tensor cores read them.
    Tf32,
    /// As three products of tf32: each factor is the sum of its nearest tf32 and a rest, and the product of both rests is left
    /// out. Nearly as exact as `f32`, but an infinite factor may give NaN, as may one beyond 3.4e38. Where no kernel has it, products
    /// are those of `f32`, which are more exact.
    Tf32x3,
}

impl Precision {
    /// Returns the product of two factors of `f32`, of which each is used as it is in every part of it.
    pub(crate) fn product(self, a: &ScalarExpr, b: &ScalarExpr) -> ScalarExpr {
        let near = |x: &ScalarExpr| x.cast(Scalar::TF32).cast(Scalar::F32);
        match self {
            Precision::F32 => a * b,
            Precision::Tf32 => near(a) * near(b),
            Precision::Tf32x3 => {
                let ([x, y], rest) = ([near(a), near(b)], |all: &ScalarExpr, near: &ScalarExpr| {
                    (all - near).cast(Scalar::TF32).cast(Scalar::F32)
                });
                let [s, t] = [rest(a, &x), rest(b, &y)];
                s * &y + &x * t + &x * &y
            }
        }
    }
}
