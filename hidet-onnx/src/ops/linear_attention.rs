//! Attention without softmax, a state that each element of a sequence updates; and rotary embeddings.

use super::Row;
use super::attention::{with_heads, without_heads};
use super::tools::{inside, one, unsupported, wide, zeros};
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::{Value, computed};
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Result, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row(
        "LinearAttention",
        27,
        &["chunk_size", "kv_num_heads", "q_num_heads", "scale", "update_rule"],
        linear_attention,
    ),
    Row("RotaryEmbedding", 23, &["interleaved", "num_heads", "rotary_embedding_dim"], rotary_embedding),
];

fn linear_attention(call: &Call) -> NodeResult<Vec<Value>> {
    let (gates, corrects) = match call.text("update_rule", "gated_delta")?.as_str() {
        "linear" => (false, false),
        "gated" => (true, false),
        "delta" => (false, true),
        "gated_delta" => (true, true),
        other => return unsupported("update_rule", other),
    };
    let (q_heads, heads) = (call.int("q_num_heads", 0)?, call.int("kv_num_heads", 0)?);
    let dtype = call.value(0)?.ty().dtype;
    let real = |input: usize, heads: i64| with_heads(&call.tensor(input)?.cast(Scalar::F32)?, heads);
    let (q, k, v) = (real(0, q_heads)?, real(1, heads)?, real(2, heads)?);
    let ([batch, own_q, length, width], [_, own, _, v_width]) = (q.shape(), v.shape()) else {
        return Err("queries and values must have heads".into());
    };
    let shared = own_q / own;
    if shared * own != *own_q || k.shape() != [*batch, *own, *length, *width] {
        return Err(format!("{} and {} do not fit", q.ty(), k.ty()).into());
    }
    // One decay for each head, or for each feature of keys; one beta for all heads, or each.
    let decay = if gates { Some(real(4, heads)?) } else { None };
    let betas = call.given(5).and_then(|beta| beta.ty().shape.last().copied()).unwrap_or(1) as i64;
    let beta = if corrects { Some(real(5, betas)?) } else { None };
    let scale = match call.float("scale", 0.0)? {
        0.0 => 1.0 / (*width as f64).sqrt(),
        scale => scale,
    };
    let past = call.optional(3)?;
    let kept = past.as_ref().map_or(dtype, Tensor::dtype);
    let mut state = match past {
        Some(past) if past.shape() != [*batch, *own, *width, *v_width] => {
            return Err(format!("the state {} does not fit", past.ty()).into());
        }
        Some(past) => past.cast(Scalar::F32)?,
        None => zeros(call.device, Scalar::F32, &[*batch, *own, *width, *v_width])?,
    };
    let mut results = Vec::new();
    for at in 0..*length as i64 {
        // Each is a row, [batch, heads, 1, features].
        let row = |x: &Tensor| x.slice(&[(2, at, at + 1, 1)]);
        let (key, mut value) = (row(&k)?, row(&v)?);
        if let Some(decay) = &decay {
            state = state.mul(&row(decay)?.exp()?.t()?)?;
        }
        if let Some(beta) = &beta {
            value = value.sub(&key.matmul(&state)?)?.mul(&row(beta)?)?;
        }
        state = state.add(&key.t()?.mul(&value)?)?;
        // The next step reads the state several times.
        computed(&state)?;
        let read = if shared == 1 { state.clone() } else { state.repeat_interleave(shared, 1)? };
        results.push(row(&q)?.matmul(&read)?.mul(scale)?);
    }
    if results.is_empty() {
        return Err("the sequence has no elements".into());
    }
    let y = Tensor::concat(&results.iter().collect::<Vec<&Tensor>>(), 2)?;
    Ok(vec![without_heads(&y)?.cast(dtype)?.into(), state.cast(kept)?.into()])
}

/// Pairs of features are turned by an angle that depends on the place in the sequence.
fn rotary_embedding(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let flat = x.ty().rank() == 3;
    let split = if flat { with_heads(&x, call.int("num_heads", 0)?)? } else { x.clone() };
    let [batch, _, length, width] = split.shape()[..] else {
        return Err(format!("{} must have three or four axes", x.ty()).into());
    };
    let turned = match usize::try_from(call.int("rotary_embedding_dim", 0)?).unwrap_or(0) {
        0 => width,
        turned => turned,
    };
    let half = turned / 2;
    if turned > width || turned % 2 != 0 {
        return unsupported("rotary_embedding_dim", turned);
    }
    let cache = |input: usize| -> NodeResult<Tensor> {
        let cache = call.tensor(input)?;
        let cache = match call.optional(3)? {
            Some(places) => cache.take(&places, 0)?,
            None => cache,
        };
        match cache.shape() == [batch, length, half] {
            true => Ok(cache),
            false => Err(format!("the cache {} must be [{batch}, {length}, {half}]", cache.ty()).into()),
        }
    };
    let (cos, sin) = (cache(1)?, cache(2)?);
    let interleaved = call.flag("interleaved", false)?;
    let dtype = x.dtype();
    let result: Result<Tensor> = Tensor::define("rotary", &[&split, &cos, &sin], split.ty().clone(), |inputs, at| {
        let feature = &at[3];
        let real = |x: ScalarExpr| x.cast(wide(dtype));
        let (pair, is_first, angle) = match interleaved {
            true => {
                let is_first = (feature % 2usize).equals(0usize);
                (is_first.select(&(feature + 1usize), &(feature - 1usize)), is_first, feature / 2usize)
            }
            false => {
                let is_first = feature.lt(half);
                let pair = is_first.select(&(feature + half), &(feature - half));
                let angle = is_first.select(&(feature + 0usize), &(feature - half));
                (pair, is_first, angle)
            }
        };
        let place = |cache: usize| real(inputs[cache].at([at[0].clone(), at[2].clone(), inside(&angle, half)]));
        let own = inputs[0].at(at.to_vec());
        let other = real(inputs[0].at([&at[..3], &[inside(&pair, width)]].concat())) * place(2);
        let kept = real(own.clone()) * place(1);
        let value = is_first.select(&(&kept - &other), &(&kept + &other)).cast(dtype);
        if turned == width { value } else { feature.lt(turned).select(&value, &own) }
    });
    let y = result?;
    one(if flat { without_heads(&y)? } else { y })
}
