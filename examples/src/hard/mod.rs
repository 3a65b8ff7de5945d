//! Kernels that stress the language: each must build, verify and compile for the architectures that it names.
//!
//! Together with those of the examples (softmax, layer norm, the grid sum, transpose, histogram, stencil, prefix sum,
//! the four matrix products) they are the kernels that the language was designed for.

pub mod attention;
pub mod cluster_softmax;
pub mod control;
pub mod flash_attention;
pub mod grid_diffusion;
pub mod linear;
pub mod matmul_async;
pub mod matmul_mma;
pub mod matmul_multicast;
pub mod matmul_split_k;
pub mod matmul_template;
pub mod persistent;
pub mod pipeline;
pub mod scatter;
pub mod sort;
