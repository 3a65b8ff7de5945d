//! Bounds for the types that intrinsics support.

use crate::types::{Element, bf16, f16};

/// The types of `atomic_add`.
#[diagnostic::on_unimplemented(
    message = "`atomic_add` does not support `{Self}`",
    label = "not i32, u32, i64, u64, f32 or f64"
)]
pub trait AtomicNum: Element {}

/// The types of the other atomics.
#[diagnostic::on_unimplemented(
    message = "this atomic operation does not support `{Self}`",
    label = "not i32, u32, i64 or u64"
)]
pub trait AtomicInt: Element {}

/// The types of ordered loads and stores, and of those that arrive at an mbarrier.
#[diagnostic::on_unimplemented(
    message = "this load or store does not support `{Self}`",
    label = "not i32, u32, i64, u64, f32 or f64"
)]
pub trait Word: Element {}

/// The types of `redux`, of bit fields and of dot products of bytes.
#[diagnostic::on_unimplemented(
    message = "this intrinsic supports `i32` and `u32`, not `{Self}`",
    label = "not i32 or u32"
)]
pub trait Word32: Element {}

/// The types of additions to another block's memory.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be added to the memory of another block",
    label = "not i32, u32 or u64"
)]
pub trait ClusterNum: Element {}

/// The types of vector additions to memory.
#[diagnostic::on_unimplemented(
    message = "vectors of `{Self}` cannot be added to memory",
    label = "not f16, bf16 or f32"
)]
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
