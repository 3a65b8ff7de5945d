//! Tensor programs by task mapping.

pub use hidet_core::*;
pub use hidet_macros::task_mapping;
pub use hidet_mapping as mapping;
