//! Resizing: images with more or fewer elements.

use super::coordinate::{Coordinates, Resized, Rounding};
use super::{axes, computed_in, refused};
use crate::error::{Error, Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// What an element of a resized tensor is computed of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeMode {
    /// The element that is nearest to its place in the input.
    Nearest(Rounding),
    /// The two elements around its place along each axis.
    Linear,
    /// The four elements around its place along each axis, with the weights of cubic convolution.
    Cubic {
        /// The slope of the weights at 1: usually -0.75 or -0.5.
        a: f64,
    },
}

/// How elements of a resized tensor are computed: the operator `Resize` of ONNX.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// What an element is computed of.
    pub mode: ResizeMode,
    /// Where it is in the input.
    pub coordinates: Coordinates,
    /// If true, elements outside of the input have no weight, and the others more for it; else what is outside is the element
    /// at the edge.
    pub exclude_outside: bool,
}

impl Resize {
    /// Returns a mode with coordinates between the middles of elements.
    pub fn new(mode: ResizeMode) -> Resize {
        Resize { mode, coordinates: Coordinates::HalfPixel, exclude_outside: false }
    }

    /// Sets where elements are in the input.
    pub fn coordinates(self, coordinates: Coordinates) -> Resize {
        Resize { coordinates, ..self }
    }

    /// Sets whether elements outside of the input have no weight.
    pub fn exclude_outside(self, exclude_outside: bool) -> Resize {
        Resize { exclude_outside, ..self }
    }
}

