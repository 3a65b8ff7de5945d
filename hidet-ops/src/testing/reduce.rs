//! Cases of reductions, and of what is composed of them.

use super::{ALL, Case, FLOATS, Inputs, NUMBERS};
use crate::error::Result;
use crate::tensor::Tensor;

/// A tensor with an axis at least, and some of its axes.
fn some(inputs: &mut Inputs) -> Result<(Tensor, Vec<usize>, bool)> {
    let x = inputs.any()?;
    let axes = (0..x.ty().rank()).filter(|_| inputs.below(2) == 0).collect();
    Ok((x, axes, inputs.below(2) == 0))
}

/// A tensor and one of its axes.
fn one(inputs: &mut Inputs) -> Result<(Tensor, usize)> {
    let rank = 1 + inputs.below(4);
    let shape = inputs.shape_of(rank);
    Ok((inputs.tensor(&shape)?, inputs.below(rank)))
}

/// Channels of images: the input, and two vectors of channels.
fn channels(inputs: &mut Inputs) -> Result<[Tensor; 3]> {
    let rank = 2 + inputs.below(3);
    let shape = inputs.shape_of(rank);
    Ok([inputs.tensor(&shape)?, inputs.tensor(&shape[1..2])?, inputs.positive(&shape[1..2])?])
}

macro_rules! cases {
    ($($name:ident $dtypes:ident |$inputs:ident| $value:expr;)*) => {
        vec![$(Case { operator: stringify!($name), dtypes: $dtypes, apply: |$inputs| $value },)*]
    };
}

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    cases! {
        sum NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.sum(&axes, keep));
        prod NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.clamp(0.0, 1.0)?.prod(&axes, keep));
        max NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.max(&axes, keep));
        min NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.min(&axes, keep));
        argmax NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.argmax(&axes, keep));
        argmin NUMBERS |i| some(i).and_then(|(x, axes, keep)| x.argmin(&axes, keep));
        all ALL |i| some(i).and_then(|(x, axes, keep)| x.all(&axes, keep));
        any ALL |i| some(i).and_then(|(x, axes, keep)| x.any(&axes, keep));
        mean FLOATS |i| some(i).and_then(|(x, axes, keep)| x.mean(&axes, keep));
        var FLOATS |i| some(i).and_then(|(x, axes, keep)| x.var(&axes, keep, 0));
        std FLOATS |i| some(i).and_then(|(x, axes, keep)| x.std(&axes, keep, 0));
        log_sum_exp FLOATS |i| some(i).and_then(|(x, axes, keep)| x.log_sum_exp(&axes, keep));
        norm FLOATS |i| { let p = 1.0 + i.below(3) as f64; some(i).and_then(|(x, axes, keep)| x.norm(p, &axes, keep)) };
        softmax FLOATS |i| one(i).and_then(|(x, axis)| x.softmax(axis));
        log_softmax FLOATS |i| one(i).and_then(|(x, axis)| x.log_softmax(axis));
        layer_norm FLOATS |i| {
            let (x, axis) = one(i)?;
            let [scale, bias] = [i.tensor(&x.shape()[axis..])?, i.tensor(&x.shape()[axis..])?];
            x.layer_norm(x.ty().rank() - axis, Some(&scale), Some(&bias), 1e-3)
        };
        rms_norm FLOATS |i| {
            let (x, axis) = one(i)?;
            let scale = i.tensor(&x.shape()[axis..])?;
            x.rms_norm(x.ty().rank() - axis, Some(&scale), 1e-3)
        };
        batch_norm FLOATS |i| channels(i).and_then(|[x, a, b]| x.batch_norm([&a, &b], Some(&b), Some(&a), 1e-3));
        instance_norm FLOATS |i| channels(i).and_then(|[x, a, b]| x.instance_norm(Some(&b), Some(&a), 1e-1));
        group_norm FLOATS |i| {
            let [x, a, b] = channels(i)?;
            let groups = if x.shape()[1].is_multiple_of(2) && x.shape()[1] > 0 { 2 } else { 1 };
            x.group_norm(groups, Some(&b), Some(&a), 1e-1)
        };
    }
}
