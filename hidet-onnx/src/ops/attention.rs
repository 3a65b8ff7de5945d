//! Attention of queries to keys and values.
//!
//! What `Tensor::attention` computes is left to it, as it is one kernel where the device has one. The rest is a composition.

use super::Row;
use super::matmul::matmul;
use super::tools::{broadcast, each, element, number, one, padded, unsupported, wide};
use crate::call::{Call, axis_of};
use crate::element as elements;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Attention, PadMode, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[Row(
    "Attention",
    23,
    &[
        "is_causal",
        "kv_num_heads",
        "left_window_size",
        "q_num_heads",
        "qk_matmul_output_mode",
        "right_window_size",
        "scale",
        "softcap",
        "softmax_precision",
    ],
    attention,
)];

/// Attention as formulas have it, which a pass finds: `softmax(q @ k * scale + mask) @ v` with keys `[.., features, keys]`, where the
/// softmax may be along another axis than that of the keys.
pub(super) const OWN_ROWS: &[Row] = &[Row("Attention", 1, &["axis", "scale"], |call| {
    let ([q, k, v], mask) = ([call.tensor(0)?, call.tensor(1)?, call.tensor(2)?], call.optional(3)?);
    let (scale, axis) = (call.float("scale", 1.0)?, call.int("axis", -1)?);
    if matches!(axis, -1 | 3) && is_plain([&q, &k, &v], mask.as_ref()) {
        let how = Attention { scale: Some(scale), causal: false, mask: mask.as_ref() };
        return one(q.attention(&k.t()?, &v, &how)?);
    }
    let scores = matmul(&q, &k, call.products)?.mul(scale)?;
    let scores = if let Some(mask) = &mask { scores.add(mask)? } else { scores };
    // The cast of integers is part of the formula.
    let scores = if scores.dtype().is_float() { scores } else { scores.cast(Scalar::F32)? };
    let axis = axis_of(axis, scores.ty().rank())?;
    one(matmul(&scores.softmax(axis)?, &v, call.products)?)
})];

/// Returns true if operands are those of [`Tensor::attention`], where nothing but the mask is broadcast.
fn is_plain([q, k, v]: [&Tensor; 3], mask: Option<&Tensor>) -> bool {
    let ([b, h, queries, d], [kb, kh, kd, keys], [vb, vh, length, _]) = (q.shape(), k.shape(), v.shape()) else {
        return false;
    };
    let shape = [*b, *h, *queries, *keys];
    let fits = |mask: &Tensor| {
        let (own, rank) = (mask.shape(), mask.ty().rank());
        rank <= 4 && own.iter().zip(&shape[4 - rank..]).all(|(own, extent)| *own == 1 || own == extent)
    };
    let same_type = |other: &Tensor| other.dtype() == q.dtype() && q.dtype().is_float();
    [(b, h, d), (b, h, keys)] == [(kb, kh, kd), (vb, vh, length)]
        && [k, v].into_iter().chain(mask).all(same_type)
        && mask.is_none_or(fits)
}

/// Returns `[batch, length, heads * width]` as `[batch, heads, length, width]`.
pub(super) fn with_heads(x: &Tensor, heads: i64) -> NodeResult<Tensor> {
    let heads = usize::try_from(heads).unwrap_or(0);
    match x.shape() {
        [batch, length, all] if heads > 0 && all.is_multiple_of(heads) => {
            Ok(x.reshape(&[*batch, *length, heads, all / heads])?.permute(&[0, 2, 1, 3])?)
        }
        _ => Err(format!("{} cannot be divided into {heads} heads", x.ty()).into()),
    }
}

/// Returns `[batch, heads, length, width]` as `[batch, length, heads * width]`.
pub(super) fn without_heads(x: &Tensor) -> NodeResult<Tensor> {
    let turned = x.permute(&[0, 2, 1, 3])?;
    let [batch, length, heads, width] = turned.shape()[..] else { return Err("there must be four axes".into()) };
    Ok(turned.reshape(&[batch, length, heads * width])?)
}

