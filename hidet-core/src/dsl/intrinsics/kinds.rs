//! The types that intrinsics are for, as bounds.

use crate::types::{Element, bf16, f16};

/// The types of `atomic_add`.
#[diagnostic::on_unimplemented(
    message = "there is no atomic addition of `{Self}`",
    label = "not i32, u32, i64, u64, f32 or f64"
)]
pub trait AtomicNum: Element {}

/// The types of the other atomics.
#[diagnostic::on_unimplemented(message = "there is no such atomic of `{Self}`", label = "not i32, u32, i64 or u64")]
pub trait AtomicInt: Element {}

/// The types of loads and stores that order others, and of those that arrive at an mbarrier.
#[diagnostic::on_unimplemented(
    message = "there is no such load or store of `{Self}`",
    label = "not i32, u32, i64, u64, f32 or f64"
)]
pub trait Word: Element {}

/// The types of `redux`, of bit fields and products of bytes.
#[diagnostic::on_unimplemented(message = "this is for `i32` and `u32`, not `{Self}`", label = "not i32 or u32")]
pub trait Word32: Element {}

/// The types of additions to another block's memory.
#[diagnostic::on_unimplemented(
    message = "there is no addition of `{Self}` to the memory of another block",
    label = "not i32, u32 or u64"
)]
pub trait ClusterNum: Element {}

/// The types of vectors that are added to memory.
#[diagnostic::on_unimplemented(message = "there is no addition of vectors of `{Self}`", label = "not f16, bf16 or f32")]
pub trait ReducedFloat: Element {}

macro_rules! kinds {
    ($($trait:ident: $($ty:ty)*;)*) => {$($(
        #[diagnostic::do_not_recommend]
        impl $trait for $ty {}
    )*)*};
}
kinds! {
    AtomicNum: i32 u32 i64 u64 f32 f64;
    AtomicInt: i32 u32 i64 u64;
    Word: i32 u32 i64 u64 f32 f64;
    Word32: i32 u32;
    ClusterNum: i32 u32 u64;
    ReducedFloat: f16 bf16 f32;
}
