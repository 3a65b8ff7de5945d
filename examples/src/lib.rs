//! The kernels of the examples, and those that try the language hardest, as modules: for tests of other crates and for
//! the `hidet` command.

#[path = "../14_digits.rs"]
pub mod digits;
#[path = "../13_fusion.rs"]
pub mod fusion;
pub mod hard;
#[path = "../06_histogram.rs"]
pub mod histogram;
#[path = "../04_layer_norm.rs"]
pub mod layer_norm;
#[path = "../12_matmul_double_buffered.rs"]
pub mod matmul_double_buffered;
#[path = "../09_matmul_naive.rs"]
pub mod matmul_naive;
#[path = "../11_matmul_register_tiled.rs"]
pub mod matmul_register_tiled;
#[path = "../10_matmul_tiled.rs"]
pub mod matmul_tiled;
#[path = "../08_prefix_sum.rs"]
pub mod prefix_sum;
#[path = "../02_reduction.rs"]
pub mod reduction;
pub mod registry;
#[path = "../16_row_kernels.rs"]
pub mod row_kernels;
#[path = "../03_softmax.rs"]
pub mod softmax;
#[path = "../07_stencil.rs"]
pub mod stencil;
#[path = "../15_streams.rs"]
pub mod streams;
#[path = "../05_transpose.rs"]
pub mod transpose;
#[path = "../01_vector_add.rs"]
pub mod vector_add;
