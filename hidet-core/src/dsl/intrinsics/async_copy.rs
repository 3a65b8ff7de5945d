//! Asynchronous copies of a thread from global to shared memory (sm_80).

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::{Expr, IntoExpr};
use crate::dsl::index::IndexTuple;
use crate::dsl::view::View;
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
    copy(N as i32, &to, &from, None, CopyHint::NONE);
}

/// Copies like [`cp_async`], but reads only the first `elements`; the rest is filled with zeros.
#[track_caller]
pub fn cp_async_partial<const N: usize>(
    to: Address<impl Element>,
    from: Address<impl Element>,
    elements: impl IntoExpr<i32>,
) {
    copy(N as i32, &to, &from, Some(elements.into_expr()), CopyHint::NONE);
}

/// Copies like [`cp_async_partial`], with a cache hint.
#[track_caller]
pub fn cp_async_hint<const N: usize>(
    to: Address<impl Element>,
    from: Address<impl Element>,
    elements: impl IntoExpr<i32>,
    hint: CopyHint,
) {
    copy(N as i32, &to, &from, Some(elements.into_expr()), hint);
}

#[track_caller]
fn copy<T: Element, U: Element>(
    lanes: i32,
    to: &Address<T>,
    from: &Address<U>,
    elements: Option<Expr<i32>>,
    hint: CopyHint,
) {
    let at = here();
    let bytes = lanes * T::SCALAR.bytes() as i32;
    if ![4, 8, 16].contains(&bytes) {
        let message = format!("an asynchronous copy of {lanes} {} is {bytes} bytes; it must be 4, 8 or 16", T::SCALAR);
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
    let ty = Type::vector(T::SCALAR, lanes as u8);
    to.align(ty, at);
    from.align(ty, at);
    let read = match elements {
        Some(elements) => elements * T::SCALAR.bytes() as i32,
        None => bytes.into_expr(),
    };
    let row = copy_name(bytes as u32, hint.first_level, hint.prefetch);
    intrinsic(&row).address(to).address(from).value::<i32>(read).run();
}

impl<T: Element, const R: usize, A> View<T, R, A> {
    /// Copies `lanes` elements (4, 8 or 16 bytes) along the last axis asynchronously, from an index that is a multiple of
    /// their number. It is to [`cp_async`] what [`get`](View::get) is to a load: elements outside of the tensor are zeros. The
    /// tensor is memory, or a remapped view of memory with runs of `lanes` elements, which may be outside of the tensor below.
    ///
    /// ```
    /// use hidet::prelude::*;
    ///
    /// kernel! {
    ///     /// Rows from -1 on: the first one is zero.
    ///     #[launch(grid = 1, block = 32)]
    ///     fn moved(x: In<f32, [rows, 8]>, y: Out<f32, [16, 8]>) {
    ///         let down = x.remap([16, 8], 8, |[row, col]| [row - 1, col]);
    ///         let (tile, row, col) = (shared::<f32>([16, 8]), thread_id() / 2, thread_id() % 2 * 4);
    ///         down.cp_async(&tile[[row, col]], (row, col), 4);
    ///         cp_async_wait_all();
    ///         for i in 0..4 { y[[row, col + i]] = tile[[row, col + i]]; }
    ///     }
    /// }
    ///
    /// let device = Device::sim();
    /// let (x, mut y) = (device.tensor(&[1.0; 72], [9, 8])?, device.empty([16, 8])?);
    /// moved().compile(&device)?.launch(&x, &mut y)?;
    /// assert_eq!([0, 1, 9, 10].map(|row| y.to_vec().unwrap()[row * 8]), [0.0, 1.0, 1.0, 0.0]);
    /// # Ok::<(), hidet::Error>(())
    /// ```
    #[track_caller]
    pub fn cp_async(&self, to: Address<T>, index: impl IndexTuple<R>, lanes: i32) {
        let (at, index) = (here(), index.coordinates());
        if let Some((from, count)) = self.data(at).and_then(|data| data.address_inside::<T>(&index, lanes, at)) {
            copy(lanes, &to, &from, Some(count), CopyHint::NONE);
        }
    }
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
