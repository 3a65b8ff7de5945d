//! Every kernel by name, built without a device: for `hidet inspect` and for tests over all kernels.

use super::*;
use hidet::blocks::{PixelRoute, Window};
use hidet::ir::Function;
use hidet::prelude::*;

/// A kernel: its name, with the instance's parameters, and its builder.
pub struct Entry {
    /// For example `softmax<f16>`.
    pub name: &'static str,
    /// Builds its IR.
    pub build: fn() -> hidet::Result<Function>,
}

macro_rules! entries {
    ($($name:literal => $template:expr;)*) => { vec![$(Entry { name: $name, build: || $template.build() },)*] };
}

const SMALL_TILE: hard::matmul_template::Tile =
    hard::matmul_template::Tile { warps: [2, 2], outer: [1, 1], inner: [4, 4], depth: 8 };
const LARGE_TILE: hard::matmul_template::Tile =
    hard::matmul_template::Tile { warps: [4, 2], outer: [2, 2], inner: [2, 2], depth: 16 };

const ASYNCHRONOUS: matmul_double_buffered::Schedule = matmul_double_buffered::Schedule::PAPER.asynchronous();

/// The windows of a convolution 3 x 3.
const WINDOW: Window = Window { kernel: [3, 3], padding: [1, 1], stride: [2, 2], dilation: [1, 1] };

/// A schedule of rows for a persistent grid.
fn persistent<T: Element>(cols: usize) -> Option<row_kernels::Rows> {
    let plan = row_kernels::Rows::of::<T>(cols, 16)?;
    Some(row_kernels::Rows { persistent: Some([4, 132]), ..plan })
}

