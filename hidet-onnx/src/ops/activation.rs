//! Activations, and softmax along an axis.

use super::Row;
use super::tools::{each, number, one, product, unsupported, wide};
use crate::call::{Call, axis_of};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Result, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row("Celu", 12, &["alpha"], |call| one(call.tensor(0)?.celu(call.float("alpha", 1.0)?)?)),
    Row("Elu", 1, &["alpha"], |call| one(call.tensor(0)?.elu(call.float("alpha", 1.0)?)?)),
    Row("Gelu", 20, &["approximate"], gelu),
    Row("HardSigmoid", 1, &["alpha", "beta"], |call| {
        one(call.tensor(0)?.hard_sigmoid(call.float("alpha", 0.2)?, call.float("beta", 0.5)?)?)
    }),
    Row("HardSwish", 14, &[], |call| one(call.tensor(0)?.hard_swish()?)),
    Row("Hardmax", 1, &["axis"], |call| along(call, hardmax)),
    Row("LeakyRelu", 1, &["alpha"], |call| one(call.tensor(0)?.leaky_relu(call.float("alpha", 0.01)?)?)),
    Row("LogSoftmax", 1, &["axis"], |call| along(call, |x, axis| Ok(x.log_softmax(axis)?))),
    Row("Mish", 18, &[], |call| one(call.tensor(0)?.mish()?)),
    Row("PRelu", 7, &[], |call| one(call.tensor(0)?.prelu(&call.tensor(1)?)?)),
    Row("Relu", 1, &[], |call| one(call.tensor(0)?.relu()?)),
    Row("Selu", 1, &["alpha", "gamma"], selu),
    Row("Shrink", 9, &["bias", "lambd"], shrink),
    Row("Sigmoid", 1, &[], |call| one(call.tensor(0)?.sigmoid()?)),
    Row("Softmax", 1, &["axis"], |call| along(call, |x, axis| Ok(x.softmax(axis)?))),
    Row("Softplus", 1, &[], |call| one(call.tensor(0)?.softplus()?)),
    Row("Softsign", 1, &[], |call| one(call.tensor(0)?.softsign()?)),
    Row("SwiGLU", 28, &["alpha"], swiglu),
    Row("Swish", 24, &["alpha"], |call| {
        let (x, alpha) = (call.tensor(0)?, call.float("alpha", 1.0)?);
        one(each("swish", &[&x], x.dtype(), |xs| swish(&xs[0], alpha))?)
    }),
    Row("Tanh", 1, &[], |call| one(call.tensor(0)?.tanh()?)),
    Row("ThresholdedRelu", 1, &["alpha"], |call| one(call.tensor(0)?.threshold(call.float("alpha", 1.0)?, 0.0)?)),
];

fn gelu(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    match call.text("approximate", "none")?.as_str() {
        "none" => one(x.gelu()?),
        "tanh" => one(x.gelu_tanh()?),
        other => unsupported("approximate", other),
    }
}

/// The defaults are those of the standard, in `f32`.
fn selu(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let (alpha, gamma) = (call.float("alpha", 1.673_263_2)?, call.float("gamma", 1.050_701)?);
    one(each("selu", &[&x], x.dtype(), |xs| {
        let below = xs[0].unary(UnaryOp::Expm1) * alpha;
        xs[0].le(0.0).select(&below, &xs[0]) * gamma
    })?)
}

fn shrink(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let (bias, lambda) = (call.float("bias", 0.0)?, call.float("lambd", 0.5)?);
    if !x.dtype().is_float() {
        return Err(format!("it is not supported for {}; convert it by Cast before", x.dtype()).into());
    }
    one(each("shrink", &[&x], x.dtype(), |xs| {
        let above = xs[0].gt(lambda).select(&(&xs[0] - bias), &xs[0].same(0.0));
        xs[0].lt(-lambda).select(&(&xs[0] + bias), &above)
    })?)
}

/// `x * sigmoid(alpha * x)`.
fn swish(x: &ScalarExpr, alpha: f64) -> ScalarExpr {
    x / ((x * -alpha).unary(UnaryOp::Exp) + 1.0)
}

fn swiglu(call: &Call) -> NodeResult<Vec<Value>> {
    let (a, b, alpha) = (call.tensor(0)?, call.tensor(1)?, call.float("alpha", 1.0)?);
    if a.ty() != b.ty() {
        return Err(format!("{} and {} must have one type and shape", a.ty(), b.ty()).into());
    }
    one(each("swiglu", &[&a, &b], a.dtype(), |xs| swish(&xs[0], alpha) * &xs[1])?)
}

/// Returns an operator along an axis; before version 13 along all axes from it on, as one.
fn along(call: &Call, f: impl FnOnce(&Tensor, usize) -> NodeResult<Tensor>) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let rank = x.ty().rank();
    if call.version() >= 13 {
        return one(f(&x, axis_of(call.int("axis", -1)?, rank)?)?);
    }
    let axis = axis_of(call.int("axis", 1)?, rank)?;
    let flat = x.reshape(&[product(&x.shape()[..axis]), product(&x.shape()[axis..])])?;
    one(f(&flat, 1)?.reshape(x.shape())?)
}

/// Returns 1 at the first of the largest elements along an axis, and 0 elsewhere.
fn hardmax(x: &Tensor, axis: usize) -> NodeResult<Tensor> {
    let places = x.argmax(&[axis], true)?;
    let result: Result<Tensor> = Tensor::define("hardmax", &[&places], x.ty().clone(), |inputs, at| {
        let mut index = at.to_vec();
        index[axis] = number(0);
        let one = ScalarExpr::constant(wide(x.dtype()), 1.0);
        let is_place = inputs[0].at(index).equals(at[axis].cast(Scalar::I64));
        is_place.select(&one, &one.same(0.0)).cast(x.dtype())
    });
    Ok(result?)
}
