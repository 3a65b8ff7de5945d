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
