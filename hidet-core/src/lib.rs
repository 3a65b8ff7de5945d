//! The core of hidet: the IR, the passes over it, and the two devices that run it.
//!
//! Modules stand in layers; what stands right may import what stands left of it, never the other way:
//! `types, layout | intrinsics | ir | dsl | passes | codegen, sim | cuda | device | kernel`.

pub mod codegen;
pub mod cuda;
pub mod error;
pub mod intrinsics;
pub mod ir;
pub mod layout;
pub mod testing;
pub mod passes;
pub mod types;

pub use error::{Error, Result};
