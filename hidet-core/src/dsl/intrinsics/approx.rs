//! Fast approximations: one instruction each, where the methods of [`dsl::math`](crate::dsl::Expr) cost several.

use super::intrinsic;
use crate::dsl::expr::Expr;

/// Fast approximations. A GPU's results are within the stated error; the simulated device gives the exact result, rounded.
/// So the two devices may differ in bits.
impl Expr<f32> {
    /// Returns `2^x` by one instruction (PTX `ex2.approx.ftz.f32`), with a relative error of at most 2^-22.5.
    ///
    /// Subnormal operands count as zero, subnormal results are zero. Zeros and subnormals give 1, -∞ gives 0, ∞ gives ∞,
    /// NaN gives NaN. [`exp2`](Expr::exp2) is for results that may be subnormal, and costs the scaling for it.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// hidet::kernel! {
    ///     /// The logistic function of each element: `1 / (1 + e^-x)`.
    ///     #[launch(grid = n.div_ceil(128), block = 128)]
    ///     fn sigmoid(x: In<f32, [n]>, y: Out<f32, [n]>) {
    ///         let i = block_idx().x * 128 + thread_id();
    ///         if i < n {
    ///             let power = (x[[i]] * -std::f32::consts::LOG2_E).exp2_approx();
    ///             y[[i]] = (1.0 + power).recip_approx();
    ///         }
    ///     }
    /// }
    ///
    /// fn main() -> hidet::Result<()> {
    ///     let device = Device::sim();
    ///     let x = device.tensor(&[-200f32, -1.0, 0.0, 1.0, 200.0], [5])?;
    ///     let mut y = device.empty::<f32, 1>([5])?;
    ///     sigmoid().compile(&device)?.launch(&x, &mut y)?;
    ///     for (x, y) in x.to_vec()?.into_iter().zip(y.to_vec()?) {
    ///         assert!((y - 1.0 / (1.0 + (-x).exp())).abs() < 1e-6);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[track_caller]
    pub fn exp2_approx(self) -> Expr<f32> {
        intrinsic("ex2.approx").value::<f32>(self).give()
    }

    /// Returns the hyperbolic tangent by one instruction (PTX `tanh.approx.f32`), with a relative error of at most 2^-11.
    ///
    /// Zeros and subnormals give themselves, -∞ gives -1, ∞ gives 1, NaN gives NaN.
    #[track_caller]
    pub fn tanh_approx(self) -> Expr<f32> {
        intrinsic("tanh.approx").value::<f32>(self).give()
    }

    /// Returns `1 / x` by one instruction (PTX `rcp.approx.ftz.f32`), with an error of at most 1 ulp.
    ///
    /// Subnormal operands count as zero, subnormal results are zero; both keep their sign. Zeros and subnormals give an
    /// infinity, infinities give zero, NaN gives NaN.
    #[track_caller]
    pub fn recip_approx(self) -> Expr<f32> {
        intrinsic("rcp.approx").value::<f32>(self).give()
    }
}
