//! Problems bound by memory: sums of vectors, sums and normalisations of rows, transposes. Tensors are of 1 GiB.

use super::contestant::Contestant;
use super::fused;
use super::problem::{Engine, Family, Make, Problem, Work, random, say, share};
use super::sample::{Elements, error, judge, places};
use super::schedules::{self, ADDS, COPIES, ROWS, SQUARES, names};
use crate::check::numbers::Real;
use crate::check::rows::{Reference, layer_norm_reference, softmax_reference, sum_reference};
use crate::examples::layer_norm::layer_norm;
use crate::examples::reduction::{row_sum_block, row_sum_warp};
use crate::examples::row_kernels::{Rows, layer_norm_fast, row_sum_fast, softmax_fast};
use crate::examples::softmax::softmax;
use crate::examples::streams::{copy16, vector_add_fast};
use crate::examples::transpose::transpose;
use crate::examples::transpose_fast::transpose_fast;
use crate::examples::vector_add::vector_add;
use hidet::device::RawTensor;
use hidet::dsl::Template;
use hidet::prelude::*;

/// Bytes of the largest tensor of a problem.
const BYTES: usize = 1 << 30;
/// The lengths of rows.
const COLS: [usize; 4] = [768, 1000, 1024, 8192];
/// The number of rows, or pieces of a vector, that are checked.
const SAMPLES: usize = 64;
/// The families of problems bound by memory.
pub fn families() -> Vec<Family> {
    let mut families = families_of::<f32>();
    families.extend(families_of::<f16>());
    families
}

fn families_of<T: Real + Float>() -> Vec<Family> {
    let elements = BYTES / T::SCALAR.bytes();
    let family = |simple: &[&str], fast: Vec<String>, axes: &'static [&'static str], shapes, open| Family {
        kernels: simple.iter().copied().chain(fast.iter().map(String::as_str)).map(named::<T>).collect(),
        baselines: &["copy"],
        axes,
        small: if axes.len() == 1 { vec![1 << 16] } else { vec![64, 1024] },
        shapes,
        open,
    };
    let vector = || vec![vec![elements]];
    let rows = || COLS.iter().map(|&cols| vec![elements / cols, cols]).collect();
    // The fast kernel in all schedules, and fused in the default one.
    let plans = |kernel, fused: &str| names(kernel, ROWS.map(|plan| plan.0)).chain([fused.to_owned()]).collect();
    let copies = names("copy16", COPIES.map(|plan| plan.0)).collect();
    let adds = names("vector_add_fast", ADDS.map(|plan| plan.0)).collect();
    let squares = names("transpose_fast", SQUARES.map(|plan| plan.0)).collect();
    let matrices = vec![vec![16384, elements / 16384], vec![24576, 8200]];
    let matrix = &["rows", "cols"];
    vec![
        family(&[], copies, &["n"], vector(), self::copies::<T>),
        family(&["vector_add"], adds, &["n"], vector(), vector_adds::<T>),
        family(
            &["row_sum_warp", "row_sum_block"],
            plans("row_sum_fast", "row_sum_fused"),
            matrix,
            rows(),
            row_sums::<T>,
        ),
        family(&["softmax"], plans("softmax_fast", "softmax_fused"), matrix, rows(), softmaxes::<T>),
        family(&["layer_norm"], plans("layer_norm_fast", "layer_norm_fused"), matrix, rows(), layer_norms::<T>),
        family(&["transpose"], squares, matrix, matrices, transposes::<T>),
    ]
}

/// `softmax<f16>`, `softmax_fast<f16>/16x256`
fn named<T: Real>(kernel: &str) -> String {
    let (name, plan) = kernel.split_at(kernel.find('/').unwrap_or(kernel.len()));
    format!("{name}<{}>{plan}", T::NAME)
}

/// Work bound by memory: `flops` per element, and the bytes of these tensors, each once.
fn work(flops: usize, elements: usize, tensors: &[&RawTensor]) -> Work {
    let bytes = tensors.iter().map(|tensor| tensor.bytes() as f64).sum();
    Work { flops: (flops * elements) as f64, engine: Engine::Fma, bytes }
}

/// Builds a kernel.
type Build<Args> = Box<dyn Fn() -> Template<Args> + Send + Sync>;

/// Launches a kernel once, with its arguments.
type Submit<Args> = Box<dyn FnMut(&Kernel<Args>) -> hidet::Result<()>>;

/// Returns a function that makes a contestant from a kernel.
fn make<T: Real, Args: 'static>(
    device: &Device,
    kernel: &str,
    template: impl Fn() -> Template<Args> + Send + Sync + 'static,
    bind: impl Fn() -> Result<Submit<Args>, String> + Send + Sync + 'static,
) -> (String, Make) {
    let (device, name) = (device.clone(), named::<T>(kernel));
    (name.clone(), Box::new(move || Contestant::kernel(&name, &device, template(), bind()?)))
}

