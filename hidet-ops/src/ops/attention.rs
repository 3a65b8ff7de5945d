//! Attention.

use super::matmul::summed_in;
use super::{broadcast, broadcast_index, refused};
use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

/// What attention does besides its products and the softmax.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attention<'a> {
    /// What products of queries and keys are multiplied by: 1 / sqrt(d) if nothing is given.
    pub scale: Option<f64>,
    /// If true, a query sees only the keys up to its own place, where the queries are the last ones of as many as there are keys.
    pub causal: bool,
    /// A mask that is broadcast to `[.., heads, lq, lk]`: of `bool`, where true keeps a key, or of floats that are added.
    pub mask: Option<&'a Tensor>,
}

impl Tensor {
    /// Returns the attention of queries `[.., heads, lq, d]`, these, to keys `[.., kv_heads, lk, d]` and values
    /// `[.., kv_heads, lk, e]`: `softmax(q @ k.t() * scale + mask) @ v`, which is `[.., heads, lq, e]`. As many heads of
    /// queries as there are for each head of keys share it. The softmax is computed in `f32` if the elements are `f16`, `bf16`
    /// or `f32`; a query that sees no key has the result 0.
    ///
    /// # Errors
    ///
    /// If the shapes or the types do not fit, the heads of the queries are not a multiple of those of the keys, or
    /// the elements are not `f16`, `bf16`, `f32` or `f64`.
    pub fn attention(&self, keys: &Tensor, values: &Tensor, how: &Attention) -> Result<Tensor> {
        let types = [self.ty(), keys.ty(), values.ty()];
        let refused = |why: String| -> Error { refused("attention", &types, why) };
        let dtype = self.dtype();
        if let Some(other) = types.iter().find(|ty| ty.dtype != dtype) {
            let why = format!("one has elements of {}; convert it with `cast(Scalar::{dtype:?})`", other.dtype);
            return Err(refused(why));
        }
        if !dtype.is_float() || summed_in(dtype).is_none() {
            return Err(refused(
                "it is defined for f16, bf16, f32 and f64; convert the tensors with `cast` before".to_owned(),
            ));
        }
        let ([front @ .., heads, lq, d], [kf @ .., kv, lk, kd], [vf @ .., vv, vl, e]) =
            (self.shape(), keys.shape(), values.shape())
        else {
            return Err(refused("each needs three axes or more: heads, elements of a sequence, features".to_owned()));
        };
        if front != kf || front != vf {
            return Err(refused("the axes in front of the heads must be equal".to_owned()));
        }
        if (kv, lk) != (vv, vl) {
            return Err(refused(format!("there must be as many values as keys, {kv} heads of {lk}, not {vv} of {vl}")));
        }
        if d != kd {
            return Err(refused(format!("the keys must have as many features as the queries, {d}, but have {kd}")));
        }
        if *kv == 0 || !heads.is_multiple_of(*kv) {
            return Err(refused(format!(
                "the {heads} heads of the queries are not a multiple of the {kv} of the keys"
            )));
        }
        let scores = [front, &[*heads, *lq, *lk]].concat();
        let mask = how.mask.map(|mask| mask.as_mask(&scores).map_err(refused)).transpose()?;
        // Heads that share one of the keys are an axis of their own.
        let shared = heads / kv;
        let split = |x: &Tensor, heads: [usize; 2], last: [usize; 2]| match shared {
            1 => Ok(x.clone()),
            _ => x.in_memory_as(&[front, &heads, &last].concat()),
        };
        let q = split(self, [*kv, shared], [*lq, *d])?;
        let (k, v) = (split(keys, [*kv, 1], [*lk, *d])?, split(values, [*kv, 1], [*lk, *e])?);
        let mask = match (mask.as_ref().map(|mask| (mask, mask.shape())), shared) {
            (Some((mask, [own @ .., masks, rows, cols])), 2..) => {
                let heads = if *masks == 1 { [1, 1] } else { [*kv, shared] };
                Some(mask.in_memory_as(&[own, &heads, &[*rows, *cols]].concat())?)
            }
            _ => mask,
        };
        let scale = how.scale.unwrap_or(1.0 / (*d.max(&1) as f64).sqrt());
        let scores = q.matmul_rows(&k)?;
        let scores = scores.masked(scale, how.causal, mask.as_ref())?;
        let result = scores.shares(dtype)?.matmul(&v)?;
        if shared == 1 { Ok(result) } else { result.in_memory_as(&[front, &[*heads, *lq, *e]].concat()) }
    }

