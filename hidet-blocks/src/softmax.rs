//! Softmax of scores that arrive in tiles (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).

use hidet_core::dsl::intrinsics::shuffle_xor;
use hidet_core::dsl::{Expr, IntoExpr, View, registers, unroll};
use hidet_macros::device;
use std::f32::consts::LOG2_E;

/// The running maximum and sum of the scores of 64 rows, in a warp group. A thread has two rows, as
/// [`wgmma_accumulator`](hidet_core::dsl::intrinsics::wgmma_accumulator) gives it their elements, and shares each with three
/// other threads.
#[derive(Clone, Copy, Debug)]
pub struct OnlineSoftmax {
    /// Scores are multiplied by this; powers are of 2.
    scale: Expr<f32>,
    top: View<f32, 1>,
    total: View<f32, 1>,
}

/// A score that counts for nothing beside any other. Not infinity, of which the difference with itself is not a number.
pub const MASKED: f32 = -1e30;

/// A score whose exponential is 0 beside any other, [`MASKED`] too.
pub(crate) const HIDDEN: f32 = 2.0 * MASKED;

impl OnlineSoftmax {
    /// Begins the softmax of `scale` times the scores.
    #[device(crate = hidet_core)]
    pub fn new(scale: Expr<f32>) -> OnlineSoftmax {
        let (top, total) = (registers::<f32, 1>([2]), registers::<f32, 1>([2]));
        for row in unroll(0..2) {
            top[[row]] = MASKED;
            total[[row]] = 0.0;
        }
        OnlineSoftmax { scale: scale * LOG2_E, top, total }
    }

    /// Begins the softmax of scores to which [`Visible`](crate::Visible) adds a bias, and which it multiplies itself.
    #[device(crate = hidet_core)]
    pub fn of_biased() -> OnlineSoftmax {
        OnlineSoftmax { scale: 1f32.into_expr(), ..OnlineSoftmax::new(1f32.into_expr()) }
    }

    /// Replaces the `count` scores of a thread by their exponentials, divided by that of the maximum so far. Returns, for
    /// each row, by what sums of former exponentials are to be multiplied.
    #[device(crate = hidet_core)]
    pub fn next(&self, scores: View<f32, 1>, count: i32) -> [Expr<f32>; 2] {
        let factors = registers::<f32, 1>([2]);
        for row in unroll(0..2) {
            let elements = move || (0..count).filter(move |i| i / 2 % 2 == row);
            let mut top = self.top[[row]];
            for i in unroll(elements()) {
                top = top.max(scores[[i]]);
            }
            for lane in unroll([1, 2]) {
                top = top.max(shuffle_xor(top, lane));
            }
            let shift = top * self.scale;
            // Not beside the rounded shift: a row that has seen nothing so far has the factor 1.
            let factor = ((self.top[[row]] - top) * self.scale).exp2_approx();
            self.top[[row]] = top;
            let mut total = self.total[[row]] * factor;
            for i in unroll(elements()) {
                let power = (scores[[i]] * self.scale - shift).exp2_approx();
                scores[[i]] = power;
                total += power;
            }
            self.total[[row]] = total;
            factors[[row]] = factor;
        }
        [factors[[0]], factors[[1]]]
    }

    /// Returns, for each row, by what sums of exponentials are to be multiplied in the end: 0 for a row that saw nothing.
    #[device(crate = hidet_core)]
    pub fn finish(&self) -> [Expr<f32>; 2] {
        for row in unroll(0..2) {
            let mut total = self.total[[row]];
            for lane in unroll([1, 2]) {
                total += shuffle_xor(total, lane);
            }
            self.total[[row]] = (total == 0.0).select(0.0, 1.0 / total);
        }
        [self.total[[0]], self.total[[1]]]
    }
}

/// Multiplies the `count` elements of a thread by the factor of their row.
#[device(crate = hidet_core)]
pub fn scale_rows(sums: View<f32, 1>, count: i32, factors: [Expr<f32>; 2]) {
    for i in unroll(0..count) {
        sums[[i]] = sums[[i]] * factors[i as usize / 2 % 2];
    }
}
