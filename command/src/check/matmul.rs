//! The matrix products: error at most half an ulp of the output plus `k 2^-23 sum |a||b|`.

use super::bench::{Bench, Limit};
use super::numbers::{Random, Real};
use crate::examples::{
    grouped_product::grouped_product,
    matmul_double_buffered::{Schedule, matmul_double_buffered},
    matmul_naive::matmul_naive,
    matmul_register_tiled::matmul_register_tiled,
    matmul_tiled::matmul_tiled,
};
use hidet::prelude::*;

/// The error of a sum of k products in f32, in any order.
pub(super) const PRODUCT: &str = "k 2^-23 sum |a||b|";

/// Rows, columns, depth.
const SHAPES: [[usize; 3]; 9] = [
    [0, 3, 5],
    [3, 0, 5],
    [3, 5, 0],
    [1, 1, 1],
    [1, 65, 17],
    [16, 16, 16],
    [31, 37, 41],
    [128, 128, 8],
    [131, 129, 67],
];

pub(super) fn check(bench: &mut Bench) {
    products::<f32>(bench);
    products::<f64>(bench);
    products::<f16>(bench);
    products::<bf16>(bench);
    for shape in SHAPES {
        let problem = Problem::<f32>::new(shape);
        problem.case(bench, "matmul_double_buffered", |device, a, b, c| {
            matmul_double_buffered(Schedule::default()).compile(device)?.launch(a, b, c)
        });
        problem.case(bench, "matmul_double_buffered/asynchronous", |device, a, b, c| {
            matmul_double_buffered(Schedule::PAPER.asynchronous()).compile(device)?.launch(a, b, c)
        });
    }
    groups(bench);
}

/// The rows of each group; columns; depth.
const GROUPS: [(&[usize], usize, usize); 4] =
    [(&[1], 1, 1), (&[0, 5, 33], 17, 19), (&[64, 1, 31, 100, 7], 130, 32), (&[0, 0], 3, 4)];

/// One product of each group, in one launch.
fn groups(bench: &mut Bench) {
    for (rows, n, k) in GROUPS {
        let problem = |(seed, m): (usize, &usize)| Problem::<f32>::seeded([*m, n, k], seed as u64);
        let problems: Vec<Problem<f32>> = rows.iter().enumerate().map(problem).collect();
        let all = |part: fn(&Problem<f32>) -> &Vec<f64>| problems.iter().flat_map(part).copied().collect::<Vec<f64>>();
        let (expected, limits) = (all(|problem| &problem.expected), all(|problem| &problem.limits));
        let shape = [rows, &[n, k]].concat();
        bench.case::<f32>("grouped_product", &shape, Limit::Bound(&limits, PRODUCT), &expected, |device| {
            let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
            for problem in &problems {
                let [m, n, k] = problem.shape;
                a.push(device.tensor(&problem.a, [m, k])?);
                b.push(device.tensor(&problem.b_transposed(), [n, k])?);
                c.push(device.empty([m, n])?);
            }
            let kernel = grouped_product().compile(device)?;
            kernel.launch(&device.table(&a)?, &device.table(&b)?, &device.table_mut(&mut c)?)?;
            c.iter().map(Tensor::to_vec).collect::<hidet::Result<Vec<_>>>().map(|all| all.concat())
        });
    }
}

fn products<T: Real + Float>(bench: &mut Bench) {
    for shape in SHAPES {
        let problem = Problem::<T>::new(shape);
        problem.case(bench, "matmul_naive", |device, a, b, c| matmul_naive::<T>().compile(device)?.launch(a, b, c));
        problem.case(bench, "matmul_tiled", |device, a, b, c| matmul_tiled::<T>().compile(device)?.launch(a, b, c));
        problem.case(bench, "matmul_register_tiled", |device, a, b, c| {
            matmul_register_tiled::<T>().compile(device)?.launch(a, b, c)
        });
    }
}

/// Random matrices, their product in `f64`, and the allowed error of a kernel.
pub(super) struct Problem<T> {
    pub shape: [usize; 3],
    pub a: Vec<T>,
    pub b: Vec<T>,
    pub expected: Vec<f64>,
    pub limits: Vec<f64>,
}

impl<T: Real> Problem<T> {
    /// The transposed second matrix, which kernels for tensor cores take.
    pub fn b_transposed(&self) -> Vec<T> {
        let [_, n, k] = self.shape;
        (0..n * k).map(|i| self.b[i % k * n + i / k]).collect()
    }
}

impl<T: Real> Problem<T> {
    /// The problem of that shape: rows, columns, depth.
    pub fn new(shape: [usize; 3]) -> Self {
        Problem::seeded(shape, 10)
    }

    /// The same with random numbers of that seed.
    pub fn seeded([m, n, k]: [usize; 3], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (a, b): (Vec<T>, Vec<T>) = (random.reals(m * k, 1.0), random.reals(k * n, 1.0));
        let (mut expected, mut limits) = (Vec::new(), Vec::new());
        for i in 0..m {
            for j in 0..n {
                let terms = (0..k).map(|p| a[i * k + p].real() * b[p * n + j].real());
                expected.push(terms.clone().sum());
                limits.push(k as f64 * 2f64.powi(-23) * terms.map(f64::abs).sum::<f64>());
            }
        }
        Problem { shape: [m, n, k], a, b, expected, limits }
    }

    /// One case of a kernel that takes a, b and c.
    pub fn case(
        &self,
        bench: &mut Bench,
        kernel: &str,
        launch: impl Fn(&Device, &Tensor<T, 2>, &Tensor<T, 2>, &mut Tensor<T, 2>) -> hidet::Result<()>,
    ) {
        let [m, n, k] = self.shape;
        bench.case::<T>(kernel, &self.shape, Limit::Bound(&self.limits, PRODUCT), &self.expected, |device| {
            let (a, b) = (device.tensor(&self.a, [m, k])?, device.tensor(&self.b, [k, n])?);
            let mut c = device.empty::<T, 2>([m, n])?;
            launch(device, &a, &b, &mut c)?;
            c.to_vec()
        });
    }
}
