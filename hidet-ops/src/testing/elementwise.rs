//! Cases of operators that compute each element by itself.

use super::{ALL, BITS, Case, FLOATS, INTEGERS, Inputs, NUMBERS};
use crate::error::Result;
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// Two shapes that broadcast; the first is that of the result.
fn shapes(inputs: &mut Inputs) -> [Vec<usize>; 2] {
    let shape = inputs.shape();
    let mut other: Vec<usize> = shape.iter().map(|extent| if inputs.below(3) == 0 { 1 } else { *extent }).collect();
    other.drain(..inputs.below(other.len() + 1));
    [shape, other]
}

/// Two tensors whose shapes broadcast.
fn both(inputs: &mut Inputs) -> Result<[Tensor; 2]> {
    let [a, b] = shapes(inputs);
    Ok([inputs.tensor(&a)?, inputs.tensor(&b)?])
}

/// The same, the second of which is greater than 0.
fn positive_second(inputs: &mut Inputs) -> Result<[Tensor; 2]> {
    let [a, b] = shapes(inputs);
    Ok([inputs.tensor(&a)?, inputs.positive(&b)?])
}

/// A tensor of numbers greater than 0.
fn positive(inputs: &mut Inputs) -> Result<Tensor> {
    let shape = inputs.shape();
    inputs.positive(&shape)
}

/// A tensor of numbers from -`most` to `most`.
fn within(inputs: &mut Inputs, most: f64) -> Result<Tensor> {
    let shape = inputs.shape();
    inputs.within(&shape, most)
}

/// The type of conditions.
const BOOL: &[Scalar] = &[Scalar::Bool];

macro_rules! cases {
    ($($name:ident $dtypes:ident |$inputs:ident| $value:expr;)*) => {
        vec![$(Case { operator: stringify!($name), dtypes: $dtypes, apply: |$inputs| $value },)*]
    };
}

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    [arithmetic(), functions(), activations(), comparisons(), creation()].into_iter().flatten().collect()
}

fn arithmetic() -> Vec<Case> {
    cases! {
        add NUMBERS |i| both(i).and_then(|[a, b]| a.add(&b));
        sub NUMBERS |i| both(i).and_then(|[a, b]| a.sub(&b));
        mul NUMBERS |i| both(i).and_then(|[a, b]| a.mul(&b));
        div NUMBERS |i| positive_second(i).and_then(|[a, b]| a.div(&b));
        rem NUMBERS |i| positive_second(i).and_then(|[a, b]| a.rem(&b));
        maximum NUMBERS |i| both(i).and_then(|[a, b]| a.maximum(&b));
        minimum NUMBERS |i| both(i).and_then(|[a, b]| a.minimum(&b));
        pow FLOATS |i| { let [a, b] = shapes(i); i.positive(&a)?.pow(&i.within(&b, 2.0)?) };
        atan2 FLOATS |i| positive_second(i).and_then(|[a, b]| a.atan2(&b));
        bit_and BITS |i| both(i).and_then(|[a, b]| a.bit_and(&b));
        bit_or BITS |i| both(i).and_then(|[a, b]| a.bit_or(&b));
        bit_xor BITS |i| both(i).and_then(|[a, b]| a.bit_xor(&b));
        bit_not BITS |i| i.any()?.bit_not();
        shift_left INTEGERS |i| positive_second(i).and_then(|[a, b]| a.shift_left(&b));
        shift_right INTEGERS |i| positive_second(i).and_then(|[a, b]| a.shift_right(&b));
        neg NUMBERS |i| i.any()?.neg();
        abs NUMBERS |i| i.any()?.abs();
        sign NUMBERS |i| i.any()?.sign();
        square NUMBERS |i| i.any()?.square();
        cube NUMBERS |i| i.any()?.cube();
        reciprocal FLOATS |i| positive(i)?.reciprocal();
        clamp NUMBERS |i| i.any()?.clamp(0.0, 1.0);
        floor NUMBERS |i| i.any()?.floor();
        ceil NUMBERS |i| i.any()?.ceil();
        round NUMBERS |i| i.any()?.round();
        trunc NUMBERS |i| i.any()?.trunc();
        cast ALL |i| { let to = ALL[i.below(ALL.len())]; positive(i)?.cast(to) };
        reshape ALL |i| { let x = i.any()?; x.reshape(&[x.ty().len()]) };
    }
}

