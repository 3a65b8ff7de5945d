//! Tensor programs by task mapping: GPU kernels in Rust syntax, and the two devices that run them.
//!
//! The language is described at [`kernel!`], its values at [`dsl::Expr`], its tensors at [`dsl::View`], its intrinsics
//! in [`dsl::intrinsics`], parts of kernels in [`blocks`]. [`device::Device`] runs kernels, [`kernel::Kernel`] is launched,
//! and [`inspect`](inspect::inspect) shows a kernel at every stage of compilation.

pub mod inspect;

pub use hidet_blocks as blocks;
pub use hidet_core::*;
pub use hidet_macros::task_mapping;
pub use hidet_mapping as mapping;

/// The imports of programs with kernels: `use hidet::prelude::*;`
pub mod prelude {
    pub use hidet_core::device::{Device, Graph, Pinned, Stream, Tensor};
    #[doc(hidden)]
    pub use hidet_core::dsl::foreign::{
        ceilf, cosf, erff, exp2f, expf, fabsf, floorf, fmaf, fmaxf, fminf, fmodf, log2f, log10f, logf, max, min, powf,
        rsqrtf, sinf, sqrtf, tanhf,
    };
    pub use hidet_core::dsl::intrinsics::*;
    pub use hidet_core::dsl::{
        Address, Epilogue, Expr, In, InOut, InOutTable, InTable, IntoExpr, OnDevice, Out, OutTable, Prologue,
        Registers, Template, Var, Vector, View, computed_view, lanes, lit, registers, shared, splat, symbolic_repeat,
        symbolic_spatial, unroll, vector, vector2, vector4, vector8,
    };
    pub use hidet_core::ir::Swizzle;
    pub use hidet_core::kernel;
    pub use hidet_core::kernel::Kernel;
    pub use hidet_core::layout::Layout;
    pub use hidet_core::types::{Bits, E4M3, E5M2, Element, Float, Int, Num, TF32, bf16, f16};
    pub use hidet_macros::device;
    pub use hidet_macros::task_mapping;
    pub use hidet_mapping::{Index, TaskMapping, Worker, auto_map, col_repeat, col_spatial, repeat, spatial};
}

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
