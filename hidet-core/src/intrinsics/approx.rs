//! Fast approximations of functions of f32: one instruction of the special function unit each, whose error the PTX ISA
//! states.

use super::{Meaning, ResultRule, Row, row};
use crate::types::Type;

/// A function that is approximated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Approx {
    /// `2^x`, subnormal operands and results flushed.
    Exp2,
    /// The hyperbolic tangent, subnormal operands and results kept.
    Tanh,
    /// `1 / x`, subnormal operands and results flushed.
    Recip,
}

impl Approx {
    /// Returns the exact result, rounded to f32. A GPU's is within the error that the row states; equal are the
    /// results for zeros, subnormals, infinities and NaN, and those that are flushed.
    pub fn compute(self, x: f32) -> f32 {
        let through = |x: f32, f: fn(f64) -> f64| f(f64::from(x)) as f32;
        let result = match self {
            Approx::Exp2 => flushed(through(flushed(x), f64::exp2)),
            Approx::Tanh => through(x, f64::tanh),
            Approx::Recip => flushed(through(flushed(x), f64::recip)),
        };
        // The one NaN that these instructions give.
        if result.is_nan() { f32::from_bits(0x7fff_ffff) } else { result }
    }
}

/// Returns zero, with the sign, for a subnormal number, and other numbers as they are.
fn flushed(x: f32) -> f32 {
    if x.is_subnormal() { 0f32.copysign(x) } else { x }
}

pub(super) fn rows() -> Vec<Row> {
    let make = |name: &str, cuda: &str, function: Approx, doc: &str| {
        row(name, cuda, Meaning::Approx(function), doc).value(Type::F32).gives(ResultRule::Is(Type::F32))
    };
    vec![
        make(
            "ex2.approx",
            "hidet_ex2_approx($0)",
            Approx::Exp2,
            "Returns 2^x with a relative error of at most 2^-22.5; subnormal operands and results are flushed to zero (PTX `ex2.approx.ftz.f32`).",
        ),
        make(
            "tanh.approx",
            "hidet_tanh_approx($0)",
            Approx::Tanh,
            "Returns the hyperbolic tangent with a relative error of at most 2^-11; subnormal numbers are kept (PTX `tanh.approx.f32`).",
        ),
        make(
            "rcp.approx",
            "hidet_rcp_approx($0)",
            Approx::Recip,
            "Returns 1 / x with an error of at most 1 ulp; subnormal operands and results are flushed to zero with their sign (PTX `rcp.approx.ftz.f32`).",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::Approx::{self, *};

    #[test]
    fn results_at_the_edges_are_those_of_the_ptx_isa() {
        const INF: f32 = f32::INFINITY;
        let (tiny, least) = (f32::from_bits(0x007f_ffff), f32::MIN_POSITIVE);
        let cases: [(Approx, f32, f32); 27] = [
            (Exp2, -INF, 0.0),
            (Exp2, -tiny, 1.0),
            (Exp2, -0.0, 1.0),
            (Exp2, 0.0, 1.0),
            (Exp2, tiny, 1.0),
            (Exp2, INF, INF),
            (Exp2, -126.0, least),
            (Exp2, -126.5, 0.0),
            (Exp2, -200.0, 0.0),
            (Exp2, 127.0, 2f32.powi(127)),
            (Exp2, 128.0, INF),
            (Tanh, -INF, -1.0),
            (Tanh, -tiny, -tiny),
            (Tanh, -0.0, -0.0),
            (Tanh, 0.0, 0.0),
            (Tanh, 0.5, 0.46211717),
            (Tanh, INF, 1.0),
            (Recip, -INF, -0.0),
            (Recip, -tiny, -INF),
            (Recip, -0.0, -INF),
            (Recip, 0.0, INF),
            (Recip, tiny, INF),
            (Recip, INF, 0.0),
            (Recip, -4.0, -0.25),
            (Recip, 1.0 / least, least),
            (Recip, -2.0 / least, -0.0),
            (Recip, least, 1.0 / least),
        ];
        for (function, x, y) in cases {
            assert_eq!(function.compute(x).to_bits(), y.to_bits(), "{function:?} of {x:e}");
        }
        for function in [Exp2, Tanh, Recip] {
            assert_eq!(function.compute(-f32::NAN).to_bits(), 0x7fff_ffff, "{function:?}");
        }
    }
}
