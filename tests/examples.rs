//! Every example runs on the simulated device with every checker on, and gives the result that it claims.

use hidet::prelude::*;
use hidet_examples as examples;

macro_rules! examples {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() -> hidet::Result<()> {
            examples::$name::run(&Device::sim())
        }
    )*};
}
examples! {
    vector_add reduction softmax layer_norm transpose histogram stencil prefix_sum
    matmul_naive matmul_tiled matmul_register_tiled matmul_double_buffered fusion streams row_kernels transpose_fast
    wgmma_1_tile wgmma_2_pipeline wgmma_3_two_groups wgmma_4_persistent wgmma_5_in_flight wgmma_6_staged matmul_wgmma convolution
    grouped_product
}

#[test]
fn digits_held_out_are_recognised() -> hidet::Result<()> {
    let (right, count) = examples::digits::classify(&Device::sim(), true)?;
    assert_eq!(count, 597);
    assert!(right * 100 >= count * 97, "{right} of {count}");
    Ok(())
}

// The examples on operators and models are not part of the kernels of examples, which hidet-ops does not build on.
#[path = "../examples/24_file_types.rs"]
mod file_types;
#[path = "../examples/23_onnx.rs"]
mod onnx;
#[path = "../examples/21_operators.rs"]
mod operators;
#[path = "../examples/25_serving.rs"]
mod serving;
#[path = "../examples/22_user_operators.rs"]
mod user_operators;

#[test]
fn operators_run() -> hidet_ops::Result<()> {
    operators::run(&Device::sim())
}

#[test]
fn a_model_of_onnx_recognises_digits() -> hidet_onnx::Result<()> {
    onnx::run(&Device::sim())
}

#[test]
fn types_of_files_are_found() -> Result<(), Box<dyn std::error::Error>> {
    file_types::run(&Device::sim(), &file_types::FILES[..2])
}

#[test]
fn clients_share_batches() -> hidet_onnx::Result<()> {
    // With checks, the kernels of the model run in the test of example 23.
    serving::run(&Device::sim_with(hidet::sim::Options::fast()))
}

#[test]
fn user_operators_are_short_and_fused() -> hidet_ops::Result<()> {
    user_operators::run(&Device::sim())?;
    let text = include_str!("../examples/22_user_operators.rs");
    for way in ["by_composition", "by_definition", "by_kernel"] {
        let lines = text.lines().skip_while(|line| *line != format!("mod {way} {{")).take_while(|line| *line != "}");
        let count = lines.count() + 1;
        assert!((5..60).contains(&count), "{way}: {count} lines");
    }
    Ok(())
}
