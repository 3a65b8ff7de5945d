//! `match`: Rust's own, on meta values.

use crate::dsl::expr::Expr;

/// The operand of a `match` in which a pattern is a number.
pub struct Matched<V>(pub V);

/// Values that `match` can inspect: meta values.
#[diagnostic::on_unimplemented(
    message = "`match` chooses while the kernel is built, and `{Self}` is a device value",
    label = "known only on the device",
    note = "write `if a == 0 {{ x }} else {{ y }}`, or `(a == 0).select(x, y)` where both may be computed"
)]
pub trait Known {}

#[doc(hidden)]
impl<T> Matched<Expr<T>> {
    /// Returns any type, so that rustc reports no further errors in the patterns.
    pub fn known<R>(self) -> R
    where
        Expr<T>: Known,
    {
        unreachable!("no device value is `Known`")
    }
}

/// The same for meta values.
#[doc(hidden)]
pub trait MatchedMeta: Sized {
    type Host;
    fn known(self) -> Self::Host;
}
#[doc(hidden)]
impl<V> MatchedMeta for Matched<V> {
    type Host = V;
    fn known(self) -> V {
        self.0
    }
}
