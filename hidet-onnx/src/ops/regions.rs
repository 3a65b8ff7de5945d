//! Operators that read the input at places that are data: parts of images, and convolutions with offsets.

use super::Row;
use super::sample::bilinear;
use super::tools::{floored, number, of_channels, one, part, product, unsupported, wide};
use super::windows::{Windows, spatial};
use crate::array::Array;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Input, ReduceOp, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[
    Row("DeformConv", 19, &["dilations", "group", "kernel_shape", "offset_group", "pads", "strides"], deform_conv),
    Row(
        "RoiAlign",
        10,
        &["coordinate_transformation_mode", "mode", "output_height", "output_width", "sampling_ratio", "spatial_scale"],
        roi_align,
    ),
];

/// A convolution whose kernel reads at places that are moved by offsets.
fn deform_conv(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, weight, offsets) = (call.tensor(0)?, call.tensor(1)?, call.tensor(2)?);
    let extents = spatial(x.shape())?;
    let windows = Windows::of(call, extents, Some(spatial(weight.shape())?))?;
    if extents.len() != 2 {
        return Err(format!("{} spatial axes are not supported: only two are", extents.len()).into());
    }
    let counts = windows.window().extents(extents, &windows.kernel, false)?;
    let groups = usize::try_from(call.int("group", 1)?).unwrap_or(0);
    let moved = usize::try_from(call.int("offset_group", 1)?).unwrap_or(0);
    let (batch, channels, results) = (x.shape()[0], x.shape()[1], weight.shape()[0]);
    let (own, kernel) = (weight.shape()[1], &windows.kernel);
    let fits = groups > 0 && moved > 0 && own * groups == channels && results % groups == 0 && channels % moved == 0;
    let taps = product(kernel);
    let mask = call.optional(4)?;
    let places = [counts[0], counts[1]];
    let split = |tensor: &Tensor, parts: usize| match fits
        && tensor.ty().len() == batch * moved * taps * parts * product(&places)
    {
        true => Ok(tensor.reshape(&[batch, moved * taps * parts, places[0], places[1]])?),
        false => Err(format!("{} does not fit {}", tensor.ty(), x.ty()).into()) as NodeResult<Tensor>,
    };
    let offsets = split(&offsets, 2)?;
    let mask = mask.map(|mask| split(&mask, 1)).transpose()?;
    let dtype = wide(x.dtype());
    let output = TensorType::new(x.dtype(), &[batch, results, places[0], places[1]]);
    let inputs: Vec<&Tensor> = [&x, &weight, &offsets].into_iter().chain(&mask).collect();
    let over = [own, kernel[0], kernel[1]];
    let y = Tensor::define_reduction("deform_conv", &inputs, output, (ReduceOp::Sum, &over), |inputs, at| {
        let inside = &at[4..7];
        let channel = &at[1] / (results / groups).max(1) * own + &inside[0];
        let tap = &channel / (channels / moved).max(1) * taps + &inside[1] * kernel[1] + &inside[2];
        let of_tap = |input: &Input, number: ScalarExpr| {
            input.at([at[0].clone(), part(&number), at[2].clone(), at[3].clone()]).cast(dtype)
        };
        let place = |axis: usize| {
            let [stride, dilation, before] =
                [&windows.strides, &windows.dilations, &windows.before].map(|list| list[axis]);
            let whole = &at[2 + axis] * stride + &inside[1 + axis] * dilation - before;
            whole.cast(dtype) + of_tap(&inputs[2], &tap * 2usize + axis)
        };
        let element = bilinear(&inputs[0], &[at[0].clone(), part(&channel)], &[place(0), place(1)], dtype);
        let weight = inputs[1].at([at[1].clone(), inside[0].clone(), inside[1].clone(), inside[2].clone()]);
        let value = element * weight.cast(dtype);
        inputs.get(3).map_or(value.clone(), |mask| &value * of_tap(mask, tap))
    })?;
    match call.optional(3)? {
        Some(bias) => one(y.add(&of_channels(&bias, 4)?)?),
        None => one(y),
    }
}

/// The numbers that the host finds out of a region: where it begins, how large its bins are, and how many samples they have.
const NUMBERS: usize = 7;

/// The most samples of a bin along an axis.
const MOST_SAMPLES: f64 = 1e4;

