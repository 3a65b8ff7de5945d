//! Ranges that a `for` of a kernel can iterate over.

use super::builder::{Caller, here};
use super::expr::{Expr, IntoExpr};
use super::literal::IntegerLiteral;
use crate::ir::Unroll;
use crate::types::Int;

/// A range on the device: `a..b`, with a step.
#[derive(Clone, Copy, Debug)]
pub struct DeviceRange<T> {
    pub(crate) start: Expr<T>,
    pub(crate) end: Expr<T>,
    pub(crate) inclusive: bool,
    pub(crate) step: Expr<T>,
    pub(crate) unroll: Unroll,
    pub(crate) at: Caller,
}

/// A bound of a device range.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot bound a loop over `{T}`",
    label = "not a `{T}`",
    note = "both ends and the step have one integer type; a size that is a meta value is an `i32`; to unroll, write `unroll(a..b)`"
)]
pub trait RangeEnd<T> {
    /// Returns the bound as a device value.
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
impl<T: Int> RangeEnd<T> for IntegerLiteral {
    #[track_caller]
    fn bound(self) -> Expr<T> {
        self.into_expr()
    }
}

/// Returns `a..b` on the device.
#[track_caller]
pub fn range<T: Int>(start: impl RangeEnd<T>, end: impl RangeEnd<T>) -> DeviceRange<T> {
    DeviceRange {
        start: start.bound(),
        end: end.bound(),
        inclusive: false,
        step: IntegerLiteral(1).into_expr(),
        unroll: Unroll::Auto,
        at: here(),
    }
}

/// Returns `a..=b` on the device.
#[track_caller]
pub fn range_inclusive<T: Int>(start: impl RangeEnd<T>, end: impl RangeEnd<T>) -> DeviceRange<T> {
    DeviceRange { inclusive: true, ..range(start, end) }
}

impl<T: Int> DeviceRange<T> {
    /// Sets the step: every `step`-th number.
    #[track_caller]
    pub fn step_by(self, step: impl RangeEnd<T>) -> DeviceRange<T> {
        DeviceRange { step: step.bound(), ..self }
    }

    /// Sets how the loop is unrolled.
    pub fn unrolled(self, unroll: Unroll) -> DeviceRange<T> {
        DeviceRange { unroll, ..self }
    }

    /// Returns the loop of which an iteration begins by computing `f` of its number:
    /// `for (row, col) in range.map(origin)`.
    pub fn map<V, F: FnMut(Expr<T>) -> V>(self, f: F) -> MappedRange<T, F> {
        MappedRange { range: self, f }
    }
}

/// A range on the device of what a function makes of its numbers: see [`DeviceRange::map`].
#[derive(Clone, Copy, Debug)]
pub struct MappedRange<T, F> {
    pub(crate) range: DeviceRange<T>,
    pub(crate) f: F,
}

/// The numbers that [`lanes`] distributes.
pub type Lanes = DeviceRange<i32>;

/// Distributes the numbers `0..n` over the 32 lanes of a warp: each lane starts with its lane number and steps by 32.
#[track_caller]
pub fn lanes(n: impl IntoExpr<i32>) -> Lanes {
    range(super::intrinsics::lane_id(), n.into_expr()).step_by(32)
}

/// Unrolls a loop while building: the body is built once per item. Any host iterator does the same; this makes it
/// explicit.
pub fn unroll<I: IntoIterator>(items: I) -> I {
    items
}
