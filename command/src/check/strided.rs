//! Kernels on tensors that are not contiguous: parts of larger ones, with a stride of rows and one of batches. A kernel must
//! give the same bits as on contiguous tensors, and leave what is between the rows as it was.

use super::bench::{Bench, Limit};
use super::numbers::Random;
use crate::examples::hard::matmul_template::{Tile, batch_matmul};
use crate::examples::hard::{
    attention::attention, cluster_softmax::cluster_softmax, flash_attention::flash_attention, linear,
    matmul_async::matmul_async, matmul_mma::matmul_mma, matmul_multicast::matmul_multicast,
    matmul_split_k::matmul_split_k, scatter, sort::sort_rows,
};
use crate::examples::row_kernels::{Rows, layer_norm_fast, row_sum_fast, softmax_fast};
use crate::examples::transpose_fast::{Squares, transpose_fast};
use crate::examples::{
    fusion, layer_norm::layer_norm, matmul_double_buffered, matmul_naive::matmul_naive,
    matmul_register_tiled::matmul_register_tiled, matmul_tiled::matmul_tiled, matmul_wgmma, reduction,
    softmax::softmax, stencil::stencil, transpose::transpose, wgmma_1_tile, wgmma_2_pipeline, wgmma_3_two_groups,
    wgmma_4_persistent, wgmma_5_in_flight, wgmma_6_staged,
};
use hidet::device::{RawTensor, Storage};
use hidet::ir::{Access, Function, Param};
use hidet::kernel::{CompileOptions, Compiled, RawArg};
use hidet::prelude::*;
use hidet::types::{Const, Scalar};

/// What stands between the rows.
const BETWEEN: u8 = 0xa5;

kernel! {
    /// y = x * by.
    #[launch(grid = (n.div_ceil(32), m, b), block = 32)]
    fn scale_batches(x: In<f32, [b, m, n]>, y: Out<f32, [b, m, n]>, by: f32) {
        let at = (block_idx().z, block_idx().y, block_idx().x * 32 + thread_id());
        y.set(at, x.get(at) * by);
    }

    /// The same, by vectors, with the product in a view.
    #[launch(grid = (n.div_ceil(128), m, b), block = 32)]
    fn scale_vectors(x: In<f32, [b, m, n]>, y: Out<f32, [b, m, n]>, by: f32) {
        let (batch, row, col) = (block_idx().z, block_idx().y, block_idx().x * 128 + thread_id() * 4);
        if col < n {
            y.store((batch, row, col), x.map(move |v, _| v * by).load::<4>((batch, row, col)));
        }
    }
}

pub(super) fn check(bench: &mut Bench) {
    let number = |value: f32| Const { scalar: Scalar::F32, bits: value.to_bits().into() };
    let sm = |number: u32| bench.arch().is_none_or(|arch| arch.number >= number);
    let (clusters, wgmma) = (sm(90), bench.arch().is_none_or(|arch| arch.to_string() == "sm_90a"));
    let mut all = Cases { bench, pad: 3 };
    elementwise(&mut all, &[number(1.5)]);
    rows(&mut all, &[number(1e-5)]);
    products(&mut all);
    if clusters {
        all.aligned("matmul_multicast", matmul_multicast(), &[&[65, 20], &[20, 132], &[65, 132]], &[]);
        all.odd("cluster_softmax<4>", cluster_softmax::<4>(), &[&[3, 1000], &[3, 1000]], &[]);
    }
    if wgmma {
        tensor_cores(&mut all, &[number(0.125)]);
    }
}