fn functions() -> Vec<Case> {
    cases! {
        exp FLOATS |i| i.any()?.exp();
        exp2 FLOATS |i| i.any()?.exp2();
        expm1 FLOATS |i| i.any()?.expm1();
        log FLOATS |i| positive(i)?.log();
        log2 FLOATS |i| positive(i)?.log2();
        log10 FLOATS |i| positive(i)?.log10();
        log1p FLOATS |i| positive(i)?.log1p();
        sqrt FLOATS |i| positive(i)?.sqrt();
        rsqrt FLOATS |i| positive(i)?.rsqrt();
        erf FLOATS |i| i.any()?.erf();
        sin FLOATS |i| i.any()?.sin();
        cos FLOATS |i| i.any()?.cos();
        tan FLOATS |i| within(i, 1.0)?.tan();
        asin FLOATS |i| within(i, 0.9)?.asin();
        acos FLOATS |i| within(i, 0.9)?.acos();
        atan FLOATS |i| i.any()?.atan();
        sinh FLOATS |i| i.any()?.sinh();
        cosh FLOATS |i| i.any()?.cosh();
        tanh FLOATS |i| i.any()?.tanh();
        asinh FLOATS |i| i.any()?.asinh();
        acosh FLOATS |i| positive(i)?.add(1.0)?.acosh();
        atanh FLOATS |i| within(i, 0.9)?.atanh();
    }
}

fn activations() -> Vec<Case> {
    cases! {
        relu NUMBERS |i| i.any()?.relu();
        sigmoid FLOATS |i| i.any()?.sigmoid();
        log_sigmoid FLOATS |i| i.any()?.log_sigmoid();
        hard_sigmoid FLOATS |i| i.any()?.hard_sigmoid(0.2, 0.5);
        gelu FLOATS |i| i.any()?.gelu();
        gelu_tanh FLOATS |i| i.any()?.gelu_tanh();
        silu FLOATS |i| i.any()?.silu();
        hard_swish FLOATS |i| i.any()?.hard_swish();
        mish FLOATS |i| i.any()?.mish();
        relu6 FLOATS |i| i.any()?.mul(4.0)?.relu6();
        hard_tanh FLOATS |i| i.any()?.hard_tanh(-1.0, 0.5);
        leaky_relu FLOATS |i| i.any()?.leaky_relu(0.01);
        elu FLOATS |i| i.any()?.elu(1.5);
        selu FLOATS |i| i.any()?.selu();
        celu FLOATS |i| i.any()?.celu(1.5);
        softplus FLOATS |i| i.any()?.softplus();
        softsign FLOATS |i| i.any()?.softsign();
        hard_shrink FLOATS |i| i.any()?.hard_shrink(0.5);
        soft_shrink FLOATS |i| i.any()?.soft_shrink(0.5);
        tanh_shrink FLOATS |i| i.any()?.tanh_shrink();
        threshold FLOATS |i| i.any()?.threshold(0.5, -3.0);
        prelu FLOATS |i| both(i).and_then(|[a, b]| a.prelu(&b));
    }
}

fn comparisons() -> Vec<Case> {
    cases! {
        equal ALL |i| both(i).and_then(|[a, b]| a.equal(&b));
        not_equal ALL |i| both(i).and_then(|[a, b]| a.not_equal(&b));
        less NUMBERS |i| both(i).and_then(|[a, b]| a.less(&b));
        less_equal NUMBERS |i| both(i).and_then(|[a, b]| a.less_equal(&b));
        greater NUMBERS |i| both(i).and_then(|[a, b]| a.greater(&b));
        greater_equal NUMBERS |i| i.any()?.greater_equal(1.0);
        logical_and BOOL |i| both(i).and_then(|[a, b]| a.logical_and(&b));
        logical_or BOOL |i| both(i).and_then(|[a, b]| a.logical_or(&b));
        logical_xor BOOL |i| both(i).and_then(|[a, b]| a.logical_xor(&b));
        logical_not BOOL |i| i.any()?.logical_not();
        is_nan FLOATS |i| { let x = i.any()?; x.div(&x)?.is_nan() };
        is_inf FLOATS |i| i.any()?.reciprocal()?.is_inf();
        is_finite FLOATS |i| i.any()?.reciprocal()?.is_finite();
        choose ALL |i| { let [a, b] = both(i)?; i.conditions(a.shape())?.choose(&a, &b) };
    }
}

fn creation() -> Vec<Case> {
    cases! {
        full ALL |i| { let shape = i.shape(); Tensor::full(i.device(), i.dtype(), &shape, 1.0) };
        arange NUMBERS |i| { let end = i.below(40) as f64; Tensor::arange(i.device(), i.dtype(), [1.0, end, 2.0]) };
        linspace FLOATS |i| { let count = i.below(40); Tensor::linspace(i.device(), i.dtype(), [-1.0, 2.0], count) };
        tri ALL |i| { let [m, n, k] = [0; 3].map(|_| i.below(9)); Tensor::tri(i.device(), i.dtype(), [m, n], k as i32 - 4) };
    }
}
