//! Problems bound by memory: sums of vectors, sums and normalisations of rows, transposes. Tensors are of 1 GiB.

use super::contestant::Contestant;
use super::problem::{Engine, Family, Make, Problem, Work, random, say, share};
use super::sample::{Elements, error, judge, places};
use crate::check::numbers::{Real, ulp};
use crate::examples::layer_norm::layer_norm;
use crate::examples::reduction::{row_sum_block, row_sum_warp};
use crate::examples::softmax::softmax;
use crate::examples::transpose::transpose;
use crate::examples::vector_add::vector_add;
use hidet::device::RawTensor;
use hidet::dsl::Template;
use hidet::prelude::*;

/// Bytes of the largest tensor of a problem.
const BYTES: usize = 1 << 30;
/// The lengths of rows.
const COLS: [usize; 4] = [768, 1000, 1024, 8192];
/// How many rows, or pieces of a vector, are checked.
const SAMPLES: usize = 64;

/// The families of problems bound by memory.
pub fn families() -> Vec<Family> {
    let mut families = families_of::<f32>();
    families.extend(families_of::<f16>());
    families
}

fn families_of<T: Real + Float>() -> Vec<Family> {
    let elements = BYTES / T::SCALAR.bytes();
    let family = |kernels: &[&str], axes, shapes, open| Family {
        kernels: kernels.iter().map(|kernel| named::<T>(kernel)).collect(),
        rivals: &["copy"],
        axes,
        shapes,
        open,
    };
    let rows = || COLS.iter().map(|&cols| vec![elements / cols, cols]).collect();
    let square = vec![vec![16384, elements / 16384]];
    vec![
        family(&["vector_add"], &["n"], vec![vec![elements]], vector_adds::<T>),
        family(&["row_sum_warp", "row_sum_block"], &["rows", "cols"], rows(), row_sums::<T>),
        family(&["softmax"], &["rows", "cols"], rows(), softmaxes::<T>),
        family(&["layer_norm"], &["rows", "cols"], rows(), layer_norms::<T>),
        family(&["transpose"], &["rows", "cols"], square, transposes::<T>),
    ]
}

/// `softmax<f16>`
fn named<T: Real>(kernel: &str) -> String {
    format!("{kernel}<{}>", T::NAME)
}

/// Work that is mostly memory's: `flops` an element, and the bytes of these tensors, each once.
fn work(flops: usize, elements: usize, tensors: &[&RawTensor]) -> Work {
    let bytes = tensors.iter().map(|tensor| tensor.bytes() as f64).sum();
    Work { flops: (flops * elements) as f64, engine: Engine::Fma, bytes }
}

/// A way to make a contestant of a kernel.
fn make<T: Real, Args: 'static>(
    device: &Device,
    kernel: &str,
    template: fn() -> Template<Args>,
    bind: impl Fn() -> Result<Box<dyn FnMut(&Kernel<Args>) -> hidet::Result<()>>, String> + 'static,
) -> (String, Make) {
    let (device, name) = (device.clone(), named::<T>(kernel));
    (name.clone(), Box::new(move || Contestant::kernel(&name, &device, template(), bind()?)))
}

/// The number of rows and of columns.
fn matrix(shape: &[usize]) -> Result<[usize; 2], String> {
    shape.try_into().map_err(|_| "rows have two extents, as in 262144x1024".to_owned())
}

fn vector_adds<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let &[n] = shape else { return Err("a vector has one extent".to_owned()) };
    let (x, y) = (random::<T, 1>(device, [n], 1)?, random::<T, 1>(device, [n], 2)?);
    let z: Tensor<T, 1> = device.empty([n]).map_err(say)?;
    let (a, b, c) = (share(&x)?, share(&y)?, share(&z)?);
    let kernel = make::<T, _>(device, "vector_add", vector_add::<T>, move || {
        let (x, y, mut z) = (share(&a)?, share(&b)?, share(&c)?);
        Ok(Box::new(move |kernel| kernel.launch(&x, &y, &mut z)))
    });
    Ok(Problem {
        work: work(1, n, &[x.raw(), y.raw(), z.raw()]),
        kernels: vec![kernel],
        output: z.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            let mut errors = Vec::new();
            for place in places(n, SAMPLES) {
                let count = (n - place).min(1024);
                let [x, y, z] = [&x, &y, &z].map(|tensor| Elements::read(tensor, place, count));
                let (x, y, z) = (x?, y?, z?);
                for at in 0..count {
                    let (got, want) = (z.at(at), x.at(at) + y.at(at));
                    let share = error::<T>(got, want, 0.0);
                    errors.push((share, format!("z[{}] is {got}, expected {want}", place + at)));
                }
            }
            judge(errors)
        }),
    })
}

/// Checks some rows: `want` gives each element's value and slack from the row of x.
fn check_rows<I: Real, O: Real, const R: usize>(
    x: &Tensor<I, 2>,
    y: &Tensor<O, R>,
    want: impl Fn(&[f64]) -> Vec<(f64, f64)>,
) -> Result<f64, String> {
    let [rows, cols] = x.shape();
    let each = y.len() / rows.max(1);
    let mut errors = Vec::new();
    for row in places(rows, SAMPLES).into_iter().chain([rows.saturating_sub(1)]) {
        let want = want(&Elements::read(x, row * cols, cols)?.reals());
        let got = Elements::read(y, row * each, each)?.reals();
        for (at, (got, (want, slack))) in got.into_iter().zip(want).enumerate() {
            let share = error::<O>(got, want, slack);
            errors.push((share, format!("element {at} of row {row} is {got}, expected {want}")));
        }
    }
    judge(errors)
}