/// The same for a kernel that takes `x` and writes `y`.
fn from_to<I: Element, O: Element, const A: usize, const B: usize, T: Real>(
    device: &Device,
    (x, y): (&Tensor<I, A>, &Tensor<O, B>),
    kernel: &str,
    template: impl Fn() -> Template<(In<I, A>, Out<O, B>)> + Send + Sync + 'static,
) -> Result<(String, Make), String> {
    let (x, y) = (share(x)?, share(y)?);
    Ok(make::<T, _>(device, kernel, template, move || {
        let (x, mut y) = (share(&x)?, share(&y)?);
        Ok(Box::new(move |kernel| kernel.launch(&x, &mut y)))
    }))
}

/// The kernels of a problem of rows: simple ones, and a fast one for each schedule.
fn with_plans<T: Real, Args: 'static>(
    cols: usize,
    simple: Vec<(&str, fn() -> Template<Args>)>,
    (name, fast): (&str, fn(Option<Rows>) -> Template<Args>),
    kernel: impl Fn(&str, Build<Args>) -> Result<(String, Make), String>,
) -> Result<Vec<(String, Make)>, String> {
    let simple = simple.into_iter().map(|(name, template)| kernel(name, Box::new(template)));
    let fast = ROWS.into_iter().map(|(plan, most, threads, blocks)| {
        let template = move || fast(schedules::rows::<T>(cols, most, threads, blocks));
        kernel(&format!("{name}{plan}"), Box::new(template))
    });
    simple.chain(fast).collect()
}

/// The number of elements.
fn vector(shape: &[usize]) -> Result<usize, String> {
    shape.try_into().map(|[n]: [usize; 1]| n).map_err(|_| "a vector has one extent, as in 268435456".to_owned())
}

/// The number of rows and of columns.
fn matrix(shape: &[usize]) -> Result<[usize; 2], String> {
    shape.try_into().map_err(|_| "rows have two extents, as in 262144x1024".to_owned())
}

/// Checks pieces of vectors: `want` computes an element from the inputs.
fn check_pieces<T: Real>(
    inputs: &[&Tensor<T, 1>],
    output: &Tensor<T, 1>,
    want: fn(&[f64]) -> f64,
) -> Result<f64, String> {
    let n = output.len();
    let mut errors = Vec::new();
    for place in places(n, SAMPLES).into_iter().chain([n.saturating_sub(1024)]) {
        let count = (n - place).min(1024);
        let read = |tensor: &&Tensor<T, 1>| Elements::read(*tensor, place, count);
        let (inputs, output) = (inputs.iter().map(read).collect::<Result<Vec<_>, _>>()?, read(&output)?);
        for at in 0..count {
            let values: Vec<f64> = inputs.iter().map(|input| input.at(at)).collect();
            let (got, want) = (output.at(at), want(&values));
            errors.push((error::<T>(got, want, 0.0), format!("element {} is {got}, expected {want}", place + at)));
        }
    }
    judge(errors)
}

fn copies<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let n = vector(shape)?;
    let x = random::<T, 1>(device, [n], 1)?;
    let y: Tensor<T, 1> = device.empty([n]).map_err(say)?;
    let kernel = |(plan, pieces, threads): (&str, i32, i32)| {
        let template = move || copy16::<T>(schedules::stream::<T>(pieces, threads));
        from_to::<T, T, 1, 1, T>(device, (&x, &y), &format!("copy16{plan}"), template)
    };
    Ok(Problem {
        work: work(0, n, &[x.raw(), y.raw()]),
        kernels: COPIES.into_iter().map(kernel).collect::<Result<_, _>>()?,
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || check_pieces(&[&x], &y, |values| values[0])),
    })
}

fn vector_adds<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let n = vector(shape)?;
    let (x, y) = (random::<T, 1>(device, [n], 1)?, random::<T, 1>(device, [n], 2)?);
    let z: Tensor<T, 1> = device.empty([n]).map_err(say)?;
    let kernel = |name: &str, template: Build<(In<T, 1>, In<T, 1>, Out<T, 1>)>| {
        let (x, y, z) = (share(&x)?, share(&y)?, share(&z)?);
        Ok(make::<T, _>(device, name, template, move || {
            let (x, y, mut z) = (share(&x)?, share(&y)?, share(&z)?);
            Ok(Box::new(move |kernel| kernel.launch(&x, &y, &mut z)))
        }))
    };
    let mut kernels = vec![kernel("vector_add", Box::new(vector_add::<T>))];
    kernels.extend(ADDS.map(|(plan, pieces, threads)| {
        let template = move || vector_add_fast::<T>(schedules::stream::<T>(pieces, threads));
        kernel(&format!("vector_add_fast{plan}"), Box::new(template))
    }));
    Ok(Problem {
        work: work(1, n, &[x.raw(), y.raw(), z.raw()]),
        kernels: kernels.into_iter().collect::<Result<_, String>>()?,
        output: z.raw().clone(),
        gemm: None,
        check: Box::new(move || check_pieces(&[&x, &y], &z, |values| values[0] + values[1])),
    })
}