fn roi_align(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let [images, channels, height, width] = x.shape()[..] else {
        return Err(format!("{} must have the axes n, c, h, w", x.ty()).into());
    };
    let (regions, batches) = (call.value(1)?.array()?, call.integers(2)?);
    if regions.shape() != [batches.len(), 4] {
        return Err(format!("{} must be four numbers for each of {} regions", regions.ty(), batches.len()).into());
    }
    let usual = if call.version() < 16 { "output_half_pixel" } else { "half_pixel" };
    let half = match call.text("coordinate_transformation_mode", usual)?.as_str() {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => return unsupported("coordinate_transformation_mode", other),
    };
    let largest = match call.text("mode", "avg")?.as_str() {
        "avg" => false,
        "max" => true,
        other => return unsupported("mode", other),
    };
    let size = |name: &str| -> NodeResult<usize> { Ok(usize::try_from(call.int(name, 1)?).unwrap_or(0).max(1)) };
    let (rows, columns) = (size("output_height")?, size("output_width")?);
    let (ratio, scale) = (call.int("sampling_ratio", 0)?, call.float("spatial_scale", 1.0)?);
    let x_type = x.dtype();
    let (mut numbers, mut most) = (Vec::new(), [1usize, 1]);
    for (region, batch) in regions.floats().chunks(4).zip(&batches) {
        // Rounded as on the device: whether a bin has one sample more must not depend on it.
        let real = |x: f64| if x_type == Scalar::F64 { x } else { f64::from(x as f32) };
        let shift = if half { 0.5 } else { 0.0 };
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|at| real(real(region[at] * scale) - shift));
        let extent = |from: f64, to: f64| if half { real(to - from) } else { real(to - from).max(1.0) };
        let bins = [extent(top, bottom) / rows as f64, extent(left, right) / columns as f64].map(real);
        let samples = bins.map(|bin| if ratio > 0 { ratio as f64 } else { bin.ceil().max(0.0) });
        if !samples.iter().all(|count| *count <= MOST_SAMPLES) || !(0..images as i64).contains(batch) {
            return Err(format!("a region of image {batch} with {samples:?} samples per bin is not supported").into());
        }
        for axis in 0..2 {
            most[axis] = most[axis].max(samples[axis] as usize);
        }
        numbers.extend([top, left, bins[0], bins[1], samples[0], samples[1], *batch as f64]);
    }
    let dtype = wide(x.dtype());
    let numbers = call.upload(&Array::of_floats(dtype, &[batches.len(), NUMBERS], &numbers))?;
    let output = TensorType::new(dtype, &[batches.len(), channels, rows, columns]);
    let op = if largest { ReduceOp::Max } else { ReduceOp::Sum };
    let of_region =
        |input: &Input, at: &[ScalarExpr], place: usize| input.at([at[0].clone(), part(&number(place as i64))]);
    let sums = Tensor::define_reduction("roi_align", &[&x, &numbers], output.clone(), (op, &most), |inputs, at| {
        let own = |place: usize| of_region(&inputs[1], at, place);
        let place = |axis: usize, extent: usize| {
            let (bin, samples) = (own(2 + axis), own(4 + axis));
            let inside = (at[4 + axis].cast(dtype) + 0.5) * &bin / samples;
            let place = own(axis) + at[2 + axis].cast(dtype) * &bin + inside;
            let is_outside = place.lt(-1.0) | place.gt(extent);
            (place.max(0.0).min(extent as f64 - 1.0), is_outside)
        };
        let ((y, y_outside), (x_place, x_outside)) = (place(0, height), place(1, width));
        let is_sample = at[4].cast(dtype).lt(own(4)) & at[5].cast(dtype).lt(own(5));
        let front = [own(6).cast(Scalar::I32), at[1].clone()];
        let corner = |down: i64, right: i64| {
            let (top, left) = (floored(&y), floored(&x_place));
            let weight = |place: &ScalarExpr, first: &ScalarExpr, step: i64| {
                let behind = place - first.cast(dtype);
                if step == 1 { behind } else { behind.same(1.0) - behind }
            };
            let weight = weight(&y, &top, down) * weight(&x_place, &left, right);
            let index = [&front[..], &[top + down, left + right]].concat();
            inputs[0]
                .at(index.iter().enumerate().map(|(axis, at)| if axis == 1 { at.clone() } else { part(at) }))
                .cast(dtype)
                * weight
        };
        let corners = [corner(0, 0), corner(0, 1), corner(1, 0), corner(1, 1)];
        let value = corners.into_iter().reduce(|all, own| if largest { all.max(own) } else { all + own });
        let value = value.unwrap_or_else(|| ScalarExpr::constant(dtype, 0.0));
        let value = (y_outside | x_outside).select(&value.same(0.0), &value);
        let nothing = if largest { f64::NEG_INFINITY } else { 0.0 };
        is_sample.select(&value, &value.same(nothing))
    })?;
    let mut output = output;
    output.dtype = x.dtype();
    one(Tensor::define("roi_align", &[&sums, &numbers], output, |inputs, at| {
        let own = |place: usize| of_region(&inputs[1], at, place);
        let (value, count) = (inputs[0].at(at.to_vec()), own(4) * own(5));
        let value = if largest { count.equals(0.0).select(&value.same(0.0), &value) } else { value / count.max(1.0) };
        value.cast(x.dtype())
    })?)
}
