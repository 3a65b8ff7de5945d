//! One launch each, with the right result on the simulated device. `hidet check` runs the same on a GPU.

use hidet::prelude::*;
use hidet_fused_test::{linear, scaled_softmax, widened_softmax};

fn value(i: usize) -> f32 {
    (i * 29 % 17) as f32 / 8.0 - 1.0
}

fn host(count: usize) -> Vec<f32> {
    (0..count).map(value).collect()
}

#[test]
fn softmax_with_prologues_that_scale_and_widen() -> hidet::Result<()> {
    let device = Device::sim();
    let (rows, cols) = (5, 70);
    let x = host(rows * cols);
    // Multiples of an eighth below 2 are f16 too.
    let half: Vec<f16> = x.iter().map(|&v| f16::from_f32(v)).collect();
    let (mut y, mut widened) = (device.empty([rows, cols])?, device.empty([rows, cols])?);
    scaled_softmax::<f32>().compile(&device)?.launch(&device.tensor(&x, [rows, cols])?, 3.0, &mut y)?;
    widened_softmax().compile(&device)?.launch(&device.tensor(&half, [rows, cols])?, 3.0, &mut widened)?;
    for (row, y) in x.chunks(cols).zip(y.to_vec()?.chunks(cols)) {
        let sum: f64 = row.iter().map(|&v| (v as f64 * 3.0).exp()).sum();
        for (&v, &y) in row.iter().zip(y) {
            let expected = (v as f64 * 3.0).exp() / sum;
            assert!((expected - y as f64).abs() < 1e-6 * expected, "{y} {expected}");
        }
    }
    assert_eq!(widened.to_vec()?, y.to_vec()?);
    Ok(())
}

#[test]
fn matmul_with_prologue_and_epilogue() -> hidet::Result<()> {
    let device = Device::sim();
    for (m, n, k) in [(1, 1, 1), (16, 16, 16), (19, 35, 23)] {
        let (a, b) = (device.tensor(&host(m * k), [m, k])?, device.tensor(&host(k * n), [k, n])?);
        let (bias, residual) = (device.tensor(&host(n), [n])?, device.tensor(&host(m * n), [m, n])?);
        let mut c = device.empty([m, n])?;
        linear().compile(&device)?.launch(0.5, &a, &b, &bias, &residual, &mut c)?;
        let c = c.to_vec()?;
        for i in 0..m {
            for j in 0..n {
                let sum: f64 = (0..k).map(|p| 0.5 * value(i * k + p) as f64 * value(p * n + j) as f64).sum();
                let v = sum + value(j) as f64;
                let expected = 0.5 * v * (1.0 + erf(v / 2f64.sqrt())) + value(i * n + j) as f64;
                assert!((c[i * n + j] as f64 - expected).abs() < 1e-5, "{} {expected}", c[i * n + j]);
            }
        }
    }
    Ok(())
}

/// The error function by its series, good to 1e-12 for the small arguments here.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / n as f64;
        sum += term / (2 * n + 1) as f64;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}