fn elementwise(all: &mut Cases, by: &[Const]) {
    for shape in [[2, 3, 257], [1, 4, 32], [3, 1, 5], [2, 0, 8]] {
        all.odd("scale_batches", scale_batches(), &[&shape, &shape], by);
    }
    all.aligned("scale_vectors", scale_vectors(), &[&[2, 3, 256], &[2, 3, 256]], by);
    all.odd("scatter", scatter::scatter(), &[&[16, 8], &[16, 8]], &[]);
    let weights = [[0.25, 0.5, 0.25], [0.0, -1.0, 0.125], [0.5, 0.75, 0.0]];
    all.odd("stencil", stencil(weights), &[&[20, 50], &[20, 50]], &[]);
    all.odd("transpose", transpose::<f16>(), &[&[33, 65], &[65, 33]], &[]);
    for (rows, cols) in [(136, 72), (64, 128)] {
        let plan = Squares::of::<f16>(rows, cols, 16);
        for plan in [plan, plan.map(|plan| Squares { direct: Some(8), ..plan })] {
            all.aligned("transpose_fast", transpose_fast::<f16>(plan), &[&[rows, cols], &[cols, rows]], &[]);
        }
    }
}

fn rows(all: &mut Cases, epsilon: &[Const]) {
    for shape @ [rows, cols] in [[7, 257], [3, 1000], [1, 33]] {
        all.odd("row_sum_warp", reduction::row_sum_warp::<f32>(), &[&shape, &[rows]], &[]);
        all.odd("row_sum_block", reduction::row_sum_block::<bf16>(), &[&shape, &[rows]], &[]);
        all.odd("softmax", softmax::<f16>(), &[&shape, &shape], &[]);
        all.odd("layer_norm", layer_norm::<f32>(), &[&shape, &[cols], &[cols], &shape], epsilon);
        all.odd("softmax (fused)", fusion::scaled_softmax(), &[&shape, &shape], epsilon);
    }
    for shape @ [rows, cols] in [[5, 768], [7, 1000], [2, 8192]] {
        let plan = Rows::of::<f16>(cols, 16);
        all.aligned("row_sum_fast", row_sum_fast::<f16>(plan), &[&shape, &[rows]], &[]);
        all.aligned("softmax_fast", softmax_fast::<f16>(plan), &[&shape, &shape], &[]);
        all.aligned("layer_norm_fast", layer_norm_fast::<f16>(plan), &[&shape, &[cols], &[cols], &shape], epsilon);
    }
    all.odd("sort_rows", sort_rows(), &[&[3, 256]], &[]);
    all.odd("attention<32>", attention::<32>(true), &[&[2, 37, 32], &[2, 37, 32], &[2, 37, 32], &[2, 37, 32]], &[]);
}

fn products(all: &mut Cases) {
    let asynchronous = matmul_double_buffered::Schedule::PAPER.asynchronous();
    for [m, n, k] in [[31, 37, 41], [131, 129, 67], [1, 64, 8]] {
        let shapes: [&[usize]; 3] = [&[m, k], &[k, n], &[m, n]];
        all.odd("matmul_naive", matmul_naive::<f32>(), &shapes, &[]);
        all.odd("matmul_tiled", matmul_tiled::<f16>(), &shapes, &[]);
        all.odd("matmul_register_tiled", matmul_register_tiled::<f32>(), &shapes, &[]);
        let product = |schedule| matmul_double_buffered::matmul_double_buffered(schedule);
        all.odd("matmul_double_buffered", product(Default::default()), &shapes, &[]);
        all.odd("matmul_double_buffered/async", product(asynchronous), &shapes, &[]);
        all.odd("linear (fused)", fusion::linear(), &[&[m, k], &[k, n], &[n], &[m, n], &[m, n]], &[]);
        let turns = [m.div_ceil(16) * n.div_ceil(16)];
        all.odd("matmul_split_k", matmul_split_k(4), &[&[m, k], &[k, n], &[m, n], &turns], &[]);
    }
    let tile = Tile { warps: [2, 2], outer: [1, 1], inner: [4, 4], depth: 8 };
    all.odd("batch_matmul", batch_matmul::<f32>(tile), &[&[3, 64, 31], &[3, 31, 70], &[3, 64, 70]], &[]);
    all.aligned("matmul_async", matmul_async::<3>(), &[&[64, 48], &[48, 128], &[64, 128]], &[]);
    all.aligned("matmul_mma", matmul_mma(), &[&[128, 48], &[48, 64], &[128, 64]], &[]);
}