/// All kernels.
pub fn all() -> Vec<Entry> {
    entries! {
        "vector_add<f32>" => vector_add::vector_add::<f32>();
        "vector_add<f64>" => vector_add::vector_add::<f64>();
        "vector_add<f16>" => vector_add::vector_add::<f16>();
        "vector_add<bf16>" => vector_add::vector_add::<bf16>();
        "vector_add<i64>" => vector_add::vector_add::<i64>();
        "vector_add<u8>" => vector_add::vector_add::<u8>();
        "copy16<u8>" => streams::copy16::<u8>(streams::Copies::of::<u8>(16, 1));
        "copy16<f32, unaligned>" => streams::copy16::<f32>(streams::Copies::of::<f32>(4, 1));
        "vector_add_fast<f32>" => streams::vector_add_fast::<f32>(streams::Copies::of::<f32>(16, 1));
        "vector_add_fast<f16>" => streams::vector_add_fast::<f16>(streams::Copies::of::<f16>(16, 4));
        "row_sum_fast<f32, 768>" => row_kernels::row_sum_fast::<f32>(row_kernels::Rows::of::<f32>(768, 16));
        "row_sum_fast<f16, 1000>" => row_kernels::row_sum_fast::<f16>(row_kernels::Rows::of::<f16>(1000, 16));
        "softmax_fast<f32, 768>" => row_kernels::softmax_fast::<f32>(row_kernels::Rows::of::<f32>(768, 16));
        "softmax_fast<f16, 1000>" => row_kernels::softmax_fast::<f16>(row_kernels::Rows::of::<f16>(1000, 16));
        "softmax_fast<f32, 8192>" => row_kernels::softmax_fast::<f32>(row_kernels::Rows::of::<f32>(8192, 16));
        "softmax_fast<f16, 8192>" => row_kernels::softmax_fast::<f16>(row_kernels::Rows::of::<f16>(8192, 16));
        "softmax_fast<f16, 1000, persistent>" => row_kernels::softmax_fast::<f16>(persistent::<f16>(1000));
        "layer_norm_fast<f16, 1024, persistent>" => row_kernels::layer_norm_fast::<f16>(persistent::<f16>(1024));
        "softmax_fast<bf16, 1001>" => row_kernels::softmax_fast::<bf16>(row_kernels::Rows::of::<bf16>(1001, 2));
        "layer_norm_fast<f32, 1024>" => row_kernels::layer_norm_fast::<f32>(row_kernels::Rows::of::<f32>(1024, 16));
        "layer_norm_fast<f16, 1000>" => row_kernels::layer_norm_fast::<f16>(row_kernels::Rows::of::<f16>(1000, 16));
        "layer_norm_fast<f16, 8192>" => row_kernels::layer_norm_fast::<f16>(row_kernels::Rows::of::<f16>(8192, 16));
        "row_sum_warp<f32>" => reduction::row_sum_warp::<f32>();
        "row_sum_warp<f16>" => reduction::row_sum_warp::<f16>();
        "row_sum_block<f32>" => reduction::row_sum_block::<f32>();
        "row_sum_block<bf16>" => reduction::row_sum_block::<bf16>();
        "sum_all" => reduction::sum_all(16);
        "softmax<f32>" => softmax::softmax::<f32>();
        "softmax<f64>" => softmax::softmax::<f64>();
        "softmax<f16>" => softmax::softmax::<f16>();
        "softmax<bf16>" => softmax::softmax::<bf16>();
        "layer_norm<f32>" => layer_norm::layer_norm::<f32>();
        "layer_norm<f16>" => layer_norm::layer_norm::<f16>();
        "transpose<f32>" => transpose::transpose::<f32>();
        "transpose<f16>" => transpose::transpose::<f16>();
        "transpose<u8>" => transpose::transpose::<u8>();
        "transpose_fast<f32>" => transpose_fast::transpose_fast::<f32>(transpose_fast::Squares::of::<f32>(64, 64, 16));
        "transpose_fast<f16>" => transpose_fast::transpose_fast::<f16>(transpose_fast::Squares::of::<f16>(64, 64, 16));
        "transpose_fast<f16, direct>" => transpose_fast::transpose_fast::<f16>(Some(transpose_fast::Squares { lanes: 8, direct: Some(8) }));
        "histogram<256>" => histogram::histogram::<256>();
        "stencil" => stencil::stencil([[0.25, 0.5, 0.25], [0.0, -1.0, 0.125], [0.5, 0.75, 0.0]]);
        "prefix_sum" => prefix_sum::prefix_sum();
        "matmul_naive<f32>" => matmul_naive::matmul_naive::<f32>();
        "matmul_naive<f64>" => matmul_naive::matmul_naive::<f64>();
        "matmul_tiled<f32>" => matmul_tiled::matmul_tiled::<f32>();
        "matmul_tiled<f16>" => matmul_tiled::matmul_tiled::<f16>();
        "matmul_register_tiled<f32>" => matmul_register_tiled::matmul_register_tiled::<f32>();
        "matmul_register_tiled<bf16>" => matmul_register_tiled::matmul_register_tiled::<bf16>();
        "matmul_double_buffered" => matmul_double_buffered::matmul_double_buffered(Default::default());
        "matmul_double_buffered, asynchronous" => matmul_double_buffered::matmul_double_buffered(ASYNCHRONOUS);
        "grouped_product" => grouped_product::grouped_product();
        "scaled_softmax" => fusion::scaled_softmax();
        "linear" => fusion::linear();
        "sort_rows" => hard::sort::sort_rows();
        "batch_matmul<f32>" => hard::matmul_template::batch_matmul::<f32>(SMALL_TILE);
        "batch_matmul<f16>" => hard::matmul_template::batch_matmul::<f16>(LARGE_TILE);
        "matmul_split_k" => hard::matmul_split_k::matmul_split_k(4);
        "matmul_async<3>" => hard::matmul_async::matmul_async::<3>();
        "matmul_mma" => hard::matmul_mma::matmul_mma();
        "matmul_multicast" => hard::matmul_multicast::matmul_multicast();
        "cluster_softmax<4>" => hard::cluster_softmax::cluster_softmax::<4>();
        "cluster_softmax<16>" => hard::cluster_softmax::cluster_softmax::<16>();
        "grid_diffusion<8>" => hard::grid_diffusion::grid_diffusion::<8>(5);
        "wgmma_tile" => wgmma_1_tile::wgmma_tile();
        "wgmma_pipeline<3>" => wgmma_2_pipeline::wgmma_pipeline::<3>();
        "wgmma_two_groups<4>" => wgmma_3_two_groups::wgmma_two_groups::<4>();
        "wgmma_persistent<4>" => wgmma_4_persistent::wgmma_persistent::<4>(132);
        "wgmma_in_flight<4>" => wgmma_5_in_flight::wgmma_in_flight::<4>(132);
        "wgmma_staged<4>" => wgmma_6_staged::wgmma_staged::<4>(132);
        "matmul_wgmma" => matmul_wgmma::matmul_wgmma::<bf16>(Default::default());
        "convolution, boxes" => convolution::convolution::<f16>(WINDOW, convolution::Schedule { route: PixelRoute::Boxes([1, 8, 8]), ..Default::default() });
        "convolution, columns" => convolution::convolution::<f16>(WINDOW, convolution::Schedule { split: 4, ..Default::default() });
        "convolution, threads" => convolution::convolution::<f16>(WINDOW, convolution::Schedule { route: PixelRoute::Threads, ..Default::default() });
        "linear_wgmma" => hard::linear::linear_wgmma(hard::linear::SCHEDULE);
        "flash_attention<f16, 64>" => hard::flash_attention::flash_attention::<f16, 64>(false);
        "flash_attention<bf16, 64>" => hard::flash_attention::flash_attention::<bf16, 64>(false);
        "flash_attention<f16, 128, causal>" => hard::flash_attention::flash_attention::<f16, 128>(true);
        "scaled_linear_wgmma" => hard::linear::scaled_linear_wgmma(hard::linear::SCHEDULE);
        "pipelined_scale" => hard::pipeline::pipelined_scale();
        "attention<32>" => hard::attention::attention::<32>(false);
        "attention<64, causal>" => hard::attention::attention::<64>(true);
        "persistent_square" => hard::persistent::persistent_square();
        "collatz<50>" => hard::control::collatz::<50>(hard::control::Mode::Clamp(40.0), &[7, 11, 13]);
        "scatter" => hard::scatter::scatter();
        "checked_copy" => hard::scatter::checked_copy();
        "dense" => digits::dense(true);
        "argmax" => digits::argmax();
    }
}
