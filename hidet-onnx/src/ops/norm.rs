//! Normalisations, and dropout, which does nothing at inference.

use super::Row;
use super::tools::{each, of_channels, one, unsupported, wide};
use crate::call::{Call, axes_of, axis_of};
use crate::element;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::{BinaryOp, UnaryOp};
use hidet::types::Scalar;
use hidet_ops::{ReduceOp, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row("BatchNormalization", 7, &["epsilon", "momentum", "spatial", "training_mode"], batch_norm),
    Row("Dropout", 7, &["ratio", "seed"], dropout),
    Row("GroupNormalization", 18, &["epsilon", "num_groups", "stash_type"], group_norm),
    Row("InstanceNormalization", 6, &["epsilon"], |call| {
        let (x, epsilon) = (call.tensor(0)?, call.float("epsilon", 1e-5)?);
        one(x.instance_norm(Some(&call.tensor(1)?), Some(&call.tensor(2)?), epsilon)?)
    }),
    Row("LRN", 1, &["alpha", "beta", "bias", "size"], lrn),
    Row("LayerNormalization", 17, &["axis", "epsilon", "stash_type"], layer_norm),
    Row("LpNormalization", 1, &["axis", "p"], lp_norm),
    Row("MeanVarianceNormalization", 9, &["axes"], mean_variance_norm),
    Row("RMSNormalization", 23, &["axis", "epsilon", "stash_type"], rms_norm),
];

fn batch_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let epsilon = call.float("epsilon", 1e-5)?;
    if call.int("spatial", 1)? != 1 {
        return unsupported("spatial", call.int("spatial", 1)?);
    }
    let given = [call.tensor(1)?, call.tensor(2)?, call.tensor(3)?, call.tensor(4)?];
    let [scale, bias, mean, variance] = &given;
    if !call.flag("training_mode", false)? {
        if call.wants(1) {
            return Err("statistics as outputs are supported from opset 14 on, with `training_mode`".into());
        }
        if given.iter().all(|own| own.dtype() == x.dtype()) {
            return one(x.batch_norm([mean, variance], Some(scale), Some(bias), epsilon)?);
        }
        return one(batch_normal(&x, [scale, bias, mean, variance], epsilon)?);
    }
    let rank = x.ty().rank();
    let axes: Vec<usize> = (0..rank).filter(|axis| *axis != 1).collect();
    let real = x.cast(wide(x.dtype()))?;
    let own_mean = real.mean(&axes, false)?;
    let own_variance = real.var(&axes, false, 0)?;
    let momentum = call.float("momentum", 0.9)?;
    let y = batch_normal(&x, [scale, bias, &own_mean, &own_variance], epsilon)?;
    let running = |before: &Tensor, own: &Tensor| {
        each("running", &[before, own], before.dtype(), |xs| {
            &xs[0] * momentum + xs[1].cast(xs[0].dtype()) * (1.0 - momentum)
        })
    };
    let (next_mean, next_variance) = (running(mean, &own_mean)?, running(variance, &own_variance)?);
    Ok([y, next_mean, next_variance].map(Value::from).to_vec())
}

/// Normalises channels by parameters that may be of wider floats than the elements.
fn batch_normal(x: &Tensor, parameters: [&Tensor; 4], epsilon: f64) -> NodeResult<Tensor> {
    let rank = x.ty().rank();
    let channels = parameters.iter().map(|own| of_channels(own, rank)).collect::<NodeResult<Vec<Tensor>>>()?;
    let inputs: Vec<&Tensor> = [x].into_iter().chain(&channels).collect();
    let exact = inputs.iter().map(|own| wide(own.dtype())).max_by_key(|dtype| dtype.bytes()).unwrap_or(Scalar::F32);
    each("batch_norm", &inputs, x.dtype(), |xs| {
        let real: Vec<_> = xs.iter().map(|own| own.cast(exact)).collect();
        let factor = (&real[4] + epsilon).unary(UnaryOp::Rsqrt) * &real[1];
        (&real[0] - &real[3]) * factor + &real[2]
    })
}

fn dropout(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let ratio = match call.real(1)? {
        Some(ratio) => ratio,
        None => call.float("ratio", 0.5)?,
    };
    if call.number(2)?.unwrap_or(0) != 0 && ratio != 0.0 {
        return Err("dropping elements at random is not supported; use the model of inference".into());
    }
    if !call.wants(1) {
        return one(x);
    }
    if call.version() < 12 {
        return Err("a mask as output is supported from opset 12 on, which says what it is at inference".into());
    }
    let mask = Tensor::full(call.device, Scalar::Bool, x.shape(), 1.0)?;
    Ok(vec![x.into(), mask.into()])
}

fn group_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let groups = usize::try_from(call.int("num_groups", 0)?).unwrap_or(0);
    let channels = x.shape().get(1).copied().unwrap_or(0);
    // Before version 21 there is one scale per group.
    let spread = |parameter: Tensor| match call.version() < 21 && groups > 0 && parameter.shape() == [groups] {
        true => parameter.repeat_interleave(channels / groups, 0),
        false => Ok(parameter),
    };
    let (scale, bias) = (spread(call.tensor(1)?)?, spread(call.tensor(2)?)?);
    one(x.group_norm(groups, Some(&scale), Some(&bias), call.float("epsilon", 1e-5)?)?)
}