    /// Returns the mask with as many axes as the scores.
    fn as_mask(&self, scores: &[usize]) -> std::result::Result<Tensor, String> {
        if self.dtype() != Scalar::Bool && !self.dtype().is_float() {
            return Err(format!("the mask {} must have elements of bool or floats; convert it with `cast`", self.ty()));
        }
        if broadcast(self.shape(), scores).is_none_or(|shape| shape != scores) || self.ty().rank() > scores.len() {
            return Err(format!("the mask {} cannot be broadcast to the scores {scores:?}", self.ty()));
        }
        let missing = vec![1; scores.len() - self.ty().rank()];
        if missing.is_empty() {
            return Ok(self.clone());
        }
        self.reshape(&[&missing, self.shape()].concat()).map_err(|error| error.to_string())
    }

    /// Returns scores times a number, and minus infinity where a query does not see a key.
    fn masked(&self, scale: f64, causal: bool, mask: Option<&Tensor>) -> Result<Tensor> {
        let (ty, rank) = (self.ty(), self.ty().rank());
        let inputs: Vec<&Tensor> = [self].into_iter().chain(mask).collect();
        Tensor::define("mask", &inputs, ty.clone(), |inputs, at| {
            let mut score = inputs[0].at(at.to_vec()) * scale;
            let hidden = score.same(f64::NEG_INFINITY);
            if let [_, mask] = inputs {
                let mask = mask.at(broadcast_index(mask.shape(), &ty.shape));
                score = match mask.dtype() {
                    Scalar::Bool => mask.select(&score, &hidden),
                    _ => score + mask.cast(ty.dtype),
                };
            }
            if causal {
                let ahead = ty.shape[rank - 1] as i64 - ty.shape[rank - 2] as i64;
                score = at[rank - 1].le(&at[rank - 2] + ahead).select(&score, &hidden);
            }
            score
        })
    }

    /// Returns the softmax of the rows of scores, 0 where all are minus infinity.
    fn shares(&self, dtype: Scalar) -> Result<Tensor> {
        let (ty, last) = (self.ty(), self.ty().rank() - 1);
        let mut one = ty.clone();
        one.shape[last] = 1;
        let of_row = |at: &[ScalarExpr]| {
            let mut index = at.to_vec();
            index[last] = ScalarExpr::constant(Scalar::I32, 0.0);
            index
        };
        let largest = (ReduceOp::Max, &ty.shape[last..]);
        let largest = Tensor::define_reduction("max", &[self], one, largest, |inputs, at| {
            let mut index = at[..=last].to_vec();
            index[last] = at[last + 1].clone();
            inputs[0].at(index)
        })?;
        let powers = Tensor::define("exp", &[self, &largest], ty.clone(), |inputs, at| {
            let score = inputs[0].at(at.to_vec());
            let power = (&score - inputs[1].at(of_row(at))).unary(UnaryOp::Exp);
            score.equals(f64::NEG_INFINITY).select(&power.same(0.0), &power)
        })?;
        let sum = powers.sum(&[last], true)?;
        let output = TensorType::new(dtype, &ty.shape);
        Tensor::define("div", &[&powers, &sum], output, |inputs, at| {
            let (power, sum) = (inputs[0].at(at.to_vec()), inputs[1].at(of_row(at)));
            let share = &power / &sum;
            sum.equals(0.0).select(&share.same(0.0), &share).cast(dtype)
        })
    }
}
