//! Scalar and vector types of device values, their sizes, and the rounding of half precision and smaller formats.
//!
//! Independent of the IR and of the devices.

pub mod arithmetic;
mod element;
pub mod math;
mod scalar;
pub mod small;

pub use element::{Bits, Comparable, Element, Float, Int, Num, Number};
pub use half::{bf16, f16};
pub use scalar::{Const, Scalar, Type};
pub use small::{E4M3, E5M2, TF32};
