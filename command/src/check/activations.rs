//! The activations of the block-level parts, within the errors that they state.

use super::bench::{Bench, Limit};
use super::numbers::{Random, reals};
use hidet::blocks::{gelu, gelu_tanh, silu};
use hidet::prelude::*;
use hidet::types::math::erf;

type Function = fn(Expr<f32>) -> Expr<f32>;

kernel! {
    /// y = f(x)
    #[launch(grid = n.div_ceil(256), block = 256)]
    fn activation(#[meta] f: Function, x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 256 + thread_id();
        if i < n { y[[i]] = f(x[[i]]); }
    }
}

/// An activation, the exact function, and the allowed error for an operand and its result.
struct Activation {
    name: &'static str,
    function: Function,
    exact: fn(f64) -> f64,
    limit: fn(f64, f64) -> f64,
    limit_text: &'static str,
}

const ACTIVATIONS: [Activation; 3] = [
    Activation {
        name: "gelu",
        function: gelu,
        exact: |x| x / 2.0 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
        limit: |_, y| 2f64.powf(-16.9) * y.abs() + 1e-13,
        limit_text: "2^-16.9 |y| + 1e-13",
    },
    Activation {
        name: "silu",
        function: silu,
        exact: |x| x / (1.0 + (-x).exp()),
        limit: |_, y| 2f64.powi(-17) * y.abs() + 2e-36,
        limit_text: "2^-17 |y| + 2e-36",
    },
    Activation {
        name: "gelu_tanh",
        function: gelu_tanh,
        exact: |x| x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh()),
        limit: |x, _| 2f64.powi(-12) * x.abs(),
        limit_text: "2^-12 |x|",
    },
];

pub(super) fn check(bench: &mut Bench) {
    for Activation { name, function, exact, limit, limit_text } in ACTIVATIONS {
        for scale in [1e-30, 1e-3, 1.0, 10.0, 100.0, 1e30] {
            let host: Vec<f32> = Random::new(5).reals(10_000, scale);
            let expected: Vec<f64> = reals(&host).into_iter().map(exact).collect();
            let limits: Vec<f64> = reals(&host).iter().zip(&expected).map(|(x, y)| limit(*x, *y)).collect();
            bench.case::<f32>(name, &[host.len()], Limit::Bound(&limits, limit_text), &expected, |device| {
                let (x, mut y) = (device.tensor(&host, [host.len()])?, device.empty([host.len()])?);
                activation(function).compile(device)?.launch(&x, &mut y)?;
                y.to_vec()
            });
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::{compiles, passes};
    use super::*;

    #[test]
    fn activations_are_right() {
        passes(check);
        for Activation { function, .. } in ACTIVATIONS {
            compiles(&activation(function).build().unwrap(), &Default::default());
        }
    }
}
