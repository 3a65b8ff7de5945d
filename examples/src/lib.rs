//! The kernels of the examples, and those that try the language hardest, as modules: for tests of other crates and for
//! the `hidet` command.

#[path = "../01_vector_add.rs"]
pub mod vector_add;
#[path = "../02_reduction.rs"]
pub mod reduction;
#[path = "../03_softmax.rs"]
pub mod softmax;
#[path = "../04_layer_norm.rs"]
pub mod layer_norm;
#[path = "../05_transpose.rs"]
pub mod transpose;
#[path = "../06_histogram.rs"]
pub mod histogram;
#[path = "../07_stencil.rs"]
pub mod stencil;
#[path = "../08_prefix_sum.rs"]
pub mod prefix_sum;
#[path = "../09_matmul_naive.rs"]
pub mod matmul_naive;
#[path = "../10_matmul_tiled.rs"]
pub mod matmul_tiled;
#[path = "../11_matmul_register_tiled.rs"]
pub mod matmul_register_tiled;
#[path = "../12_matmul_double_buffered.rs"]
pub mod matmul_double_buffered;
#[path = "../13_fusion.rs"]
pub mod fusion;
#[path = "../14_digits.rs"]
pub mod digits;
pub mod hard;
pub mod registry;