/// The size of a resized tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResizeTo<'a> {
    /// The extents of the resized axes.
    Sizes(&'a [usize]),
    /// What extents are multiplied by, and rounded down after.
    Scales(&'a [f64]),
}

/// The most elements of the input of which an element is computed at once; more are computed along some axes after the others.
const MOST_TAPS: usize = 16;

impl Tensor {
    /// Returns the tensor with more or fewer elements along some axes, to which sizes or scales belong one by one.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::{Resize, ResizeMode, ResizeTo, Tensor};
    ///
    /// let x = Tensor::from(&Device::sim().tensor(&[0.0f32, 4.0], [1, 2])?);
    /// let y = x.resize(&[1], ResizeTo::Sizes(&[4]), &Resize::new(ResizeMode::Linear))?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 1.0, 3.0, 4.0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If an axis is named twice or does not exist, sizes or scales are not as many, a scale is not a positive number, an
    /// axis without elements gets some, or elements between others are asked for of a tensor without floats.
    pub fn resize(&self, axes: &[usize], to: ResizeTo, how: &Resize) -> Result<Tensor> {
        let resized = self.resized(axes, to, how)?;
        let taps: usize = match how.mode {
            ResizeMode::Nearest(_) => 1,
            ResizeMode::Linear => 2,
            ResizeMode::Cubic { .. } => 4,
        };
        let all: Vec<(usize, usize, Resized)> = axes
            .iter()
            .zip(resized)
            .enumerate()
            .filter(|(_, (_, own))| !own.stays(&how.coordinates))
            .map(|(number, (axis, own))| (number, *axis, own))
            .collect();
        let each = if taps == 1 { all.len() } else { MOST_TAPS.ilog(taps) as usize };
        if all.len() <= each {
            return self.resize_at_once(&all, how, self.dtype());
        }
        let mut x = self.clone();
        for some in all.chunks(each) {
            x = x.resize_at_once(some, how, computed_in(self.dtype()))?;
        }
        x.cast(self.dtype())
    }

    /// Returns the extents and scales of the resized axes.
    fn resized(&self, axes: &[usize], to: ResizeTo, how: &Resize) -> Result<Vec<Resized>> {
        let (shape, dtype) = (self.shape(), self.dtype());
        let refused = |why: String| -> Error { refused("resize", &[self.ty()], why) };
        axes::different("resize", self, axes)?;
        if !matches!(how.mode, ResizeMode::Nearest(_)) && !dtype.is_float() {
            return Err(refused(format!(
                "elements between others are floats; convert the tensor with `cast` before, or take the nearest ones of {dtype}"
            )));
        }
        let given = match to {
            ResizeTo::Sizes(sizes) => sizes.len(),
            ResizeTo::Scales(scales) => scales.len(),
        };
        if given != axes.len() {
            return Err(refused(format!("there are {given} sizes or scales for {} axes", axes.len())));
        }
        if let Coordinates::TfCropAndResize { roi, extrapolation } = &how.coordinates {
            if roi.len() != axes.len() || roi.iter().flatten().any(|number| !number.is_finite()) {
                return Err(refused(format!(
                    "the part {roi:?} needs a begin and an end for each of the {} axes",
                    axes.len()
                )));
            }
            if !dtype.is_float() && extrapolation.fract() != 0.0 {
                return Err(refused(format!("{dtype} has no {extrapolation}, which is the value outside")));
            }
        }
        let one = |(number, axis): (usize, &usize)| {
            let input = shape[*axis];
            let (output, scale) = match to {
                ResizeTo::Sizes(sizes) => (sizes[number], None),
                ResizeTo::Scales(scales) => {
                    let (scale, wanted) = (scales[number], scales[number] * input as f64);
                    if !(scale.is_finite() && scale > 0.0) {
                        return Err(refused(format!("the scale {scale} is not a positive number")));
                    }
                    (wanted as usize, (wanted.floor() != wanted).then_some(scale))
                }
            };
            if output > i32::MAX as usize {
                return Err(refused(format!("an extent of the result is {output}: extents are less than 2^31")));
            }
            if input == 0 && output > 0 {
                return Err(refused(format!("axis {axis} has no elements of which there could be {output}")));
            }
            Ok(Resized { input, output, scale })
        };
        axes.iter().enumerate().map(one).collect()
    }

    /// Resizes some axes, of which come their number among the resized ones, the axis and its extents, in one kernel.
    fn resize_at_once(&self, all: &[(usize, usize, Resized)], how: &Resize, dtype: Scalar) -> Result<Tensor> {
        let mut output = TensorType::new(dtype, self.shape());
        for (_, axis, own) in all {
            output.shape[*axis] = own.output;
        }
        let computed = match how.mode {
            ResizeMode::Nearest(_) => self.dtype(),
            _ => computed_in(self.dtype()),
        };
        Tensor::define("resize", &[self], output, |inputs, at| {
            let mut taps: Vec<Vec<Tap>> = Vec::new();
            let mut outside: Option<ScalarExpr> = None;
            for (number, axis, own) in all {
                let position = own.position(&how.coordinates, *number, &at[*axis]);
                if matches!(how.coordinates, Coordinates::TfCropAndResize { .. }) {
                    outside = outside.into_iter().chain([position.is_outside(own.input)]).reduce(|all, one| all | one);
                }
                let last = own.input.max(1) - 1;
                let inside = |element: ScalarExpr| element.max(0usize).min(last);
                taps.push(match how.mode {
                    ResizeMode::Nearest(rounding) => {
                        let element = position.rounded(rounding, own.scale() < 1.0);
                        vec![Tap { element: inside(element), weight: None }]
                    }
                    ResizeMode::Linear => {
                        let (first, behind) = position.split(computed);
                        let weights = [behind.same(1.0) - &behind, behind];
                        let elements = [inside(first.clone()), inside(first + 1usize)];
                        elements
                            .into_iter()
                            .zip(weights)
                            .map(|(element, weight)| Tap { element, weight: Some(weight) })
                            .collect()
                    }
                    ResizeMode::Cubic { a } => {
                        let (first, behind) = position.split(computed);
                        cubic(a, &first, &behind, last, how.exclude_outside)
                    }
                });
            }
            let axes: Vec<usize> = all.iter().map(|(_, axis, _)| *axis).collect();
            let mut index: Vec<ScalarExpr> = at.to_vec();
            let value = combined(&taps, &axes, &mut index, &|index| inputs[0].at(index.to_vec()).cast(computed));
            let value = match (&how.coordinates, outside) {
                (Coordinates::TfCropAndResize { extrapolation, .. }, Some(outside)) => {
                    outside.select(&value.same(*extrapolation), &value)
                }
                _ => value,
            };
            value.cast(dtype)
        })
    }
}

/// An element of the input along one axis, and its weight.
struct Tap {
    element: ScalarExpr,
    weight: Option<ScalarExpr>,
}

/// Returns the sum of the elements at all taps of all axes, times their weights.
fn combined(
    taps: &[Vec<Tap>],
    axes: &[usize],
    index: &mut Vec<ScalarExpr>,
    read: &dyn Fn(&[ScalarExpr]) -> ScalarExpr,
) -> ScalarExpr {
    let ([own, taps @ ..], [axis, axes @ ..]) = (taps, axes) else { return read(index) };
    let mut sum: Option<ScalarExpr> = None;
    for tap in own {
        index[*axis] = tap.element.clone();
        let value = combined(taps, axes, index, read);
        let value = match &tap.weight {
            Some(weight) => value * weight,
            None => value,
        };
        sum = Some(sum.map_or_else(|| value.clone(), |sum| sum + &value));
    }
    sum.unwrap_or_else(|| read(index))
}

/// Returns the four taps of cubic convolution around a place that is `behind` the element `first`.
fn cubic(a: f64, first: &ScalarExpr, behind: &ScalarExpr, last: usize, exclude_outside: bool) -> Vec<Tap> {
    let near = |way: &ScalarExpr| ((way * (a + 2.0)) - (a + 3.0)) * way * way + 1.0;
    let far = |way: &ScalarExpr| ((way * a - 5.0 * a) * way + 8.0 * a) * way - 4.0 * a;
    let ahead = behind.same(1.0) - behind;
    let weights = [far(&(behind + 1.0)), near(behind), near(&ahead), far(&(ahead + 1.0))];
    let mut taps: Vec<Tap> = Vec::new();
    for (number, weight) in weights.into_iter().enumerate() {
        let element = first + (number as i64 - 1);
        let inside = element.ge(0usize) & element.le(last);
        let weight = if exclude_outside { inside.select(&weight, &weight.same(0.0)) } else { weight };
        taps.push(Tap { element: element.max(0usize).min(last), weight: Some(weight) });
    }
    if exclude_outside {
        let weights = taps.iter().filter_map(|tap| tap.weight.clone());
        if let Some(sum) = weights.reduce(|sum, weight| sum + weight) {
            for tap in &mut taps {
                tap.weight = tap.weight.take().map(|weight| weight / &sum);
            }
        }
    }
    taps
}
