//! Resizing of images and other grids.

use super::Row;
use super::tools::{one, unsupported};
use crate::array::Array;
use crate::call::{Call, axes_of, sizes};
use crate::error::NodeResult;
use crate::value::Value;
use hidet_ops::{Coordinates, Resize, ResizeMode, ResizeTo, Rounding, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row(
        "Resize",
        10,
        &[
            "antialias",
            "axes",
            "coordinate_transformation_mode",
            "cubic_coeff_a",
            "exclude_outside",
            "extrapolation_value",
            "keep_aspect_ratio_policy",
            "mode",
            "nearest_mode",
        ],
        resize,
    ),
    Row("Upsample", 7, &["mode", "scales"], upsample),
];

/// Returns the mode of operators that have no other attributes: places are `i / scale`, rounded down, or up where the axis becomes
/// shorter.
fn simple(mode: &str) -> NodeResult<Resize> {
    let mode = match mode {
        "nearest" => ResizeMode::Nearest(Rounding::Simple),
        "linear" | "bilinear" => ResizeMode::Linear,
        other => return unsupported("mode", other),
    };
    Ok(Resize::new(mode).coordinates(Coordinates::Asymmetric))
}

fn scaled(x: &Tensor, scales: &[f64], how: &Resize) -> NodeResult<Tensor> {
    let axes: Vec<usize> = (0..x.ty().rank()).collect();
    if scales.len() != axes.len() {
        return Err(format!("{} scales are given for {} axes", scales.len(), axes.len()).into());
    }
    // Axes that stay are not resized, so that elements need not be floats for them.
    let (axes, scales): (Vec<usize>, Vec<f64>) =
        axes.into_iter().zip(scales).filter(|(_, scale)| **scale != 1.0).unzip();
    Ok(x.resize(&axes, ResizeTo::Scales(&scales), how)?)
}

fn upsample(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    let scales = match call.array(1)? {
        Some(scales) => scales.floats(),
        None => {
            let scales = call.node.attributes.floats("scales")?.ok_or("the scales are missing")?;
            scales.into_iter().map(f64::from).collect()
        }
    };
    one(scaled(&x, &scales, &simple(&call.text("mode", "nearest")?)?)?)
}

fn resize(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.tensor(0)?;
    if call.version() < 11 {
        let scales = call.array(1)?.ok_or("the scales are missing")?.floats();
        return one(scaled(&x, &scales, &simple(&call.text("mode", "nearest")?)?)?);
    }
    let rank = x.ty().rank();
    let axes = match call.ints("axes")? {
        Some(axes) => axes_of(&axes, rank)?,
        None => (0..rank).collect(),
    };
    let given =
        |input: usize| -> NodeResult<Option<Array>> { Ok(call.array(input)?.filter(|array| !array.ty().is_empty())) };
    let (scales, wanted) = (given(2)?, given(3)?);
    let mut coordinates = coordinates(call, &axes, rank)?;
    if let (Coordinates::AlignCorners, Some(scales)) = (&coordinates, &scales) {
        coordinates = aligned(&x, &axes, &scales.floats());
    }
    let crops = matches!(coordinates, Coordinates::TfCropAndResize { .. });
    let mode = mode(call)?;
    let how = Resize::new(mode).coordinates(coordinates).exclude_outside(call.flag("exclude_outside", false)?);
    let to = match (&scales, &wanted) {
        (Some(scales), None) => To::Scales(scales.floats()),
        (None, Some(wanted)) => sized(call, &x, &axes, sizes(&wanted.integers()?)?)?,
        _ => return Err("either scales or sizes must be given".into()),
    };
    let count = match &to {
        To::Scales(scales) => scales.len(),
        To::Sizes(sizes) => sizes.len(),
    };
    if count != axes.len() {
        return Err(format!("{count} scales or sizes are given for {} axes", axes.len()).into());
    }
    if call.flag("antialias", false)? {
        return super::antialias::resize(call, &x, &axes, &to);
    }
    // Axes that stay are not resized; a part of the input may be cut out of them.
    let stays = |at: usize| match &to {
        _ if crops => false,
        To::Scales(scales) => scales[at] == 1.0,
        To::Sizes(sizes) => sizes[at] == x.shape()[axes[at]],
    };
    let kept: Vec<usize> = (0..axes.len()).filter(|at| !stays(*at)).collect();
    let axes: Vec<usize> = kept.iter().map(|at| axes[*at]).collect();
    one(match &to {
        To::Scales(scales) => {
            let scales: Vec<f64> = kept.iter().map(|at| scales[*at]).collect();
            x.resize(&axes, ResizeTo::Scales(&scales), &how)?
        }
        To::Sizes(sizes) => {
            let sizes: Vec<usize> = kept.iter().map(|at| sizes[*at]).collect();
            x.resize(&axes, ResizeTo::Sizes(&sizes), &how)?
        }
    })
}

