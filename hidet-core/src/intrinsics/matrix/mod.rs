//! What tensor cores compute, as plain functions over lane values: products, and which lane holds which element.
//!
//! Both devices, the language and the documentation take fragments from here alone. Knows no IR, no memory and no
//! scheduling: who calls, and when, is the simulator's business.

mod form;
mod fragment;
mod product;

pub use form::{Form, SPANS};
pub use fragment::{Fragments, matrix_fragment, mma_fragments, positions, wgmma_accumulator, wgmma_left};
pub use product::{Product, Terms};