/// Checks some rows: `reference` computes the expected row from a row of x.
fn check_rows<I: Real, O: Real, const R: usize>(
    x: &Tensor<I, 2>,
    y: &Tensor<O, R>,
    reference: impl Fn(&[I]) -> Reference,
) -> Result<f64, String> {
    let [rows, cols] = x.shape();
    let each = y.len() / rows.max(1);
    let mut errors = Vec::new();
    for row in places(rows, SAMPLES).into_iter().chain([rows.saturating_sub(1)]) {
        let (expected, limits) = reference(&Elements::read(x, row * cols, cols)?.to_vec());
        let got = Elements::read(y, row * each, each)?;
        for (at, (want, limit)) in expected.into_iter().zip(limits).enumerate() {
            let share = error::<O>(got.at(at), want, limit);
            errors.push((share, format!("element {at} of row {row} is {}, expected {want}", got.at(at))));
        }
    }
    judge(errors)
}

fn row_sums<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<f32, 1> = device.empty([rows]).map_err(say)?;
    let simple: Vec<(_, fn() -> _)> = vec![("row_sum_warp", row_sum_warp::<T>), ("row_sum_block", row_sum_block::<T>)];
    let kernel = |name: &str, template| from_to::<T, f32, 2, 1, T>(device, (&x, &y), name, template);
    Ok(Problem {
        work: work(1, rows * cols, &[x.raw(), y.raw()]),
        kernels: with_plans::<T, _>(cols, simple, ("row_sum_fast", row_sum_fast::<T>), kernel)?
            .into_iter()
            .chain([fused::row_sum(device, &x, &y)?])
            .collect(),
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || check_rows(&x, &y, |row| sum_reference(row, cols))),
    })
}

fn softmaxes<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<T, 2> = device.empty([rows, cols]).map_err(say)?;
    let kernel = |name: &str, template| from_to::<T, T, 2, 2, T>(device, (&x, &y), name, template);
    Ok(Problem {
        // A maximum, a difference, an exponential, a sum, a product.
        work: work(5, rows * cols, &[x.raw(), y.raw()]),
        kernels: with_plans::<T, _>(
            cols,
            vec![("softmax", softmax::<T>)],
            ("softmax_fast", softmax_fast::<T>),
            kernel,
        )?
        .into_iter()
        .chain([fused::softmax(device, &x, &y)?])
        .collect(),
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || check_rows(&x, &y, |row| softmax_reference(row, cols))),
    })
}

fn layer_norms<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let (gain, bias) = (random::<T, 1>(device, [cols], 2)?, random::<T, 1>(device, [cols], 3)?);
    let y: Tensor<T, 2> = device.empty([rows, cols]).map_err(say)?;
    type Args<T> = (In<T, 2>, In<T, 1>, In<T, 1>, Out<T, 2>, Expr<f32>);
    let kernel = |name: &str, template: Build<Args<T>>| -> Result<(String, Make), String> {
        let (x, gain, bias, y) = (share(&x)?, share(&gain)?, share(&bias)?, share(&y)?);
        Ok(make::<T, _>(device, name, template, move || {
            let (x, gain, bias, mut y) = (share(&x)?, share(&gain)?, share(&bias)?, share(&y)?);
            Ok(Box::new(move |kernel| kernel.launch(&x, &gain, &bias, &mut y, 1e-5)))
        }))
    };
    Ok(Problem {
        // Mean and variance in one pass, a difference, two products, a sum.
        work: work(8, rows * cols, &[x.raw(), gain.raw(), bias.raw(), y.raw()]),
        kernels: with_plans::<T, _>(
            cols,
            vec![("layer_norm", layer_norm::<T>)],
            ("layer_norm_fast", layer_norm_fast::<T>),
            kernel,
        )?
        .into_iter()
        .chain([fused::layer_norm(device, &x, (&gain, &bias), &y)?])
        .collect(),
        output: y.raw().clone(),
        gemm: None,
        check: Box::new(move || {
            let (gain, bias) = (Elements::all(&gain)?.to_vec(), Elements::all(&bias)?.to_vec());
            check_rows(&x, &y, |row| layer_norm_reference(row, &gain, &bias))
        }),
    })
}

fn transposes<T: Real + Float>(device: &Device, shape: &[usize]) -> Result<Problem, String> {
    let [rows, cols] = matrix(shape)?;
    let x = random::<T, 2>(device, [rows, cols], 1)?;
    let y: Tensor<T, 2> = device.empty([cols, rows]).map_err(say)?;
    let mut kernels = vec![from_to::<T, T, 2, 2, T>(device, (&x, &y), "transpose", transpose::<T>)?];
    for (plan, direct) in SQUARES {
        let template = move || transpose_fast::<T>(schedules::squares::<T>([rows, cols], direct));
        kernels.push(from_to::<T, T, 2, 2, T>(device, (&x, &y), &format!("transpose_fast{plan}"), template)?);
    }
    Ok(Problem {
        work: work(0, rows * cols, &[x.raw(), y.raw()]),
        kernels,
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
