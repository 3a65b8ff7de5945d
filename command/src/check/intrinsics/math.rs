//! Functions that no device rounds correctly: over all f16 and a million f32, the largest distance from a reference in
//! `f64` and from the simulated device, in units of the last place, or relative where the bound is.
//!
//! Bounds of f32 are those of NVIDIA's CUDA C++ Programming Guide ("Mathematical Functions", maximal error in ulp of
//! the exact result) and half an ulp for the guide's way of counting. f16 is computed in f32 and rounded once more. Bounds
//! of approximations, which exist for f32 only, are those of the PTX ISA.

use super::super::numbers::{Random, Real, ulp};
use hidet::Result;
use hidet::intrinsics::{Approx, Intrinsic, Meaning};
use hidet::ir::{BinaryOp, UnaryOp};
use hidet::kernel::{CompileOptions, Compiled, RawArg};
use hidet::prelude::*;
use std::fmt::Write;

/// A function, its reference and its bound in f32.
struct Function {
    name: &'static str,
    reference: Reference,
    bound: Bound,
    /// Called as an intrinsic.
    approximation: bool,
}

/// The largest distance from the exact result.
#[derive(Clone, Copy)]
enum Bound {
    /// Units of the last place.
    Ulps(f64),
    /// A share of the result.
    Relative(f64),
}

impl Bound {
    /// Returns the distance of a number from the exact one, in the unit of the bound; rounding to an infinity is right.
    fn distance<T: Real>(self, got: T, exact: f64) -> f64 {
        let got = got.real();
        if got == exact || (got.is_nan() && exact.is_nan()) {
            return 0.0;
        }
        if got.is_nan() || exact.is_nan() {
            return f64::INFINITY;
        }
        if got.is_infinite() || exact.is_infinite() {
            return if T::round(exact).real() == got { 0.0 } else { f64::INFINITY };
        }
        let unit = match self {
            Bound::Ulps(_) => ulp::<T>(exact),
            Bound::Relative(_) => exact.abs(),
        };
        (got - exact).abs() / unit
    }

    fn most(self) -> f64 {
        match self {
            Bound::Ulps(most) | Bound::Relative(most) => most,
        }
    }

    /// Returns a distance as it stands in the report: a relative one as a power of two.
    fn text(self, distance: f64) -> String {
        match self {
            Bound::Ulps(_) => format!("{:.3}", distance),
            Bound::Relative(_) => format!("2^{:.2}", distance.log2()),
        }
    }
}

enum Reference {
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
}

/// Returns zero for numbers that are subnormal in f32.
fn flushed(x: f64) -> f64 {
    if x.abs() < f64::from(f32::MIN_POSITIVE) { 0f64.copysign(x) } else { x }
}

/// Returns the reference of an approximation and its bound.
fn approximation(function: Approx) -> (fn(f64) -> f64, Bound) {
    match function {
        Approx::Exp2 => (|x| flushed(x.exp2()), Bound::Relative(2f64.powf(-22.5))),
        Approx::Tanh => (f64::tanh, Bound::Relative(2f64.powi(-11))),
        Approx::Recip => (|x| flushed(flushed(x).recip()), Bound::Ulps(1.5)),
    }
}