/// What axes are resized to.
pub(super) enum To {
    Scales(Vec<f64>),
    Sizes(Vec<usize>),
}

fn coordinates(call: &Call, axes: &[usize], rank: usize) -> NodeResult<Coordinates> {
    Ok(match call.text("coordinate_transformation_mode", "half_pixel")?.as_str() {
        "half_pixel" => Coordinates::HalfPixel,
        "half_pixel_symmetric" => Coordinates::HalfPixelSymmetric,
        "pytorch_half_pixel" => Coordinates::PytorchHalfPixel,
        "align_corners" => Coordinates::AlignCorners,
        "asymmetric" => Coordinates::Asymmetric,
        "tf_crop_and_resize" => {
            let roi = call.array(1)?.ok_or("the region is missing")?.floats();
            if roi.len() != 2 * axes.len() {
                return Err(format!("the region has {} numbers, but {rank} axes need two each", roi.len()).into());
            }
            let roi = (0..axes.len()).map(|at| [roi[at], roi[axes.len() + at]]).collect();
            Coordinates::TfCropAndResize { roi, extrapolation: call.float("extrapolation_value", 0.0)? }
        }
        other => return unsupported("coordinate_transformation_mode", other),
    })
}

/// Returns the coordinates that align the corners of an axis with those of one that has `scale * extent` elements, which need not
/// be whole: the standard's definition. The result has as many as are whole, so it is a part of the input.
fn aligned(x: &Tensor, axes: &[usize], scales: &[f64]) -> Coordinates {
    let scaled: Vec<f64> = axes.iter().zip(scales).map(|(axis, scale)| scale * x.shape()[*axis] as f64).collect();
    if scaled.iter().all(|extent| extent.fract() == 0.0) {
        return Coordinates::AlignCorners;
    }
    let part = |extent: &f64| [0.0, if *extent < 2.0 { 0.0 } else { (extent.floor() - 1.0) / (extent - 1.0) }];
    Coordinates::TfCropAndResize { roi: scaled.iter().map(part).collect(), extrapolation: 0.0 }
}

fn mode(call: &Call) -> NodeResult<ResizeMode> {
    Ok(match call.text("mode", "nearest")?.as_str() {
        "nearest" => ResizeMode::Nearest(match call.text("nearest_mode", "round_prefer_floor")?.as_str() {
            "round_prefer_floor" => Rounding::RoundPreferFloor,
            "round_prefer_ceil" => Rounding::RoundPreferCeil,
            "floor" => Rounding::Floor,
            "ceil" => Rounding::Ceil,
            other => return unsupported("nearest_mode", other),
        }),
        "linear" => ResizeMode::Linear,
        "cubic" => ResizeMode::Cubic { a: call.float("cubic_coeff_a", -0.75)? },
        other => return unsupported("mode", other),
    })
}

/// Returns sizes, or those that keep the ratio of the extents.
fn sized(call: &Call, x: &Tensor, axes: &[usize], wanted: Vec<usize>) -> NodeResult<To> {
    let policy = call.text("keep_aspect_ratio_policy", "stretch")?;
    if policy == "stretch" {
        return Ok(To::Sizes(wanted));
    }
    let ratios = axes.iter().zip(&wanted).map(|(axis, wanted)| *wanted as f64 / x.shape()[*axis].max(1) as f64);
    let scale = match policy.as_str() {
        "not_larger" => ratios.fold(f64::INFINITY, f64::min),
        "not_smaller" => ratios.fold(0.0, f64::max),
        other => return unsupported("keep_aspect_ratio_policy", other),
    };
    Ok(To::Sizes(axes.iter().map(|axis| (scale * x.shape()[*axis] as f64 + 0.5).floor() as usize).collect()))
}
