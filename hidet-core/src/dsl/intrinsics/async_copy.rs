//! Asynchronous copies of a thread from global to shared memory (sm_80).

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::types::{Element, Type};

/// Copies `N` elements (4, 8 or 16 bytes) while the thread goes on: `cp_async::<4>(&tile[[i, j]], &x[[r, c]])`.
#[track_caller]
pub fn cp_async<const N: usize>(to: Address<impl Element>, from: Address<impl Element>) {
    cp_async_bytes::<N, _, _>(to, from, None);
}

/// Copies like [`cp_async`], but reads only the first `elements`; the rest becomes zero.
#[track_caller]
pub fn cp_async_partial<const N: usize>(
    to: Address<impl Element>,
    from: Address<impl Element>,
    elements: impl IntoExpr<i32>,
) {
    cp_async_bytes::<N, _, _>(to, from, Some(elements.into_expr()));
}

#[track_caller]
fn cp_async_bytes<const N: usize, T: Element, U: Element>(
    to: Address<T>,
    from: Address<U>,
    elements: Option<Expr<i32>>,
) {
    let at = here();
    let bytes = N * T::SCALAR.bytes();
    let row = match bytes {
        4 => "cp.async.4",
        8 => "cp.async.8",
        16 => "cp.async.16",
        _ => {
            let message = format!("an asynchronous copy of {N} {} is {bytes} bytes; it must be 4, 8 or 16", T::SCALAR);
            with(|builder| builder.problem(message, at));
            return;
        }
    };
    if T::SCALAR != U::SCALAR {
        let message = format!("an asynchronous copy from {} to {}: it cannot convert", U::SCALAR, T::SCALAR);
        with(|builder| builder.problem(message, at));
    }
    let ty = Type::vector(T::SCALAR, N as u8);
    to.align(ty, at);
    from.align(ty, at);
    let read = match elements {
        Some(elements) => elements * T::SCALAR.bytes() as i32,
        None => (bytes as i32).into_expr(),
    };
    intrinsic(row).address(&to).address(&from).value::<i32>(read).run();
}

/// Ends a group of this thread's asynchronous copies.
#[track_caller]
pub fn cp_async_commit() {
    intrinsic("cp.async.commit").run();
}

/// Waits until at most `groups` of this thread's groups are unfinished.
#[track_caller]
pub fn cp_async_wait(groups: i32) {
    intrinsic("cp.async.wait").imm(groups.into()).run();
}

/// Waits for all of this thread's asynchronous copies.
#[track_caller]
pub fn cp_async_wait_all() {
    intrinsic("cp.async.wait.all").run();
}