/// Returns the axes that are normalised over, from one on.
fn last_axes(call: &Call, x: &Tensor) -> NodeResult<Vec<usize>> {
    let rank = x.ty().rank();
    Ok((axis_of(call.int("axis", -1)?, rank)?..rank).collect())
}

/// Returns the type in which is normalised.
fn stash(call: &Call, x: &Tensor) -> NodeResult<Scalar> {
    let dtype = element::scalar(call.int("stash_type", 1)?)?;
    Ok(if dtype.bytes() < x.dtype().bytes() { x.dtype() } else { wide(dtype) })
}

fn layer_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, scale, bias) = (call.tensor(0)?, call.tensor(1)?, call.optional(2)?);
    let (axes, epsilon) = (last_axes(call, &x)?, call.float("epsilon", 1e-5)?);
    let own = &x.shape()[axes[0]..];
    let fits = |parameter: &Tensor| parameter.shape() == own && parameter.dtype() == x.dtype();
    let fits = fits(&scale) && bias.as_ref().is_none_or(fits);
    if fits && !call.wants(1) && !call.wants(2) {
        return one(x.layer_norm(axes.len(), Some(&scale), bias.as_ref(), epsilon)?);
    }
    let real = x.cast(stash(call, &x)?)?;
    let mean = real.mean(&axes, true)?;
    let centred = real.sub(&mean)?;
    let factor = centred.square()?.mean(&axes, true)?.add(epsilon)?.rsqrt()?;
    let inputs: Vec<&Tensor> = [&centred, &factor, &scale].into_iter().chain(&bias).collect();
    let y = each("layer_norm", &inputs, x.dtype(), |xs| {
        let scaled = &xs[0] * &xs[1] * xs[2].cast(xs[0].dtype());
        xs.get(3).map_or(scaled.clone(), |bias| &scaled + bias.cast(scaled.dtype()))
    })?;
    Ok([y, mean, factor].map(Value::from).to_vec())
}

fn rms_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, scale) = (call.tensor(0)?, call.tensor(1)?);
    let (axes, epsilon) = (last_axes(call, &x)?, call.float("epsilon", 1e-5)?);
    if scale.shape() == &x.shape()[axes[0]..] && scale.dtype() == x.dtype() {
        return one(x.rms_norm(axes.len(), Some(&scale), epsilon)?);
    }
    let real = x.cast(stash(call, &x)?)?;
    let factor = real.square()?.mean(&axes, true)?.add(epsilon)?.rsqrt()?;
    one(each("rms_norm", &[&real, &factor, &scale], scale.dtype(), |xs| &xs[0] * &xs[1] * xs[2].cast(xs[0].dtype()))?)
}

/// Each element by the squares of the channels around it.
fn lrn(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let size = usize::try_from(call.int("size", 0)?).unwrap_or(0);
    let (alpha, beta) = (call.float("alpha", 1e-4)?, call.float("beta", 0.75)?);
    let bias = call.float("bias", 1.0)?;
    if !(1..=1 << 20).contains(&size) || x.ty().rank() < 3 {
        return Err(format!("`size` = {size} does not fit {}", x.ty()).into());
    }
    let mut ty = x.ty().clone();
    ty.dtype = wide(x.dtype());
    let (rank, before) = (ty.rank(), (size - 1) / 2);
    let sums = Tensor::define_reduction("lrn", &[&x], ty.clone(), (ReduceOp::Sum, &[size]), |inputs, at| {
        let mut index = at[..rank].to_vec();
        // A channel that is not there is read as 0.
        index[1] = &at[1] + &at[rank] - before;
        let element = inputs[0].at(index).cast(ty.dtype);
        &element * &element
    })?;
    one(each("lrn", &[&x, &sums], x.dtype(), |xs| {
        let base = &xs[1] * (alpha / size as f64) + bias;
        &xs[0] / base.binary(BinaryOp::Pow, &base.same(beta))
    })?)
}

fn lp_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axis = axis_of(call.int("axis", -1)?, x.ty().rank())?;
    let p = match call.int("p", 2)? {
        p @ (1 | 2) => p as f64,
        other => return unsupported("p", other),
    };
    let norm = x.cast(wide(x.dtype()))?.norm(p, &[axis], true)?;
    // Zeros stay zeros.
    one(each("lp_norm", &[&x, &norm], x.dtype(), |xs| xs[1].equals(0.0).select(&xs[0].same(0.0), &(&xs[0] / &xs[1])))?)
}

fn mean_variance_norm(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let axes = axes_of(&call.ints("axes")?.unwrap_or_else(|| vec![0, 2, 3]), x.ty().rank())?;
    let real = x.cast(wide(x.dtype()))?;
    let centred = real.sub(&real.mean(&axes, true)?)?;
    let deviation = centred.square()?.mean(&axes, true)?.sqrt()?.add(1e-9)?;
    one(centred.div(&deviation)?.cast(x.dtype())?)
}
