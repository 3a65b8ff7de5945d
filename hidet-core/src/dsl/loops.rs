//! What a `for` of a kernel can run over.

use super::builder::{Caller, here};
use super::expr::{Expr, IntoExpr};
use super::literal::PlainInteger;
use crate::ir::Unroll;
use crate::types::Int;

/// A range of the device: `a..b`, with a step.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRange<T> {
    pub(crate) start: Expr<T>,
    pub(crate) end: Expr<T>,
    pub(crate) inclusive: bool,
    pub(crate) step: Expr<T>,
    pub(crate) unroll: Unroll,
    pub(crate) at: Caller,
}

/// What can bound a range of the device.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot bound a loop over `{T}`",
    label = "not a `{T}`",
    note = "both ends and the step have one integer type; sizes known while building are `i32`; to unroll, write `unroll(a..b)`"
)]
pub trait RangeEnd<T> {
    /// The bound on the device.
    fn bound(self) -> Expr<T>;
}

#[diagnostic::do_not_recommend]
impl<T> RangeEnd<T> for Expr<T> {
    fn bound(self) -> Expr<T> {
        self
    }
}
#[diagnostic::do_not_recommend]
impl<T: Int> RangeEnd<T> for T {
    #[track_caller]
    fn bound(self) -> Expr<T> {
        self.into_expr()
    }
}
#[diagnostic::do_not_recommend]
impl<T: Int> RangeEnd<T> for PlainInteger {
    #[track_caller]
    fn bound(self) -> Expr<T> {
        self.into_expr()
    }
}

/// `a..b` on the device.
#[track_caller]
pub fn range<T: Int>(start: impl RangeEnd<T>, end: impl RangeEnd<T>) -> DeviceRange<T> {
    DeviceRange {
        start: start.bound(),
        end: end.bound(),
        inclusive: false,
        step: PlainInteger(1).into_expr(),
        unroll: Unroll::Auto,
        at: here(),
    }
}

/// `a..=b` on the device.
#[track_caller]
pub fn range_inclusive<T: Int>(start: impl RangeEnd<T>, end: impl RangeEnd<T>) -> DeviceRange<T> {
    DeviceRange { inclusive: true, ..range(start, end) }
}

impl<T: Int> DeviceRange<T> {
    /// Every `step`-th number.
    #[track_caller]
    pub fn step_by(self, step: impl RangeEnd<T>) -> DeviceRange<T> {
        DeviceRange { step: step.bound(), ..self }
    }

    /// How far the loop is unrolled.
    pub fn unrolled(self, unroll: Unroll) -> DeviceRange<T> {
        DeviceRange { unroll, ..self }
    }
}

/// The numbers that [`lanes`] deals out.
pub type Lanes = DeviceRange<i32>;

/// The numbers `0..n` dealt out to the 32 lanes of a warp: each lane takes its own number, then every 32nd.
#[track_caller]
pub fn lanes(n: impl IntoExpr<i32>) -> Lanes {
    range(super::intrinsics::lane_id(), n.into_expr()).step_by(32)
}

/// Unrolls while building: the body is built once for each item. Any iterator of the host does the same; this says it.
pub fn unroll<I: IntoIterator>(items: I) -> I {
    items
}
