//! Warp group matrix products on tensor cores (sm_90a): `wgmma`, asynchronous. All four warps must call together.
//!
//! Registers hold d as given by [`wgmma_accumulator`] and a as given by [`wgmma_left`]. With
//! `let of = wgmma_accumulator(128)`, the array is `let acc = registers::<f32>(of.register_layout())`, the operand is
//! `&acc[[0, 0]]`, and each thread stores the elements it holds by
//! `for (i, j) in of.on(thread_id()) { c[[row0 + i, col0 + j]] = acc[[i, j]]; }`.
//!
//! In shared memory, the layout of an operand's buffer and the tensor maps that fill it determine its placement;
//! [`matrix_layout`] returns layouts that tensor cores can read.

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::{here, with};
use crate::dsl::expr::IntoExpr;
pub use crate::intrinsics::matrix::{wgmma_accumulator, wgmma_left};
use crate::ir::Swizzle;
use crate::layout::Layout;
use crate::types::Element;

/// Computes `d += a * b`: d is 64 x `N` in registers, a is 64 x k in registers or shared memory, and b is k x `N` in
/// shared memory; k is 32 bytes of elements. The last two axes of a buffer are `(m, k)` for a and `(n, k)` for b,
/// unless [`transposed`](Address::transposed).
///
/// Types of d, a, b: f32 or f16, with f16; f32, with bf16 or tf32; f32 or f16, with any two of e4m3 and e5m2; i32, with
/// any two of i8 and u8. `N` is a multiple of 8 up to 256; for integers, from 32 on a multiple of 16.
#[track_caller]
pub fn wgmma<const N: usize>(d: Address<impl Element>, a: Address<impl Element>, b: Address<impl Element>) {
    product(N as i32, true, false, (&d, &a, &b));
}

/// Like [`wgmma_if`], with the width as a meta value.
#[track_caller]
pub fn wgmma_n(
    n: i32,
    add: impl IntoExpr<bool>,
    d: Address<impl Element>,
    a: Address<impl Element>,
    b: Address<impl Element>,
) {
    product(n, add, false, (&d, &a, &b));
}

/// Like [`wgmma`], but computes `d = a * b` if the condition is false.
#[track_caller]
pub fn wgmma_if<const N: usize>(
    add: impl IntoExpr<bool>,
    d: Address<impl Element>,
    a: Address<impl Element>,
    b: Address<impl Element>,
) {
    product(N as i32, add, false, (&d, &a, &b));
}

/// Computes `d -= a * b`, for floats; otherwise like [`wgmma`].
#[track_caller]
pub fn wgmma_sub<const N: usize>(d: Address<impl Element>, a: Address<impl Element>, b: Address<impl Element>) {
    product(N as i32, true, true, (&d, &a, &b));
}

#[track_caller]
fn product(
    n: i32,
    add: impl IntoExpr<bool>,
    negate: bool,
    (d, a, b): (&Address<impl Element>, &Address<impl Element>, &Address<impl Element>),
) {
    let at = here();
    let (d_type, a_type, b_type) = (d.scalar(), a.scalar(), b.scalar());
    let k = 32 / a_type.bytes();
    // The register form, if the first operand is in registers.
    let registers = with(|builder| a.is_register(builder)).unwrap_or(false);
    let kind = if registers { "rs" } else { "ss" };
    let row = format!("wgmma.m64n{n}k{k}.{d_type}.{a_type}.{b_type}.{kind}");
    let mut call = intrinsic(&row).address(d).address(a).address(b).value::<bool>(add);
    if a_type.is_float() {
        call = call.imm(negate.into()).imm(0);
    } else if negate {
        with(|builder| builder.problem("a product of integers cannot be subtracted", at));
    }
    if !registers {
        call = call.imm(a.is_transposed().into());
    }
    call.imm(b.is_transposed().into()).run();
}

/// Returns a layout of `[rows, cols]` that tensor cores can read: rows of 16-byte chunks, as wide as the swizzle, in
/// which the chunks of eight rows are permuted so that neither rows nor columns have bank conflicts. Columns are a
/// multiple of the width.
///
/// `shared::<bf16, 2>(matrix_layout::<bf16>([64, 64], Swizzle::B128))` holds an operand of [`wgmma`] that threads
/// write; several stages are `Layout::row_major([STAGES]) + matrix_layout(..)`.
#[track_caller]
pub fn matrix_layout<T: Element>([rows, cols]: [i32; 2], swizzle: Swizzle) -> Layout {
    let at = here();
    let bytes = T::SCALAR.bytes() as i32;
    let span = swizzle.span().unwrap_or(16) as i32;
    if rows % 8 != 0 || cols * bytes % span != 0 {
        let message = format!(
            "a matrix of {rows} x {cols} {} has rows of {} bytes; they must be a multiple of {span} bytes, and the rows of eight",
            T::SCALAR,
            cols * bytes
        );
        with(|builder| builder.problem(message, at));
    }
    let chunks = Layout::row_major([rows, span / 16]);
    let chunks = match swizzle {
        Swizzle::None => chunks,
        Swizzle::B32 => chunks.swizzle(1, 0, 2),
        Swizzle::B64 => chunks.swizzle(1, 0, 1),
        Swizzle::B128 => chunks.swizzle(1, 0, 0),
    };
    Layout::row_major([1, cols * bytes / span]) * (chunks * Layout::row_major([1, 16 / bytes]))
}

/// Orders the warp group's accesses to registers and shared memory before the following wgmma.
#[track_caller]
pub fn wgmma_fence() {
    intrinsic("wgmma.fence").run();
}

/// Commits the warp group's wgmma so far as a group.
#[track_caller]
pub fn wgmma_commit() {
    intrinsic("wgmma.commit").run();
}

/// Waits until at most `groups` of the warp group's wgmma groups are incomplete.
#[track_caller]
pub fn wgmma_wait(groups: i32) {
    intrinsic("wgmma.wait").imm(groups.into()).run();
}
