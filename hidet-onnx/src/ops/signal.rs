//! Fourier transforms, as sums of products.

use super::Row;
use super::tools::{inside, number, one, part, wide, with_axis};
use crate::array::Array;
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Input, ReduceOp, Tensor, TensorType};
use std::f64::consts::PI;

pub(super) const ROWS: &[Row] =
    &[Row("DFT", 17, &["axis", "inverse", "onesided"], dft), Row("STFT", 17, &["onesided"], stft)];

/// The longest transform.
const LONGEST: usize = 1 << 24;

/// Returns the cosines and sines of the n-th parts of a circle, `[n, 2]`.
fn circle(call: &Call, dtype: Scalar, n: usize) -> NodeResult<Tensor> {
    let angle = |at: usize| 2.0 * PI * at as f64 / n as f64;
    let numbers: Vec<f64> = (0..n).flat_map(|at| [angle(at).cos(), angle(at).sin()]).collect();
    call.upload(&Array::of_floats(dtype, &[n, 2], &numbers))
}

/// Returns the real part of a complex number times `exp(sign * 2 pi i * turns / n)`, or where `is_imaginary` the imaginary one.
fn turned(
    [real, imaginary]: [ScalarExpr; 2],
    (circle, turns, sign): (&Input, ScalarExpr, f64),
    is_imaginary: &ScalarExpr,
) -> ScalarExpr {
    let place = |column: i64| circle.at([part(&turns), part(&number(column))]);
    let (cos, sin) = (place(0), place(1) * sign);
    is_imaginary.select(&(&real * &sin + &imaginary * &cos), &(&real * &cos - &imaginary * &sin))
}

/// Returns a product of coordinates modulo a number, without overflow.
fn product(a: &ScalarExpr, b: &ScalarExpr, n: usize) -> ScalarExpr {
    (a.cast(Scalar::I64) * b.cast(Scalar::I64) % n).cast(Scalar::I32)
}

/// Returns the two parts of a number of a signal, whose last axis has them, or the real one.
fn parts(signal: &Input, front: Vec<ScalarExpr>, dtype: Scalar) -> [ScalarExpr; 2] {
    let complex = signal.shape().last() == Some(&2);
    let read = |column: i64| signal.at([front.clone(), vec![part(&number(column))]].concat()).cast(dtype);
    if complex {
        [read(0), read(1)]
    } else {
        [signal.at([front.clone(), vec![number(0)]].concat()).cast(dtype), ScalarExpr::constant(dtype, 0.0)]
    }
}

fn dft(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    let axis = match call.version() {
        ..20 => call.int("axis", 1)?,
        _ => call.number(2)?.unwrap_or(-2),
    };
    let axis = axis_of(axis, rank)?;
    if axis + 1 == rank || !matches!(x.shape()[rank - 1], 1 | 2) {
        return Err(format!("{} must have 1 or 2 numbers along its last axis, which is not transformed", x.ty()).into());
    }
    let (inverse, one_sided) = (call.flag("inverse", false)?, call.flag("onesided", false)?);
    let given = x.shape()[axis];
    let usual = if inverse && one_sided { 2 * given.saturating_sub(1) } else { given };
    let n = call.number(1)?.map_or(usual, |n| usize::try_from(n).unwrap_or(0));
    if n == 0 || n > LONGEST {
        return Err(format!("the length {n} is not supported").into());
    }
    let dtype = wide(x.dtype());
    let circle = circle(call, dtype, n)?;
    // An inverse transform to real numbers has half of the terms, which count twice, but for the first one and the middle.
    let to_real = inverse && one_sided;
    let terms = given.min(if to_real { n / 2 + 1 } else { n });
    let results = if one_sided && !inverse { n / 2 + 1 } else { n };
    let mut shape = with_axis(x.shape(), axis, &[results]);
    shape[rank - 1] = if to_real { 1 } else { 2 };
    let output = TensorType::new(x.dtype(), &shape);
    let sign = if inverse { 1.0 } else { -1.0 };
    let sum = (ReduceOp::Sum, &[terms][..]);
    let result = Tensor::define_reduction("dft", &[&x, &circle], output, sum, |inputs, at| {
        let own = &at[rank];
        let mut front = at[..rank - 1].to_vec();
        front[axis] = part(own);
        let is_imaginary = if to_real { own.lt(0usize) } else { at[rank - 1].equals(1usize) };
        let turns = product(&at[axis], own, n);
        let mut term = turned(parts(&inputs[0], front, dtype), (&inputs[1], turns, sign), &is_imaginary);
        if to_real {
            let is_once = own.equals(0usize) | (own * 2usize).equals(n);
            term = is_once.select(&term, &(&term * 2.0));
        }
        if inverse { term * (1.0 / n as f64) } else { term }
    });
    one(result?)
}

fn stft(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, window) = (call.tensor(0)?, call.optional(2)?);
    let [batch, samples, parts_of] = x.shape()[..] else { return Err(format!("{} must have 3 axes", x.ty()).into()) };
    let step = call.number(1)?.and_then(|step| usize::try_from(step).ok()).filter(|step| *step > 0);
    let step = step.ok_or("the step must be positive")?;
    let length = match (call.number(3)?, &window) {
        (Some(length), _) => usize::try_from(length).unwrap_or(0),
        (None, Some(window)) => window.ty().len(),
        (None, None) => samples,
    };
    let fits = (1..=2).contains(&parts_of) && (1..=samples).contains(&length);
    if !fits || window.as_ref().is_some_and(|window| window.shape() != [length]) {
        return Err(format!("frames of {length} with the window do not fit {}", x.ty()).into());
    }
    let frames = 1 + (samples - length) / step;
    let bins = if call.flag("onesided", true)? { length / 2 + 1 } else { length };
    let dtype = wide(x.dtype());
    let circle = circle(call, dtype, length)?;
    let output = TensorType::new(x.dtype(), &[batch, frames, bins, 2]);
    let inputs: Vec<&Tensor> = [&x, &circle].into_iter().chain(&window).collect();
    let result = Tensor::define_reduction("stft", &inputs, output, (ReduceOp::Sum, &[length]), |inputs, at| {
        let own = &at[4];
        let place = inside(&(&at[1] * step + own), samples);
        let number = parts(&inputs[0], vec![at[0].clone(), place], dtype);
        let turns = product(&at[2], own, length);
        let term = turned(number, (&inputs[1], turns, -1.0), &at[3].equals(1usize));
        inputs.get(2).map_or(term.clone(), |window| term * window.at([own.clone()]).cast(dtype))
    });
    one(result?)
}