fn row_sums<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<f32, 1> = device.empty([rows]).map_err(say)?;
    let kernel = |name, template: fn() -> Template<(In<T, 2>, Out<f32, 1>)>| -> Result<(String, Make), String> {
        let (a, b) = (share(&x)?, share(&y)?);
        Ok(make::<T, _>(device, name, template, move || {
            let (x, mut y) = (share(&a)?, share(&b)?);
            Ok(Box::new(move |kernel| kernel.launch(&x, &mut y)))
        }))
    };
    Ok(Problem {
        work: work(1, rows * cols, &[x.raw(), y.raw()]),
        kernels: vec![kernel("row_sum_warp", row_sum_warp::<T>)?, kernel("row_sum_block", row_sum_block::<T>)?],
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            check_rows(&x, &y, |row| {
                let sizes: f64 = row.iter().map(|v| v.abs()).sum();
                vec![(row.iter().sum(), row.len() as f64 * 2f64.powi(-24) * sizes)]
            })
        }),
    })
}

fn softmaxes<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<T, 2> = device.empty([rows, cols]).map_err(say)?;
    let (a, b) = (share(&x)?, share(&y)?);
    let kernel = make::<T, _>(device, "softmax", softmax::<T>, move || {
        let (x, mut y) = (share(&a)?, share(&b)?);
        Ok(Box::new(move |kernel| kernel.launch(&x, &mut y)))
    });
    Ok(Problem {
        // A maximum, a difference, an exponential, a sum, a product.
        work: work(5, rows * cols, &[x.raw(), y.raw()]),
        kernels: vec![kernel],
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            check_rows(&x, &y, |row| {
                let top = row.iter().copied().fold(f64::MIN, f64::max);
                let sum: f64 = row.iter().map(|v| (v - top).exp()).sum();
                let slack = (24.0 + row.len() as f64 / 8.0) * 2f64.powi(-24);
                row.iter().map(|v| (v - top).exp() / sum).map(|want| (want, slack * want)).collect()
            })
        }),
    })
}

fn layer_norms<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let (gain, bias) = (random::<T, 1>(device, [cols], 2)?, random::<T, 1>(device, [cols], 3)?);
    let y: Tensor<T, 2> = device.empty([rows, cols]).map_err(say)?;
    let (a, b, c, d) = (share(&x)?, share(&gain)?, share(&bias)?, share(&y)?);
    let kernel = make::<T, _>(device, "layer_norm", layer_norm::<T>, move || {
        let (x, gain, bias, mut y) = (share(&a)?, share(&b)?, share(&c)?, share(&d)?);
        Ok(Box::new(move |kernel| kernel.launch(&x, &gain, &bias, &mut y, 1e-5)))
    });
    Ok(Problem {
        // Mean and variance in one pass, a difference, two products, a sum.
        work: work(8, rows * cols, &[x.raw(), gain.raw(), bias.raw(), y.raw()]),
        kernels: vec![kernel],
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            let (gain, bias) = (Elements::all(&gain)?.reals(), Elements::all(&bias)?.reals());
            check_rows(&x, &y, |row| {
                let mean = row.iter().sum::<f64>() / cols as f64;
                let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / cols as f64;
                let scale = 1.0 / (variance + 1e-5).sqrt();
                let element = |(v, (gain, bias)): (&f64, (&f64, &f64))| {
                    // As in `hidet check`: the mean is known to a few f32 ulps of the inputs' size.
                    let slack = (4.0 * scale + (v - mean).abs() * scale * 4.0) * gain.abs() + bias.abs();
                    ((v - mean) * scale * gain + bias, 8.0 * ulp::<f32>(1.0) * slack)
                };
                row.iter().zip(gain.iter().zip(&bias)).map(element).collect()
            })
        }),
    })
}

fn transposes<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<T, 2> = device.empty([cols, rows]).map_err(say)?;
    let (a, b) = (share(&x)?, share(&y)?);
    let kernel = make::<T, _>(device, "transpose", transpose::<T>, move || {
        let (x, mut y) = (share(&a)?, share(&b)?);
        Ok(Box::new(move |kernel| kernel.launch(&x, &mut y)))
    });
    Ok(Problem {
        work: work(0, rows * cols, &[x.raw(), y.raw()]),
        kernels: vec![kernel],
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            let (host_x, host_y) = (Elements::all(&x)?, Elements::all(&y)?);
            // One element of every 32 x 32 tile.
            judge(places(rows * cols, (rows * cols).div_ceil(1024)).into_iter().map(|at| {
                let (got, want) = (host_y.at(at % cols * rows + at / cols), host_x.at(at));
                let share = if got == want { 0.0 } else { f64::INFINITY };
                (share, format!("y[{}, {}] is {got}, expected {want}", at % cols, at / cols))
            }))
        }),
    })
}
