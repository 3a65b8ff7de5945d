//! Loads and stores that order other accesses.

use super::{Word, intrinsic};
use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};

/// Loads; what follows happens after the release it reads from.
#[track_caller]
pub fn load_acquire<T: Word>(at: Address<T>) -> Expr<T> {
    intrinsic("load.acquire").address(&at).give()
}

/// Loads what some thread stored, without ordering other accesses.
#[track_caller]
pub fn load_relaxed<T: Word>(at: Address<T>) -> Expr<T> {
    intrinsic("load.relaxed").address(&at).give()
}

/// Stores; what came before happens before an acquire that reads it.
#[track_caller]
pub fn store_release<T: Word>(at: Address<T>, value: impl IntoExpr<T>) {
    intrinsic("store.release").address(&at).value::<T>(value).run();
}

/// Stores for other threads to see, without ordering other accesses.
#[track_caller]
pub fn store_relaxed<T: Word>(at: Address<T>, value: impl IntoExpr<T>) {
    intrinsic("store.relaxed").address(&at).value::<T>(value).run();
}