fn tensor_cores(all: &mut Cases, scale: &[Const]) {
    let steps = [
        ("wgmma_tile", wgmma_1_tile::wgmma_tile()),
        ("wgmma_pipeline", wgmma_2_pipeline::wgmma_pipeline::<3>()),
        ("wgmma_two_groups", wgmma_3_two_groups::wgmma_two_groups::<4>()),
        ("wgmma_persistent", wgmma_4_persistent::wgmma_persistent::<4>(3)),
        ("wgmma_in_flight", wgmma_5_in_flight::wgmma_in_flight::<4>(3)),
        ("wgmma_staged", wgmma_6_staged::wgmma_staged::<4>(3)),
    ];
    for (name, kernel) in steps {
        all.aligned(name, kernel, &[&[128, 192], &[256, 192], &[128, 256]], &[]);
    }
    let schedule = matmul_wgmma::Schedule { blocks: 4, band: 1, ..Default::default() };
    let [m, n, k] = [200, 264, 136];
    all.aligned("matmul_wgmma", matmul_wgmma::matmul_wgmma::<bf16>(schedule), &[&[m, k], &[n, k], &[m, n]], &[]);
    let shapes: [&[usize]; 5] = [&[m, k], &[n, k], &[n], &[m, n], &[m, n]];
    all.aligned("linear_wgmma", linear::linear_wgmma(schedule), &shapes, &[]);
    let [q, k] = [[2, 130, 64], [2, 300, 64]];
    all.aligned("flash_attention", flash_attention::<f16, 64>(false), &[&q, &k, &k, &q], scale);
}

/// The cases of a device.
struct Cases<'a> {
    bench: &'a mut Bench,
    pad: usize,
}

impl Cases<'_> {
    /// A kernel whose rows may begin anywhere.
    fn odd<Args>(&mut self, name: &str, kernel: Template<Args>, shapes: &[&[usize]], numbers: &[Const]) {
        self.pad = 3;
        self.case(name, kernel, shapes, numbers);
    }

    /// A kernel whose rows must begin at multiples of 16 bytes.
    fn aligned<Args>(&mut self, name: &str, kernel: Template<Args>, shapes: &[&[usize]], numbers: &[Const]) {
        self.pad = 16;
        self.case(name, kernel, shapes, numbers);
    }

    /// One case: launches a kernel with contiguous tensors of these shapes, and with parts of larger ones.
    fn case<Args>(&mut self, name: &str, kernel: Template<Args>, shapes: &[&[usize]], numbers: &[Const]) {
        self.case_of_function(name, kernel.build(), shapes, numbers);
    }

    /// The same for a kernel that was built.
    fn case_of_function(
        &mut self,
        name: &str,
        function: hidet::Result<Function>,
        shapes: &[&[usize]],
        numbers: &[Const],
    ) {
        let (label, pad) = (shapes.last().map_or(&[][..], |shape| *shape), self.pad);
        let name = format!("{name}, strided");
        self.bench.case_of::<i32, i32>(&name, label, Limit::Ulps(0.0), &[0.0, 0.0], |device| {
            let compiled = Compiled::new(function.clone()?, device, &CompileOptions::default())?;
            let (contiguous, _) = launch(&compiled, shapes, numbers, 0)?;
            let (strided, changed) = launch(&compiled, shapes, numbers, pad)?;
            let differ = |a: &Vec<u8>, b: &Vec<u8>| a.iter().zip(b).filter(|(a, b)| a != b).count();
            let wrong: usize = contiguous.iter().zip(&strided).map(|(a, b)| differ(a, b)).sum();
            Ok(vec![wrong as i32, changed as i32])
        });
    }
}

