//! Arithmetic: element by element, with broadcasting.

use super::Row;
use super::tools::{each, one, unsupported, wide};
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::{BinaryOp, UnaryOp};
use hidet::types::Scalar;
use hidet_ops::Tensor;
use hidet_ops::expr::ScalarExpr;

pub(super) const ROWS: &[Row] = &[
    Row("Abs", 1, &[], |call| one(call.tensor(0)?.abs()?)),
    Row("Acos", 7, &[], |call| one(call.tensor(0)?.acos()?)),
    Row("Acosh", 9, &[], |call| one(call.tensor(0)?.acosh()?)),
    Row("Add", 1, &[], |call| one(call.tensor(0)?.add(&call.tensor(1)?)?)),
    Row("Asin", 7, &[], |call| one(call.tensor(0)?.asin()?)),
    Row("Asinh", 9, &[], |call| one(call.tensor(0)?.asinh()?)),
    Row("Atan", 7, &[], |call| one(call.tensor(0)?.atan()?)),
    Row("Atanh", 9, &[], |call| one(call.tensor(0)?.atanh()?)),
    Row("BitShift", 11, &["direction"], bit_shift),
    Row("BitwiseAnd", 18, &[], |call| one(call.tensor(0)?.bit_and(&call.tensor(1)?)?)),
    Row("BitwiseNot", 18, &[], |call| one(call.tensor(0)?.bit_not()?)),
    Row("BitwiseOr", 18, &[], |call| one(call.tensor(0)?.bit_or(&call.tensor(1)?)?)),
    Row("BitwiseXor", 18, &[], |call| one(call.tensor(0)?.bit_xor(&call.tensor(1)?)?)),
    Row("Ceil", 1, &[], |call| one(call.tensor(0)?.ceil()?)),
    Row("Clip", 1, &["min", "max"], clip),
    Row("Cos", 7, &[], |call| one(call.tensor(0)?.cos()?)),
    Row("Cosh", 9, &[], |call| one(call.tensor(0)?.cosh()?)),
    Row("Div", 1, &[], |call| one(call.tensor(0)?.div(&call.tensor(1)?)?)),
    Row("Erf", 9, &[], |call| one(call.tensor(0)?.erf()?)),
    Row("Exp", 1, &[], |call| one(call.tensor(0)?.exp()?)),
    Row("Floor", 1, &[], |call| one(call.tensor(0)?.floor()?)),
    Row("Log", 1, &[], |call| one(call.tensor(0)?.log()?)),
    Row("Max", 6, &[], |call| extreme(call, BinaryOp::Max)),
    Row("Mean", 6, &[], mean),
    Row("Min", 6, &[], |call| extreme(call, BinaryOp::Min)),
    Row("Mod", 10, &["fmod"], modulo),
    Row("Mul", 1, &[], |call| one(call.tensor(0)?.mul(&call.tensor(1)?)?)),
    Row("Neg", 1, &[], |call| one(call.tensor(0)?.neg()?)),
    Row("Pow", 7, &[], pow),
    Row("Reciprocal", 1, &[], |call| one(call.tensor(0)?.reciprocal()?)),
    Row("Round", 11, &[], |call| one(call.tensor(0)?.round()?)),
    Row("Sign", 9, &[], |call| one(call.tensor(0)?.sign()?)),
    Row("Sin", 7, &[], |call| one(call.tensor(0)?.sin()?)),
    Row("Sinh", 9, &[], |call| one(call.tensor(0)?.sinh()?)),
    Row("Sqrt", 1, &[], |call| one(call.tensor(0)?.sqrt()?)),
    Row("Sub", 1, &[], |call| one(call.tensor(0)?.sub(&call.tensor(1)?)?)),
    Row("Sum", 6, &[], |call| one(sum(call)?)),
    Row("Tan", 7, &[], |call| one(call.tensor(0)?.tan()?)),
];

fn bit_shift(call: &Call) -> NodeResult<Vec<Value>> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let direction = call.text("direction", "")?;
    let left = match direction.as_str() {
        "LEFT" => true,
        "RIGHT" => false,
        other => return unsupported("direction", other),
    };
    let (dtype, bits) = (a.dtype(), 8 * a.dtype().bytes());
    if !dtype.is_int() || dtype != b.dtype() {
        return Err(format!("{} and {} must be integers of one type", a.ty(), b.ty()).into());
    }
    // A distance that is negative or not less than the number of bits moves all bits out, but a sign stays.
    let signed_right = dtype.is_signed_int() && !left;
    let op = if left { BinaryOp::Shl } else { BinaryOp::Shr };
    one(each("bit_shift", &[&a, &b], dtype, |xs| {
        let last = xs[1].same(bits as f64 - 1.0);
        let beyond = xs[1].gt(&last) | xs[1].lt(0.0);
        let moved = xs[0].binary(op, &beyond.select(&last, &xs[1]));
        if signed_right { moved } else { beyond.select(&moved.same(0.0), &moved) }
    })?)
}

