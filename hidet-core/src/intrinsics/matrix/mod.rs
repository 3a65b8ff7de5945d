//! Tensor cores as plain functions over lane values: products, and the lane that holds each element.
//!
//! Both devices, the language and the documentation take fragments from here only. Independent of the IR, of memory and
//! of scheduling, which are the simulator's task.

mod form;
mod fragment;
mod product;

pub use form::{Form, SPANS};
pub use fragment::{Fragments, matrix_fragment, mma_fragments, positions, wgmma_accumulator, wgmma_left};
pub use product::{Product, Terms};
