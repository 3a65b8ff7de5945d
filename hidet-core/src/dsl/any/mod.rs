//! Untyped building: values and views whose element type and rank are known when the kernel is built, not when Rust
//! compiles it, for a layer that assembles kernels from a description, such as the operators of a graph.
//!
//! The handles are those of [`Expr`](super::Expr) and [`View`](super::View), with the type beside them instead of in the
//! type system. What rustc checks there is checked here while building: a mistake is an error of the kernel at its Rust
//! line.

mod expr;
mod map;
mod view;

pub use expr::AnyExpr;
pub use map::AnyOperand;
pub use view::AnyView;
pub(super) use view::describe;