fn clip(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let dtype = x.dtype();
    if call.version() < 11 {
        let (low, high) = (call.float("min", f32::MIN)?, call.float("max", f32::MAX)?);
        return one(each("clip", &[&x], dtype, |xs| limited(&xs[0], Some(&xs[0].same(low)), Some(&xs[0].same(high))))?);
    }
    // Bounds that are known are part of the kernel. Integers of 64 bits are not exact as numbers.
    let bounds = [call.given(1), call.given(2)];
    let known = dtype.bytes() < 8 || dtype.is_float();
    if known && bounds.iter().flatten().all(|bound| bound.is_host()) {
        let (low, high) = (call.real(1)?, call.real(2)?);
        return one(each("clip", &[&x], dtype, |xs| {
            let bound = |bound: Option<f64>| bound.map(|bound| xs[0].same(bound));
            limited(&xs[0], bound(low).as_ref(), bound(high).as_ref())
        })?);
    }
    let (low, high) = (call.optional(1)?, call.optional(2)?);
    let inputs: Vec<&Tensor> = [Some(&x), low.as_ref(), high.as_ref()].into_iter().flatten().collect();
    if inputs[1..].iter().any(|bound| bound.ty().len() != 1 || bound.dtype() != dtype) {
        return Err("the bounds must be one number each, of the type of the input".into());
    }
    one(each("clip", &inputs, dtype, |xs| {
        let low_bound = low.as_ref().map(|_| &xs[1]);
        limited(&xs[0], low_bound, high.as_ref().and_then(|_| xs.last()))
    })?)
}

/// Returns a value limited from below, then from above; NaN stays.
fn limited(x: &ScalarExpr, low: Option<&ScalarExpr>, high: Option<&ScalarExpr>) -> ScalarExpr {
    let x = low.map_or(x.clone(), |low| x.lt(low).select(low, x));
    high.map_or(x.clone(), |high| x.gt(high).select(high, &x))
}

/// Returns the larger or smaller of two values, NaN if one of them is.
pub(super) fn extreme_of(op: BinaryOp, a: &ScalarExpr, b: &ScalarExpr) -> ScalarExpr {
    let value = a.binary(op, b);
    if !a.dtype().is_float() {
        return value;
    }
    a.unary(UnaryOp::IsNan).select(a, &b.unary(UnaryOp::IsNan).select(b, &value))
}

fn extreme(call: &Call, op: BinaryOp) -> NodeResult<Vec<Value>> {
    let tensors = call.tensors()?;
    let Some((first, others)) = tensors.split_first() else { return Err("it needs an input".into()) };
    let mut value = first.clone();
    for other in others {
        same_type(&value, other)?;
        value = each("extreme", &[&value, other], value.dtype(), |xs| extreme_of(op, &xs[0], &xs[1]))?;
    }
    one(value)
}

fn same_type(a: &Tensor, b: &Tensor) -> NodeResult<()> {
    if a.dtype() == b.dtype() { Ok(()) } else { Err(format!("{} and {} have different types", a.ty(), b.ty()).into()) }
}

fn sum(call: &Call) -> NodeResult<Tensor> {
    let tensors = call.tensors()?;
    let Some((first, others)) = tensors.split_first() else { return Err("it needs an input".into()) };
    let sum = others.iter().try_fold(first.clone(), |sum, other| sum.add(other))?;
    Ok(sum)
}

fn mean(call: &Call) -> NodeResult<Vec<Value>> {
    one(sum(call)?.div(call.inputs.len() as f64)?)
}

fn modulo(call: &Call) -> NodeResult<Vec<Value>> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    same_type(&a, &b)?;
    if call.flag("fmod", false)? {
        return one(a.rem(&b)?);
    }
    // The remainder has the sign of the divisor.
    one(each("mod", &[&a, &b], a.dtype(), |xs| {
        let rest = &xs[0] % &xs[1];
        if !rest.dtype().is_float() && !rest.dtype().is_signed_int() {
            return rest;
        }
        let other_side = rest.lt(0.0).differs(xs[1].lt(0.0)) & rest.differs(0.0);
        other_side.select(&(&rest + &xs[1]), &rest)
    })?)
}

fn pow(call: &Call) -> NodeResult<Vec<Value>> {
    let (a, b) = (call.tensor(0)?, call.tensor(1)?);
    let dtype = a.dtype();
    if dtype.is_float() {
        return one(each("pow", &[&a, &b], dtype, |xs| xs[0].binary(BinaryOp::Pow, &xs[1].cast(wide(dtype))))?);
    }
    if b.dtype().is_float() {
        let real = |x: &ScalarExpr| x.cast(Scalar::F64);
        return one(each("pow", &[&a, &b], dtype, |xs| real(&xs[0]).binary(BinaryOp::Pow, &real(&xs[1])))?);
    }
    one(each("pow", &[&a, &b], dtype, |xs| whole_power(&xs[0], &xs[1].cast(Scalar::I64)))?)
}

/// Returns a power of integers, exactly: the product of the squares that the bits of the exponent name. Only powers of 0, 1 and -1
/// have exponents of more than 63 or less than 0 and a value that is an integer of 64 bits.
fn whole_power(base: &ScalarExpr, exponent: &ScalarExpr) -> ScalarExpr {
    let (mut square, mut value) = (base.clone(), base.same(1.0));
    let odd = |x: &ScalarExpr| (x % 2i64).differs(0i64);
    let mut rest = exponent.clone();
    for _ in 0..6 {
        value = odd(&rest).select(&(&value * &square), &value);
        square = &square * &square;
        rest = rest / 2i64;
    }
    let mut small = base.equals(0i64).select(&base.same(0.0), &base.equals(1i64).select(base, &base.same(0.0)));
    if base.dtype().is_signed_int() {
        let sign = odd(exponent).select(&base.same(-1.0), &base.same(1.0));
        small = base.equals(-1i64).select(&sign, &small);
    }
    (exponent.lt(0i64) | exponent.gt(63i64)).select(&small, &value)
}