/// Which keys a query sees, by their places.
struct Sight {
    causal: bool,
    /// How many keys before and behind its place, if that is bounded.
    window: [Option<i64>; 2],
    /// How many keys precede the queries: for each element of the batch `lengths` less the queries if these are given.
    offset: i64,
    lengths: Option<Tensor>,
    mask: Option<Tensor>,
}

fn attention(call: &Call) -> NodeResult<Vec<Value>> {
    let [q, k, v] = [call.tensor(0)?, call.tensor(1)?, call.tensor(2)?];
    let flat = q.ty().rank() == 3;
    let heads = |x: Tensor, name: &str| if flat { with_heads(&x, call.int(name, 0)?) } else { Ok(x) };
    let q = heads(q, "q_num_heads")?;
    let (mut k, mut v) = (heads(k, "kv_num_heads")?, heads(v, "kv_num_heads")?);
    let (past_k, past_v) = (call.optional(4)?, call.optional(5)?);
    let mut offset = 0;
    if let (Some(past_k), Some(past_v)) = (&past_k, &past_v) {
        offset = past_k.shape().get(2).copied().unwrap_or(0) as i64;
        (k, v) = (Tensor::concat(&[past_k, &k], 2)?, Tensor::concat(&[past_v, &v], 2)?);
    }
    let ([batch, _, queries, width], [_, _, keys, _]) = (q.shape(), k.shape()) else {
        return Err(format!("{} and {} must have four axes", q.ty(), k.ty()).into());
    };
    let (batch, queries, keys, width) = (*batch, *queries, *keys, *width);
    let bound = |name: &str| -> NodeResult<Option<i64>> { Ok(Some(call.int(name, -1)?).filter(|size| *size >= 0)) };
    let sight = Sight {
        causal: call.flag("is_causal", false)?,
        window: [bound("left_window_size")?, bound("right_window_size")?],
        offset,
        lengths: call.optional(6)?,
        mask: call.optional(3)?.map(|mask| widened(&mask, keys)).transpose()?,
    };
    if sight.lengths.as_ref().is_some_and(|lengths| lengths.shape() != [batch]) {
        return Err(format!("the lengths must be one for each of {batch} elements of the batch").into());
    }
    let scale = match call.node.attributes.float("scale")? {
        Some(scale) => f64::from(scale),
        None => 1.0 / (width.max(1) as f64).sqrt(),
    };
    let cap = call.float("softcap", 0.0)?;
    let fits = !sight.causal || offset == keys as i64 - queries as i64;
    let plain = sight.window == [None; 2] && sight.lengths.is_none() && cap == 0.0 && fits && !call.wants(3);
    let precision = match call.node.attributes.int("softmax_precision")? {
        Some(number) => Some(elements::scalar(number)?),
        None => None,
    };
    let (y, scores) = if plain && precision != Some(Scalar::F64) {
        let how = Attention { scale: Some(scale), causal: sight.causal, mask: sight.mask.as_ref() };
        (q.attention(&k, &v, &how)?, None)
    } else {
        let shared = q.shape()[1] / k.shape()[1].max(1);
        if shared * k.shape()[1] != q.shape()[1] {
            return Err(format!("the heads of {} are not a multiple of those of {}", q.ty(), k.ty()).into());
        }
        let shares = |x: &Tensor| if shared == 1 { Ok(x.clone()) } else { x.repeat_interleave(shared, 1) };
        let parts = [q.clone(), shares(&k)?, shares(&v)?];
        let (y, scores) = composed(call, &parts, &sight, [scale, cap], precision)?;
        (y, Some(scores))
    };
    let y = if flat { without_heads(&y)? } else { y };
    Ok([Some(y), Some(k), Some(v), scores].into_iter().flatten().map(Value::from).collect())
}

/// Returns a mask with a column for each key; keys that it lacks are not seen.
fn widened(mask: &Tensor, keys: usize) -> NodeResult<Tensor> {
    let rank = mask.ty().rank();
    let own = mask.shape().last().copied().filter(|_| rank <= 4);
    let own = own.ok_or_else(|| format!("the mask {} must have one to four axes", mask.ty()))?;
    if own >= keys || own == 1 && keys == 1 {
        return Ok(mask.clone());
    }
    let mut after = vec![0; rank];
    after[rank - 1] = keys - own;
    let hidden = if mask.dtype() == Scalar::Bool { 0.0 } else { f64::NEG_INFINITY };
    Ok(mask.pad(&vec![0; rank], &after, PadMode::Constant(hidden))?)
}

