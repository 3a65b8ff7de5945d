//! Activations keep the errors that they state, and cost few instructions.

#![allow(clippy::unwrap_used)]

use hidet::blocks::{gelu, gelu_tanh, silu};
use hidet::prelude::*;
use hidet::types::math::erf;

type Function = fn(Expr<f32>) -> Expr<f32>;

kernel! {
    /// y = f(x)
    #[launch(grid = n.div_ceil(256), block = 256)]
    fn apply(#[meta] f: Function, x: In<f32, [n]>, y: Out<f32, [n]>) {
        let i = block_idx().x * 256 + thread_id();
        if i < n { y[[i]] = f(x[[i]]); }
    }
}

/// Runs a function on the simulated device.
fn run(f: Function, x: &[f32]) -> Vec<f32> {
    let device = Device::sim_with(hidet::sim::Options::fast());
    let (x, mut y) = (device.tensor(x, [x.len()]).unwrap(), device.empty([x.len()]).unwrap());
    apply(f).compile(&device).unwrap().launch(&x, &mut y).unwrap();
    y.to_vec().unwrap()
}

/// Returns each operand with its result.
fn sweep(f: Function, from: f32, to: f32) -> Vec<(f32, f32)> {
    const STEPS: usize = 400_000;
    let mut x: Vec<f32> = (0..=STEPS).map(|i| from + (to - from) * (i as f32 / STEPS as f32)).collect();
    // Small numbers of either sign.
    x.extend(
        (0..=120).flat_map(|power| [1.3, -1.3].map(|x: f32| x * 2f32.powi(-power))).filter(|x| (from..=to).contains(x)),
    );
    let y = run(f, &x);
    x.into_iter().zip(y).collect()
}

/// The largest absolute error, and the largest relative one.
fn errors(results: &[(f32, f32)], exact: fn(f64) -> f64) -> (f64, f64) {
    results.iter().fold((0.0, 0.0), |(absolute, relative): (f64, f64), (x, y)| {
        let exact = exact((*x).into());
        let error = (f64::from(*y) - exact).abs();
        (absolute.max(error), relative.max(if error == 0.0 { 0.0 } else { error / exact.abs() }))
    })
}

fn exact_gelu(x: f64) -> f64 {
    x / 2.0 * (1.0 + erf(x / 2f64.sqrt()))
}

fn exact_gelu_tanh(x: f64) -> f64 {
    x / 2.0 * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3))).tanh())
}

/// What the approximation of a GPU may add to a relative error.
const EXP2: f64 = 1.68e-7;

#[test]
fn gelu_keeps_its_errors() {
    let (absolute, relative) = errors(&sweep(gelu, -6.3, 8.0), exact_gelu);
    println!("absolute {absolute:e}, relative 2^{:.2}", relative.log2());
    assert!(absolute + 0.17 * EXP2 < 7e-7 && relative + EXP2 < 2f64.powf(-16.9));
    let (absolute, _) = errors(&sweep(gelu, -20.0, -6.3), exact_gelu);
    println!("absolute {absolute:e} for smaller ones");
    assert!(absolute < 1e-13);
    let (absolute, _) = errors(&sweep(gelu, -10.0, 10.0), exact_gelu);
    assert!(absolute < 1e-6);
}

/// The nearest number of a type of 16 bits, or seldom its neighbour.
#[test]
fn gelu_rounds_to_16_bits_as_the_exact_function_does() {
    let results = sweep(gelu, -5.5, 10.0);
    let far = |bits: fn(f64) -> u16| {
        let others = results.iter().map(|(x, y)| bits((*y).into()).abs_diff(bits(exact_gelu((*x).into()))));
        others.fold((0, 0), |(most, sum), far| (most.max(far), sum + usize::from(far > 0)))
    };
    for (most, others) in [far(|x| f16::from_f32(x as f32).to_bits()), far(|x| bf16::from_f32(x as f32).to_bits())] {
        println!("{others} of {} differ", results.len());
        assert!(most <= 1 && others * 100 < results.len(), "{most} {others}");
    }
}

#[test]
fn silu_keeps_its_errors() {
    let exact = |x: f64| x / (1.0 + (-x).exp());
    // Those of both approximations.
    let more = EXP2 + 2f64.powi(-23);
    for (from, most) in [(-87.0, -17.0), (-8.0, -20.0)] {
        let (_, relative) = errors(&sweep(silu, from, 100.0), exact);
        println!("relative 2^{:.2}", relative.log2());
        assert!(relative + more < 2f64.powf(most));
    }
    let (absolute, _) = errors(&sweep(silu, -200.0, -87.0), exact);
    assert!(absolute < 2e-36);
}

#[test]
fn gelu_tanh_is_the_function_of_gpt_2() {
    // On this device the hyperbolic tangent is exact up to rounding; its error on a GPU is 2^-11, of a factor of x / 2.
    for (x, y) in sweep(gelu_tanh, -10.0, 10.0) {
        let error = (f64::from(y) - exact_gelu_tanh(x.into())).abs();
        assert!(error <= f64::from(x.abs()) * 2f64.powi(-21), "{x}: {error:e}");
    }
}

#[test]
fn activations_at_the_edges() {
    const INF: f32 = f32::INFINITY;
    let x = [0.0, -0.0, INF, -INF, 1e30, -1e30, f32::MAX, f32::MIN, 1e-40, -1e-40, f32::NAN];
    for f in [gelu as Function, silu, gelu_tanh] {
        let y = run(f, &x);
        assert_eq!(y[..8], [0.0, 0.0, INF, 0.0, 1e30, 0.0, f32::MAX, 0.0]);
        assert!((y[8] - 5e-41).abs() < 1e-44 && (y[9] + 5e-41).abs() < 1e-44 && y[10].is_nan(), "{y:?}");
    }
}

/// Returns the arithmetic on floats of a function in PTX, in order of the names.
fn arithmetic(f: Function) -> String {
    let ptx = apply(f).ptx("sm_90a").unwrap();
    let names = ptx.lines().filter_map(|line| line.split_whitespace().next()?.strip_suffix(".f32"));
    let moves = ["mov", "ld.global.nc", "st.global"];
    let mut names: Vec<&str> = names.filter(|name| !moves.contains(name)).collect();
    names.sort_unstable();
    names.join(" ")
}

/// `neg` is part of the instruction that uses its result.
#[test]
fn activations_have_few_instructions() {
    if !hidet::testing::nvrtc::available().unwrap() {
        return;
    }
    let fma = "fma.rn ".repeat(8);
    assert_eq!(arithmetic(gelu), format!("abs ex2.approx.ftz {fma}max min neg"));
    assert_eq!(arithmetic(silu), "add.rn ex2.approx.ftz max mul.rn mul.rn rcp.approx.ftz");
    assert_eq!(arithmetic(gelu_tanh), "fma.rn fma.rn max mul.rn mul.rn mul.rn tanh.approx");
}
