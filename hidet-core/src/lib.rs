//! The core of hidet: the IR, the passes over it, and the two devices that run it.
//!
//! Modules stand in layers; what stands right may import what stands left of it, never the other way:
//! `types, layout | intrinsics | ir | dsl | passes | codegen, sim | cuda | device | kernel`.

pub mod codegen;
pub mod cuda;
pub mod device;
pub mod dsl;
pub mod error;
pub mod intrinsics;
pub mod ir;
pub mod kernel;
pub mod layout;
pub mod passes;
pub mod sim;
pub mod testing;
pub mod types;

pub use error::{Error, Result};

/// Kernels in Rust syntax: `kernel! { #[launch(grid = .., block = ..)] pub fn name(x: In<f32, [n]>, y: Out<f32, [n]>) { .. } }`.
///
/// Each function becomes a Rust function that returns a [`dsl::Template`]. It works through any re-export, because it hands
/// on the path of its own crate.
#[macro_export]
macro_rules! kernel {
    ($($tokens:tt)*) => {
        $crate::__macros::kernel! { [$crate] $($tokens)* }
    };
}

/// The macros behind `kernel!`. Not for use by hand.
#[doc(hidden)]
pub mod __macros {
    pub use hidet_macros::kernel;
}
pub use hidet_macros::device;
