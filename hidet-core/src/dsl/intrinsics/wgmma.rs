//! Tensor cores of a warp group (sm_90a): `wgmma`, asynchronous. All four warps must call together.

use super::intrinsic;
use crate::dsl::address::Address;
use crate::dsl::builder::with;
use crate::dsl::expr::IntoExpr;
use crate::types::Element;

/// `d += a * b`: d is 64 x `N` in registers, a 64 x k and b k x `N` in shared memory, both contiguous along k; k is 32
/// bytes of elements. How the operands lie is taken from the tensor maps that copy into their buffers.
#[track_caller]
pub fn wgmma<const N: usize>(d: Address<impl Element>, a: Address<impl Element>, b: Address<impl Element>) {
    wgmma_if::<N>(true, d, a, b);
}

/// Like [`wgmma`], or `d = a * b` where the condition does not hold.
#[track_caller]
pub fn wgmma_if<const N: usize>(
    add: impl IntoExpr<bool>,
    d: Address<impl Element>,
    a: Address<impl Element>,
    b: Address<impl Element>,
) {
    let (d_type, a_type, b_type) = (d.scalar(), a.scalar(), b.scalar());
    let k = 32 / a_type.bytes();
    // From registers where the first operand lies there.
    let kind = if with(|builder| a.is_register(builder)).unwrap_or(false) { "rs" } else { "ss" };
    let row = format!("wgmma.m64n{N}k{k}.{d_type}.{a_type}.{b_type}.{kind}");
    let call = intrinsic(&row).address(&d).address(&a).address(&b).value::<bool>(add);
    match (a_type.bytes() == 2, kind) {
        (true, "ss") => call.imm(0).imm(0).run(),
        (true, _) => call.imm(0).run(),
        _ => call.run(),
    }
}

/// Orders the warp group's accesses to registers and shared memory before the wgmma that follow.
#[track_caller]
pub fn wgmma_fence() {
    intrinsic("wgmma.fence").run();
}

/// Ends a group of the warp group's wgmma.
#[track_caller]
pub fn wgmma_commit() {
    intrinsic("wgmma.commit").run();
}

/// Waits until at most `groups` of the warp group's groups are unfinished.
#[track_caller]
pub fn wgmma_wait(groups: i32) {
    intrinsic("wgmma.wait").imm(groups.into()).run();
}