fn functions() -> Vec<Function> {
    let make = |name: &'static str, bound: f64, reference: Reference| Function {
        name,
        reference,
        bound: Bound::Ulps(bound),
        approximation: false,
    };
    let one = |op: UnaryOp, bound: f64, f: fn(f64) -> f64| make(op.name(), bound, Reference::One(f));
    let two = |op: BinaryOp, bound: f64, f: fn(f64, f64) -> f64| make(op.name(), bound, Reference::Two(f));
    let mut functions = vec![
        one(UnaryOp::Sqrt, 0.5, f64::sqrt),
        one(UnaryOp::Rsqrt, 2.5, |x| 1.0 / x.sqrt()),
        one(UnaryOp::Exp, 2.5, f64::exp),
        one(UnaryOp::Exp2, 2.5, f64::exp2),
        one(UnaryOp::Expm1, 1.5, f64::exp_m1),
        one(UnaryOp::Log, 1.5, f64::ln),
        one(UnaryOp::Log2, 1.5, f64::log2),
        one(UnaryOp::Log10, 2.5, f64::log10),
        one(UnaryOp::Log1p, 1.5, f64::ln_1p),
        one(UnaryOp::Sin, 2.5, f64::sin),
        one(UnaryOp::Cos, 2.5, f64::cos),
        one(UnaryOp::Tan, 4.5, f64::tan),
        one(UnaryOp::Asin, 2.5, f64::asin),
        one(UnaryOp::Acos, 2.5, f64::acos),
        one(UnaryOp::Atan, 2.5, f64::atan),
        one(UnaryOp::Sinh, 3.5, f64::sinh),
        one(UnaryOp::Cosh, 2.5, f64::cosh),
        one(UnaryOp::Tanh, 2.5, f64::tanh),
        one(UnaryOp::Asinh, 3.5, f64::asinh),
        one(UnaryOp::Acosh, 4.5, f64::acosh),
        one(UnaryOp::Atanh, 3.5, f64::atanh),
        one(UnaryOp::Erf, 2.5, hidet::types::math::erf),
        two(BinaryOp::Div, 0.5, |a, b| a / b),
        two(BinaryOp::Pow, 4.5, f64::powf),
        two(BinaryOp::Atan2, 3.5, f64::atan2),
    ];
    for row in Intrinsic::all().map(Intrinsic::row) {
        if let Meaning::Approx(function) = row.meaning {
            let (f, bound) = approximation(function);
            functions.push(Function { name: &row.name, reference: Reference::One(f), bound, approximation: true });
        }
    }
    functions
}

/// Runs a function on a device. The number of elements is a multiple of 256.
fn run<T: Real>(device: &Device, function: &Function, a: &[T], b: &[T]) -> Result<Vec<T>> {
    let (ty, n) = (T::SCALAR, a.len());
    let call = match function.reference {
        Reference::One(_) if function.approximation => format!("call {}(%a)", function.name),
        Reference::One(_) => format!("{} %a", function.name),
        Reference::Two(_) => format!("{} %a, %b", function.name),
    };
    let text = format!(
        "kernel math(@a: in {ty}[{n}], @b: in {ty}[{n}], @y: out {ty}[{n}])\ngrid ({}, 1, 1)\nblock (256, 1, 1)\n{{\n  %t: i32 = thread\n  %block: i32 = block.x\n  %size: i32 = const 256\n  %first: i32 = mul %block, %size\n  %i: i32 = add %first, %t\n  %a: {ty} = load @a[%i]\n  %b: {ty} = load @b[%i]\n  %y: {ty} = {call}\n  store @y[%i] = %y\n}}\n",
        n / 256
    );
    let kernel = Compiled::new(hidet::ir::text::parse_file(&text, "math")?, device, &CompileOptions::default())?;
    let (a, b, y) = (device.tensor(a, [n])?, device.tensor(b, [n])?, device.empty::<T, 1>([n])?);
    kernel.launch(&[RawArg::Tensor(a.raw()), RawArg::Tensor(b.raw()), RawArg::Tensor(y.raw())])?;
    y.to_vec()
}

/// The largest distance, and the inputs there.
struct Worst {
    distance: f64,
    at: (f64, f64),
}

fn worst<T: Real>(bound: Bound, a: &[T], b: &[T], got: &[T], exact: impl Fn(usize) -> f64) -> Worst {
    let mut worst = Worst { distance: 0.0, at: (0.0, 0.0) };
    for (i, got) in got.iter().enumerate() {
        let distance = bound.distance(*got, exact(i));
        if distance > worst.distance {
            worst = Worst { distance, at: (a[i].real(), b[i].real()) };
        }
    }
    worst
}

