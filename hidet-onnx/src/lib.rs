//! ONNX models for hidet: a [`Model`] is read from a file, and run on a device by the operators of `hidet-ops`.
//!
//! Operators compute nothing until the outputs of the model are asked for; then they are fused into few kernels. Arithmetic of
//! shapes runs on the host. `NODE_CASES.md` lists which of the standard's test cases pass, and why others are refused: what
//! is not supported is refused by name, never computed approximately.
//!
//! Users replace nodes of a model by operators or kernels of their own, by a [`Rule`].
//!
//! Sequences, maps, strings and complex numbers are not supported.

mod arithmetic;
mod array;
mod attributes;
mod build;
mod call;
mod compiled;
mod element;
mod error;
mod file;
mod graph;
mod model;
mod npy;
mod npz;
mod ops;
mod passes;
mod pattern;
mod proto;
mod rewrite;
mod rule;
mod run;
mod safetensors;
mod syntax;
mod value;
mod verify;

pub use arithmetic::Arithmetic;
pub use array::Array;
pub use compiled::Compiled;
pub use error::{Error, NodeName, Result, Unsupported, Why};
pub use file::tensor;
pub use graph::{Declared, Dim};
pub use hidet_ops::Extent;
pub use model::{Model, Session, Trace};
pub use passes::Pass;
pub use rule::Rule;
pub use syntax::Constants;