/// Returns what is added to the scores, `[batch or 1, heads or 1, queries, keys]`: minus infinity where a key is not seen. Nothing
/// if all are seen.
fn bias(call: &Call, sight: &Sight, [queries, keys]: [usize; 2], dtype: Scalar) -> NodeResult<Option<Tensor>> {
    let mask = match &sight.mask {
        Some(mask) => padded(mask, 4, true)?,
        None if sight.lengths.is_none() && !sight.causal && sight.window == [None; 2] => return Ok(None),
        // Places are read of nothing, but an operator needs an input: a mask that hides no key.
        None => Tensor::full(call.device, Scalar::Bool, &[1, 1, 1, keys], 1.0)?,
    };
    let lengths = sight.lengths.as_ref().map(|lengths| lengths.reshape(&[lengths.ty().len(), 1, 1, 1])).transpose()?;
    let inputs: Vec<&Tensor> = [&mask].into_iter().chain(&lengths).collect();
    let shape = broadcast(inputs.iter().map(|input| input.shape()).chain([&[1, 1, queries, keys][..]]))?;
    let output = TensorType::new(dtype, &shape);
    Ok(Some(Tensor::define("bias", &inputs, output, |inputs, at| {
        let zero = ScalarExpr::constant(dtype, 0.0);
        let hidden = zero.same(f64::NEG_INFINITY);
        let own = element(&inputs[0], at, &shape);
        let value = if own.dtype() == Scalar::Bool { own.select(&zero, &hidden) } else { own.cast(dtype) };
        let length = inputs.get(1).map(|lengths| element(lengths, at, &shape).cast(Scalar::I32));
        let offset = match &length {
            Some(length) => length - queries,
            None => number(sight.offset),
        };
        let (place, key) = (&at[2] + offset, &at[3]);
        let unseen = [
            sight.causal.then(|| key.gt(&place)),
            sight.window[0].map(|before| (&place - before).gt(key)),
            sight.window[1].map(|after| key.gt(&place + after)),
            length.map(|length| key.ge(length)),
        ];
        unseen.into_iter().flatten().fold(value, |value, unseen| unseen.select(&hidden, &value))
    })?))
}

/// Returns the result and the scores that the node asks for.
fn composed(
    call: &Call,
    [q, k, v]: &[Tensor; 3],
    sight: &Sight,
    [scale, cap]: [f64; 2],
    precision: Option<Scalar>,
) -> NodeResult<(Tensor, Tensor)> {
    let (dtype, real) = (q.dtype(), wide(q.dtype()));
    let root = scale.sqrt();
    let [left, right] = [q, k].map(|x| x.cast(real)?.mul(root));
    let scores = left?.matmul(&right?.t()?)?;
    let capped = match cap > 0.0 {
        true => each("cap", &[&scores], real, |xs| (&xs[0] / cap).unary(UnaryOp::Tanh) * cap)?,
        false => scores.clone(),
    };
    let bias = bias(call, sight, [q.shape()[2], k.shape()[2]], real)?;
    let biased = match &bias {
        Some(bias) => capped.add(bias)?,
        None => capped.clone(),
    };
    let exact = precision.filter(|precision| precision.bytes() > real.bytes()).unwrap_or(real);
    let shares = biased.cast(exact)?.softmax(3)?;
    // A query that sees no key gets nothing, whatever its scores are.
    let shares = match &bias {
        Some(bias) => {
            let best = bias.max(&[3], true)?;
            each("seen", &[&shares, &best], exact, |xs| {
                xs[1].equals(f64::NEG_INFINITY).select(&xs[0].same(0.0), &xs[0])
            })?
        }
        None => shares,
    };
    let y = shares.cast(dtype)?.matmul(v)?;
    let asked = match call.int("qk_matmul_output_mode", 0)? {
        0 => scores,
        1 => capped,
        2 => biased,
        3 => shares,
        other => return unsupported("qk_matmul_output_mode", other),
    };
    Ok((y, asked.cast(dtype)?))
}
