//! Asynchronous copies of a thread from global to shared memory (sm_80).

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::intrinsics::{PREFETCHES, copy_name};
use crate::types::{Element, Type};

/// The cache hint of an asynchronous copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyHint {
    /// Caches 16-byte copies in L1 (`.ca`); copies of 4 and 8 bytes always are.
    pub first_level: bool,
    /// The number of bytes to prefetch to L2 around the copied ones: 64, 128 or 256; 0 for no prefetch.
    pub prefetch: u32,
}

impl CopyHint {
    /// The hint of `cp_async`: 16-byte copies bypass L1, and nothing is prefetched.
    pub const NONE: CopyHint = CopyHint { first_level: false, prefetch: 0 };
}

/// Copies `N` elements (4, 8 or 16 bytes) asynchronously: `cp_async::<4>(&tile[[i, j]], &x[[r, c]])`.
#[track_caller]
pub fn cp_async<const N: usize>(to: Address<impl Element>, from: Address<impl Element>) {
    copy::<N, _, _>(to, from, None, CopyHint::NONE);
}

/// Copies like [`cp_async`], but reads only the first `elements`; the rest is filled with zeros.
#[track_caller]
pub fn cp_async_partial<const N: usize>(
    to: Address<impl Element>,
    from: Address<impl Element>,
    elements: impl IntoExpr<i32>,
) {
    copy::<N, _, _>(to, from, Some(elements.into_expr()), CopyHint::NONE);
}

/// Copies like [`cp_async_partial`], with a cache hint.
#[track_caller]
pub fn cp_async_hint<const N: usize>(
    to: Address<impl Element>,
    from: Address<impl Element>,
    elements: impl IntoExpr<i32>,
    hint: CopyHint,
) {
    copy::<N, _, _>(to, from, Some(elements.into_expr()), hint);
}

#[track_caller]
fn copy<const N: usize, T: Element, U: Element>(
    to: Address<T>,
    from: Address<U>,
    elements: Option<Expr<i32>>,
    hint: CopyHint,
) {
    let at = here();
    let bytes = N * T::SCALAR.bytes();
    if ![4, 8, 16].contains(&bytes) {
        let message = format!("an asynchronous copy of {N} {} is {bytes} bytes; it must be 4, 8 or 16", T::SCALAR);
        with(|builder| builder.problem(message, at));
        return;
    }
    if T::SCALAR != U::SCALAR {
        let message = format!("an asynchronous copy from {} to {}: it cannot convert", U::SCALAR, T::SCALAR);
        with(|builder| builder.problem(message, at));
    }
    if !PREFETCHES.contains(&hint.prefetch) {
        let message = format!("an asynchronous copy fetches 64, 128 or 256 bytes, not {}", hint.prefetch);
        with(|builder| builder.problem(message, at));
        return;
    }
    let ty = Type::vector(T::SCALAR, N as u8);
    to.align(ty, at);
    from.align(ty, at);
    let read = match elements {
        Some(elements) => elements * T::SCALAR.bytes() as i32,
        None => (bytes as i32).into_expr(),
    };
    let row = copy_name(bytes as u32, hint.first_level, hint.prefetch);
    intrinsic(&row).address(&to).address(&from).value::<i32>(read).run();
}

/// Commits this thread's asynchronous copies so far as a group.
#[track_caller]
pub fn cp_async_commit() {
    intrinsic("cp.async.commit").run();
}

/// Waits until at most `groups` of this thread's groups are incomplete.
#[track_caller]
pub fn cp_async_wait(groups: i32) {
    intrinsic("cp.async.wait").imm(groups.into()).run();
}

/// Waits for all of this thread's asynchronous copies.
#[track_caller]
pub fn cp_async_wait_all() {
    intrinsic("cp.async.wait.all").run();
}
