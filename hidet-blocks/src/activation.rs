//! Activation functions of few instructions: one or two approximations each, and products and sums.
//!
//! Errors are those of the results of a GPU, whose approximations differ from the exact functions by what the PTX ISA
//! allows. The simulated device, on which they are exact up to rounding, comes closer.

use hidet_core::dsl::Expr;
use std::f32::consts::{FRAC_2_SQRT_PI, LOG2_E, SQRT_2};

/// The polynomial `p` of [`gelu`], from the constant term on. It has the least maximum of the error on 0..6.3, and falls
/// everywhere, so that it needs no limit of `t`.
const LOG2_OF_TAIL: [f32; 8] =
    [-0.99999624, -1.1512442, -0.45847803, -0.053948313, 0.008502749, -0.000929334, 6.145926e-5, -1.8283781e-6];

/// Returns the Gaussian error linear unit, `x / 2 * (1 + erf(x / sqrt 2))`.
///
/// The absolute error is at most 7e-7 for x up to 8, the relative one 2^-16.9 for x of -6.3 and more, where the result is
/// -9.4e-10: a result that is rounded to `f16` or `bf16` is almost always the nearest, and never further than 1 ulp. For
/// smaller x the absolute error is at most 1e-13. -∞ gives 0, ∞ gives ∞, NaN gives NaN.
///
/// Eleven instructions: with `h(t) = erfc(t / sqrt 2) / 2 = 2^p(t)`, of which the logarithm is close to a polynomial, it is
/// `max(x, 0) - |x| * h(|x|)`.
///
/// ```
/// use hidet::blocks::gelu;
/// use hidet::prelude::*;
///
/// kernel! {
///     #[launch(grid = n.div_ceil(128), block = 128)]
///     fn gelus(x: In<f16, [n]>, y: Out<f16, [n]>) {
///         let i = block_idx().x * 128 + thread_id();
///         if i < n {
///             y[[i]] = gelu(x[[i]] as f32) as f16;
///         }
///     }
/// }
///
/// let device = Device::sim();
/// let x = device.tensor(&[-10f32, -1.0, 0.0, 1.0, 10.0].map(f16::from_f32), [5])?;
/// let mut y = device.empty([5])?;
/// gelus().compile(&device)?.launch(&x, &mut y)?;
/// assert_eq!(y.to_vec()?, [0f32, -0.15865525, 0.0, 0.84134475, 10.0].map(f16::from_f32));
/// # Ok::<(), hidet::Error>(())
/// ```
#[track_caller]
pub fn gelu(x: Expr<f32>) -> Expr<f32> {
    let size = x.abs();
    let [rest @ .., sixth, seventh] = LOG2_OF_TAIL;
    let power = rest.iter().rev().fold(size.mul_add(seventh, sixth), |sum, factor| sum.mul_add(size, *factor));
    // Infinity times a tail of 0 is not a number.
    let finite = size.min(f32::MAX);
    (-finite).mul_add(power.exp2_approx(), x.max(0.0))
}

/// Returns the sigmoid linear unit, `x / (1 + e^-x)`.
///
/// The relative error is at most 2^-17 for x of -87 and more, 2^-20 for x of -8 and more; smaller x give 0 or a number above
/// -2e-36. -∞ gives 0, ∞ gives ∞, NaN gives NaN.
#[track_caller]
pub fn silu(x: Expr<f32>) -> Expr<f32> {
    let power = (x * -LOG2_E).exp2_approx();
    x.max(f32::MIN) * (power + 1.0).recip_approx()
}

/// Returns the approximation of [`gelu`] that GPT-2 uses, `x / 2 * (1 + tanh(sqrt(2 / π) * (x + 0.044715 x^3)))`.
///
/// It is computed by `tanh.approx`. The absolute error is at most `2^-12 |x|`. -∞ gives 0, ∞ gives ∞, NaN gives NaN.
#[track_caller]
pub fn gelu_tanh(x: Expr<f32>) -> Expr<f32> {
    const LINEAR: f32 = FRAC_2_SQRT_PI / SQRT_2;
    let slope = (x * x).mul_add(LINEAR * 0.044715, LINEAR);
    let half = x.max(f32::MIN) * 0.5;
    half.mul_add((x * slope).tanh_approx(), half)
}