/// Returns one line of the report, and true if the function is within its bound.
fn line<T: Real>(
    device: &Device,
    compare: bool,
    function: &Function,
    a: &[T],
    b: &[T],
    bound: Bound,
) -> Result<(String, bool)> {
    let got = run(device, function, a, b)?;
    let exact = |i: usize| match function.reference {
        Reference::One(f) => f(a[i].real()),
        Reference::Two(f) => f(a[i].real(), b[i].real()),
    };
    let far = worst(bound, a, b, &got, exact);
    let sim = if compare && !device.is_sim() {
        let sim = run(&Device::sim(), function, a, b)?;
        bound.text(worst(bound, a, b, &got, |i| sim[i].real()).distance)
    } else {
        "-".to_owned()
    };
    let fine = far.distance <= bound.most();
    let at = match function.reference {
        Reference::One(_) => format!("{:e}", far.at.0),
        Reference::Two(_) => format!("{:e}, {:e}", far.at.0, far.at.1),
    };
    let result = if fine { "ok" } else { "FAILED" };
    let text = format!(
        "{:<11} {:<5} {:>9} {:>10} {:>8} {:>10}  {result}  (worst at {at})\n",
        function.name,
        T::NAME,
        a.len(),
        bound.text(far.distance),
        bound.text(bound.most()),
        sim
    );
    Ok((text, fine))
}

/// Returns `count` f32: every second one any bits, the others of a size for which functions are used.
fn numbers(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut number = |at: usize| match at % 4 {
        0 | 2 => f32::from_bits(random.bits()),
        1 => random.unit() as f32,
        _ => (random.unit() * 32.0) as f32,
    };
    (0..count).map(&mut number).collect()
}

/// Runs all functions over every f16 and `count` f32 (a multiple of 256). Returns the report, and true if all were
/// within their bounds.
pub fn check(device: &Device, compare: bool, count: usize) -> (String, bool) {
    let mut text = format!("functions on {device}, in ulps of the result or relative to it\n");
    let _ = writeln!(
        text,
        "{:<11} {:<5} {:>9} {:>10} {:>8} {:>10}  result",
        "function", "type", "inputs", "error", "bound", "from sim"
    );
    let halves: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).collect();
    let others: Vec<f16> = halves.iter().map(|half| f16::from_bits(half.to_bits().wrapping_mul(40_503))).collect();
    let (a, b) = (numbers(1, count), numbers(2, count));
    let mut passed = true;
    for function in functions() {
        let mut lines = vec![line(device, compare, &function, &a, &b, function.bound)];
        if !function.approximation {
            lines.insert(0, line(device, compare, &function, &halves, &others, Bound::Ulps(0.51)));
        }
        for found in lines {
            match found {
                Ok((line, fine)) => {
                    text += &line;
                    passed &= fine;
                }
                Err(error) => {
                    let _ = writeln!(text, "{}: {error}", function.name);
                    passed = false;
                }
            }
        }
    }
    (text, passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_keep_their_bounds_on_the_simulated_device() {
        let (report, passed) = check(&Device::sim(), false, 1 << 14);
        assert!(passed, "{report}");
    }

    #[test]
    fn distances_count_units_of_the_last_place_or_are_relative() {
        let (ulps, relative) = (Bound::Ulps(0.0), Bound::Relative(0.0));
        assert_eq!(ulps.distance(1.0f32, 1.0), 0.0);
        assert_eq!(ulps.distance(1.0f32 + f32::EPSILON, 1.0), 1.0);
        assert_eq!(relative.distance(3.0f32, 4.0), 0.25);
        for bound in [ulps, relative] {
            assert_eq!(bound.distance(f32::INFINITY, 1e300), 0.0);
            assert_eq!(bound.distance(0.0f32, -0.0), 0.0);
            assert!(bound.distance(f32::NAN, 1.0).is_infinite());
            assert!(bound.distance(f32::INFINITY, 1.0).is_infinite());
            assert!(bound.distance(1.0f32, f64::INFINITY).is_infinite());
        }
        assert!(relative.distance(1e-30f32, 0.0).is_infinite());
    }
}