/// Launches a kernel with tensors whose rows are that many elements longer than they, and returns the bytes of the tensors
/// after it, and how many bytes between the rows have changed.
fn launch(
    kernel: &Compiled,
    shapes: &[&[usize]],
    numbers: &[Const],
    pad: usize,
) -> hidet::Result<(Vec<Vec<u8>>, usize)> {
    let (mut random, mut shapes, mut numbers) = (Random::new(40), shapes.iter(), numbers.iter());
    let mut tensors: Vec<(RawTensor, Vec<std::ops::Range<usize>>)> = Vec::new();
    for param in &kernel.function().params {
        let Param::Tensor { buffer, access } = param else { continue };
        let (elem, shape) = (kernel.function().buffers[*buffer].elem, *shapes.next().unwrap_or(&&[][..]));
        let strides = strides(shape, pad);
        let runs = runs(shape, &strides, elem.bytes());
        let mut memory = vec![BETWEEN; runs.iter().map(|run| run.end).max().unwrap_or(0)];
        for run in &runs {
            for element in memory[run.clone()].chunks_exact_mut(elem.bytes()) {
                let value = if *access == Access::In { number(&mut random, elem) } else { 0 };
                element.copy_from_slice(&value.to_le_bytes()[..elem.bytes()]);
            }
        }
        let storage = Storage::from_bytes(kernel.device(), &memory)?;
        tensors.push((RawTensor::strided(kernel.device(), storage, 0, elem, shape, &strides)?, runs));
    }
    let mut given = tensors.iter();
    let args = kernel.function().params.iter().filter_map(|param| match param {
        Param::Tensor { .. } => given.next().map(|(tensor, _)| RawArg::Tensor(tensor)),
        Param::Scalar { .. } => numbers.next().map(|number| RawArg::Scalar(*number)),
    });
    kernel.launch(&args.collect::<Vec<_>>())?;
    let (mut elements, mut changed) = (Vec::new(), 0);
    for (tensor, runs) in &tensors {
        let mut memory = vec![0; tensor.storage().len()];
        tensor.storage().read(0, &mut memory)?;
        let own: Vec<u8> = runs.iter().flat_map(|run| memory[run.clone()].iter().copied()).collect();
        runs.iter().for_each(|run| memory[run.clone()].fill(BETWEEN));
        changed += memory.iter().filter(|byte| **byte != BETWEEN).count();
        elements.push(own);
    }
    Ok((elements, changed))
}

/// Returns the strides of a tensor of which each axis but the last is `pad` elements longer, in memory, than it.
fn strides(shape: &[usize], pad: usize) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] + pad;
    }
    strides
}

/// Returns the bytes of each row.
fn runs(shape: &[usize], strides: &[usize], size: usize) -> Vec<std::ops::Range<usize>> {
    let (last, axes) = shape.split_last().unwrap_or((&1, &[]));
    let rows = (0..axes.iter().product::<usize>()).map(|mut row| {
        let mut first = 0;
        for (extent, stride) in axes.iter().zip(strides).rev() {
            first += row % extent * stride;
            row /= extent;
        }
        first * size..(first + last) * size
    });
    rows.collect()
}

/// Returns the bits of a random number of a type, small enough for sums of products.
fn number(random: &mut Random, scalar: Scalar) -> u64 {
    let whole = (random.bits() % 64) as i64 - 32;
    match scalar {
        Scalar::F64 => f64::to_bits(whole as f64 / 16.0),
        Scalar::F32 => f32::to_bits(whole as f32 / 16.0).into(),
        Scalar::F16 => f16::from_f32(whole as f32 / 16.0).to_bits().into(),
        Scalar::BF16 => bf16::from_f32(whole as f32 / 16.0).to_bits().into(),
        _ => whole as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::passes;

    #[test]
    fn kernels_give_the_same_on_tensors_with_strides() {
        passes(check);
    }
}
