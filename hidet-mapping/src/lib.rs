//! Task mappings: who does which tasks in which order.
//!
//! A task mapping is `(workers, shape, f)`: a number of workers, the shape of a task domain, and a function from a
//! worker to its ordered list of tasks. This crate holds the algebra, its evaluation, its properties and its drawing.
//! It knows nothing of kernels, devices or the IR: the macros use it while expanding, the core while lowering.
//!
//! Source: "Hidet: Task-Mapping Programming Paradigm for Deep Learning Tensor Programs", ASPLOS 2023, section 4.1.

pub mod arith;
pub mod index;

pub use arith::{Arith, HostArith};
pub use index::IndexExpr;
