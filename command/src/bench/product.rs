//! Matrix products: bf16 on tensor cores, f32 without them.

use super::contestant::Contestant;
use super::gemm::Gemm;
use super::linear;
use super::problem::{Engine, Family, Make, Problem, Work, random, say, share};
use super::sample::{Elements, error, judge, on_all_cores, places};
use crate::check::numbers::Real;
use crate::examples::matmul_double_buffered::{self, matmul_double_buffered};
use crate::examples::matmul_naive::matmul_naive;
use crate::examples::matmul_register_tiled::matmul_register_tiled;
use crate::examples::matmul_tiled::matmul_tiled;
use crate::examples::matmul_wgmma::{Schedule, matmul_wgmma};
use crate::examples::wgmma_1_tile::wgmma_tile;
use crate::examples::wgmma_2_pipeline::wgmma_pipeline;
use crate::examples::wgmma_3_two_groups::wgmma_two_groups;
use crate::examples::wgmma_4_persistent::wgmma_persistent;
use crate::examples::wgmma_5_in_flight::wgmma_in_flight;
use crate::examples::wgmma_6_staged::wgmma_staged;
use hidet::dsl::Template;
use hidet::prelude::*;
use hidet::types::Scalar;

/// The parameters of a product's kernel.
type Args<T> = (In<T, 2>, In<T, 2>, Out<T, 2>);
/// A kernel by name.
type Named<T> = (&'static str, fn() -> Template<Args<T>>);

/// Makes kernels with further operands, given a, b and c.
type FusedKernels<T> =
    fn(&Device, (&Tensor<T, 2>, &Tensor<T, 2>, &Tensor<T, 2>)) -> Result<Vec<(String, Make)>, String>;

/// c = a * transposed b: the steps of the ladder, then the final kernel.
const BF16: &[Named<bf16>] = &[
    ("wgmma_tile", wgmma_tile),
    ("wgmma_pipeline", wgmma_pipeline::<3>),
    ("wgmma_two_groups", wgmma_two_groups::<4>),
    ("wgmma_persistent", || wgmma_persistent::<4>(132)),
    ("wgmma_in_flight", || wgmma_in_flight::<4>(132)),
    ("wgmma_staged", || wgmma_staged::<4>(132)),
    ("matmul_wgmma", || matmul_wgmma::<bf16>(Default::default())),
    ("matmul_wgmma/alone", || matmul_wgmma::<bf16>(Schedule { cluster: 1, band: 16, ..Schedule::default() })),
];

/// c = a * b.
const F32: &[Named<f32>] = &[
    ("matmul_naive", || matmul_naive::<f32>()),
    ("matmul_tiled", || matmul_tiled::<f32>()),
    ("matmul_register_tiled", || matmul_register_tiled::<f32>()),
    ("matmul_double_buffered", || matmul_double_buffered(Default::default())),
    ("matmul_double_buffered/asynchronous", || {
        matmul_double_buffered(matmul_double_buffered::Schedule::PAPER.asynchronous())
    }),
];

const AXES: &[&str] = &["m", "n", "k"];

/// The families of products.
pub fn families() -> Vec<Family> {
    vec![
        Family {
            kernels: BF16.iter().map(|named| named.0).chain(linear::NAMES).map(str::to_owned).collect(),
            baselines: &["cublaslt"],
            axes: AXES,
            shapes: vec![vec![4096; 3], vec![8192; 3]],
            small: vec![256; 3],
            open: |device, shape| open(device, shape, BF16, linear::makes, Engine::Tensor, true),
        },
        Family {
            kernels: F32.iter().map(|named| named.0.to_owned()).collect(),
            baselines: &["cublas", "cublaslt"],
            axes: AXES,
            shapes: vec![vec![4096; 3], vec![2048; 3], vec![2039; 3]],
            small: vec![256; 3],
            open: |device, shape| open(device, shape, F32, |_, _| Ok(Vec::new()), Engine::Fma, false),
        },
    ]
}

fn open<T: Real + Float>(
    device: &Device,
    shape: &[usize],
    kernels: &'static [Named<T>],
    fused: FusedKernels<T>,
    engine: Engine,
    b_transposed: bool,
) -> Result<Problem, String> {
    let &[m, n, k] = shape else { return Err("a product has three extents, as in 4096x4096x4096".to_owned()) };
    let a = random::<T, 2>(device, [m, k], 1)?;
    let b = random::<T, 2>(device, if b_transposed { [n, k] } else { [k, n] }, 2)?;
    let c: Tensor<T, 2> = device.empty([m, n]).map_err(say)?;
    let make = |&(name, template): &Named<T>| -> Result<(String, Make), String> {
        let (a, b, c) = (share(&a)?, share(&b)?, share(&c)?);
        let device = device.clone();
        let make = move || {
            let (a, b, mut c) = (share(&a)?, share(&b)?, share(&c)?);
            Contestant::kernel(name, &device, template(), move |kernel| kernel.launch(&a, &b, &mut c))
        };
        Ok((name.to_owned(), Box::new(make)))
    };
    let mut kernels = kernels.iter().map(make).collect::<Result<Vec<_>, _>>()?;
    kernels.extend(fused(device, (&a, &b, &c))?);
    let raw = (a.raw().clone(), b.raw().clone(), c.raw().clone());
    let bytes = (a.raw().bytes() + b.raw().bytes() + c.raw().bytes()) as f64;
    Ok(Problem {
        work: Work { flops: 2.0 * (m * n * k) as f64, engine, bytes },
        kernels,
        output: c.raw().clone(),
        gemm: Some(Gemm { shape: [m, n, k], a: raw.0, b: raw.1, c: raw.2, b_transposed }),
        check: Box::new(move || check(&a, &b, &c, b_transposed)),
    })
}

/// Checks one element, chosen at random, of each 64 x 64 tile. The tolerance beyond rounding the result is a share of
/// the deviation of the sum. In f32 it is far above the errors of a sum in any order, and below those of products in
/// TF32. Tensor cores keep fewer bits of a sum; one missing term would still be found.
fn check<T: Real>(a: &Tensor<T, 2>, b: &Tensor<T, 2>, c: &Tensor<T, 2>, b_transposed: bool) -> Result<f64, String> {
    let ([m, k], [_, n]) = (a.shape(), c.shape());
    let (host_a, host_b, host_c) = (Elements::all(a)?, Elements::all(b)?, Elements::all(c)?);
    let slack = if T::SCALAR == Scalar::F32 { 2f64.powi(-14) } else { 2f64.powi(-10) };
    let (rows, cols) = (m.div_ceil(64), n.div_ceil(64));
    // A position in the tile of each number, moved inside if the last tile is partial.
    let within = places(rows * cols * 4096, rows * cols);
    judge(on_all_cores(within.len(), |index| {
        let (tile, place) = (within[index] / 4096, within[index] % 4096);
        let row = (tile / cols * 64 + place / 64).min(m - 1);
        let col = (tile % cols * 64 + place % 64).min(n - 1);
        let (mut sum, mut squares) = (0.0, 0.0);
        for p in 0..k {
            let term = host_a.at(row * k + p) * host_b.at(if b_transposed { col * k + p } else { p * n + col });
            sum += term;
            squares += term * term;
        }
        let got = host_c.at(row * n + col);
        let share = error::<T>(got, sum, squares.sqrt() * slack);
        (share, format!("c[{row}, {col}] is {got}, expected {sum}"))
    }))
}
