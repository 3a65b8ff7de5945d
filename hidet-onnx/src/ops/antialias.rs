//! Resizing with a filter as wide as what an element of the result covers: a product with a matrix of weights along each axis.

use super::resize::To;
use super::tools::{one, unsupported};
use crate::array::Array;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::Tensor;

/// The most weights of a matrix.
const MOST_WEIGHTS: usize = 1 << 26;

/// Returns the tensor resized along axes.
pub(super) fn resize(call: &Call, x: &Tensor, axes: &[usize], to: &To) -> NodeResult<Vec<Value>> {
    let cubic = match call.text("mode", "nearest")?.as_str() {
        "linear" => None,
        "cubic" => Some(call.float("cubic_coeff_a", -0.75)?),
        other => return unsupported("mode", format!("{other} with `antialias`")),
    };
    let half_pixel = call.text("coordinate_transformation_mode", "half_pixel")?;
    if half_pixel != "half_pixel" {
        return unsupported("coordinate_transformation_mode", format!("{half_pixel} with `antialias`"));
    }
    if !matches!(x.dtype(), Scalar::F32 | Scalar::F64 | Scalar::F16 | Scalar::BF16) {
        return Err(format!("`antialias` is not supported for {}", x.ty()).into());
    }
    let exclude = call.flag("exclude_outside", false)?;
    let mut y = x.clone();
    for (at, axis) in axes.iter().enumerate() {
        let input = x.shape()[*axis];
        let (output, scale) = match to {
            To::Scales(scales) => ((input as f64 * scales[at]).floor() as usize, scales[at]),
            To::Sizes(sizes) => (sizes[at], sizes[at] as f64 / input.max(1) as f64),
        };
        if output == input && scale == 1.0 {
            continue;
        }
        if output.checked_mul(input).is_none_or(|weights| weights > MOST_WEIGHTS) {
            return Err(format!("`antialias` of {input} to {output} elements is not supported").into());
        }
        let weights = weights([input, output], scale, cubic, exclude);
        let weights = call.upload(&Array::of_floats(x.dtype(), &[output, input], &weights))?;
        // The axis comes last for the product.
        let last = y.ty().rank() - 1;
        let mut order: Vec<usize> = (0..=last).collect();
        order.swap(*axis, last);
        y = y.permute(&order)?.matmul(&weights.t()?)?.permute(&order)?;
    }
    one(y)
}

/// Returns the weights of the elements of the input for each of the result.
fn weights([input, output]: [usize; 2], scale: f64, cubic: Option<f64>, exclude: bool) -> Vec<f64> {
    let shrink = scale.min(1.0);
    let reach = if cubic.is_some() { 2.0 } else { 1.0 } / shrink;
    let mut weights = vec![0.0; input * output];
    for (at, row) in weights.chunks_mut(input.max(1)).enumerate() {
        let place = (at as f64 + 0.5) / scale - 0.5;
        let (first, last) = ((place - reach).floor() as i64, (place + reach).ceil() as i64);
        let taps: Vec<(i64, f64)> =
            (first..=last).map(|tap| (tap, weight((tap as f64 - place) * shrink, cubic))).collect();
        let is_inside = |tap: i64| (0..input as i64).contains(&tap);
        let sum: f64 = taps.iter().filter(|(tap, _)| !exclude || is_inside(*tap)).map(|(_, weight)| weight).sum();
        for (tap, weight) in taps.into_iter().filter(|(tap, _)| !exclude || is_inside(*tap)) {
            row[tap.clamp(0, input as i64 - 1) as usize] += weight / sum;
        }
    }
    weights
}

/// Returns the weight of an element at a distance.
fn weight(distance: f64, cubic: Option<f64>) -> f64 {
    let way = distance.abs();
    match cubic {
        None => (1.0 - way).max(0.0),
        Some(a) if way < 1.0 => ((a + 2.0) * way - (a + 3.0)) * way * way + 1.0,
        Some(a) if way < 2.0 => ((a * way - 5.0 * a) * way + 8.0 * a) * way - 4.0 * a,
        Some(_) => 0.0,
    }
}
