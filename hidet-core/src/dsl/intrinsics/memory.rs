//! Loads and stores with a memory order.

use super::{Word, intrinsic};
use crate::dsl::address::Address;
use crate::dsl::expr::{Expr, IntoExpr};

/// Loads; later accesses happen after the release it reads from.
#[track_caller]
pub fn load_acquire<T: Word>(at: Address<T>) -> Expr<T> {
    intrinsic("load.acquire").address(&at).give()
}

/// Loads a value that threads may store concurrently, without ordering other accesses.
#[track_caller]
pub fn load_relaxed<T: Word>(at: Address<T>) -> Expr<T> {
    intrinsic("load.relaxed").address(&at).give()
}

/// Stores; earlier accesses happen before an acquire that reads it.
#[track_caller]
pub fn store_release<T: Word>(at: Address<T>, value: impl IntoExpr<T>) {
    intrinsic("store.release").address(&at).value::<T>(value).run();
}

/// Stores a value that threads may load concurrently, without ordering other accesses.
#[track_caller]
pub fn store_relaxed<T: Word>(at: Address<T>, value: impl IntoExpr<T>) {
    intrinsic("store.relaxed").address(&at).value::<T>(value).run();
}
