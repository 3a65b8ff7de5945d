//! Tensor programs by task mapping.

pub use hidet_core::*;
