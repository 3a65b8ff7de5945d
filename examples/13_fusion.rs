//! Fusion: a kernel computes more in one launch when it is built with richer views, without any change to its source.
//!
//! The kernels are those of examples 3 and 10, untouched. A *prologue* changes the values they read, an *epilogue* the
//! values they write; the tensors these need become parameters of the fused kernel. Extents of the same name must be
//! equal, including those of the kernel itself: a launch with a bias of another length is refused.

use hidet::prelude::*;

// The files of the other examples, which tests include as modules of their own too.
#[allow(clippy::duplicate_mod)]
#[path = "10_matmul_tiled.rs"]
mod matmul_tiled;
#[allow(clippy::duplicate_mod)]
#[path = "03_softmax.rs"]
mod softmax;

/// 0.5 x (1 + erf(x / sqrt 2))
fn gelu(x: Expr<f32>) -> Expr<f32> {
    x * 0.5 * ((x * std::f32::consts::FRAC_1_SQRT_2).erf() + 1.0)
}

/// y = softmax(scale * x)
pub fn scaled_softmax() -> Template<(In<f32, 2>, Expr<f32>, Out<f32, 2>)> {
    softmax::softmax::<f32>().fuse(
        "scaled_softmax",
        ["x", "scale", "y"],
        |(x, scale, y): (In<f32, 2>, Expr<f32>, Out<f32, 2>)| (x.map(move |v, _| v * scale), y),
    )
}

/// The parameters of [`linear`]: a, b, bias, residual, c.
type Linear = (In<f32, 2>, In<f32, 2>, In<f32, 1>, In<f32, 2>, Out<f32, 2>);

/// c = gelu(a * b + bias) + residual
pub fn linear() -> Template<Linear> {
    matmul_tiled::matmul_tiled::<f32>().fuse(
        "linear",
        ["a[m, k]", "b[k, n]", "bias[n]", "residual[m, n]", "c[m, n]"],
        |(a, b, bias, residual, c): Linear| {
            (a, b, c.map_store_with((bias.along([1]), residual), |v, (bias, residual), _| gelu(v + bias) + residual))
        },
    )
}

/// Runs both kernels and compares with the host.
pub fn run(device: &Device) -> hidet::Result<()> {
    let (rows, cols) = (5, 70);
    let x: Vec<f32> = (0..rows * cols).map(|i| (i * 37 % 101) as f32 / 10.0).collect();
    let mut y = device.empty([rows, cols])?;
    scaled_softmax().compile(device)?.launch(&device.tensor(&x, [rows, cols])?, 0.5, &mut y)?;
    for (row, y) in x.chunks(cols).zip(y.to_vec()?.chunks(cols)) {
        let sum: f32 = row.iter().map(|v| (v * 0.5).exp()).sum();
        assert!(row.iter().zip(y).all(|(v, y)| ((v * 0.5).exp() / sum - y).abs() < 1e-5));
    }

    let (m, n, k) = (19, 35, 23);
    let value = |i: usize| (i * 29 % 17) as f32 / 8.0 - 1.0;
    let host = |count: usize| (0..count).map(value).collect::<Vec<f32>>();
    let (a, b) = (device.tensor(&host(m * k), [m, k])?, device.tensor(&host(k * n), [k, n])?);
    let (bias, residual) = (device.tensor(&host(n), [n])?, device.tensor(&host(m * n), [m, n])?);
    let mut c = device.empty([m, n])?;
    linear().compile(device)?.launch(&a, &b, &bias, &residual, &mut c)?;
    let c = c.to_vec()?;
    for i in 0..m {
        for j in 0..n {
            let sum: f32 = (0..k).map(|p| value(i * k + p) * value(p * n + j)).sum();
            let v = sum + value(j);
            // The error function, good to 2e-7 (formula 7.1.26 of Abramowitz and Stegun is good to 1.5e-7).
            let erf = |x: f32| {
                let t = 1.0 / (1.0 + 0.3275911 * x.abs());
                let series = ((((1.0614054 * t - 1.4531521) * t + 1.4214138) * t - 0.28449672) * t + 0.2548296) * t;
                (1.0 - series * (-x * x).exp()).copysign(x)
            };
            let expected = 0.5 * v * (1.0 + erf(v * std::f32::consts::FRAC_1_SQRT_2)) + value(i * n + j);
            assert!((c[i * n + j] - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{} {expected}", c[i * n + j]);
        }
    }
    println!("prologue and epilogue in one launch each");
    Ok(())
}

#[allow(dead_code)]
fn main() -> hidet::Result<()> {
    run(&Device::best()?)
}
