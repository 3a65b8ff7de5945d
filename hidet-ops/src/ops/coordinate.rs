//! [`Coordinates`]: where the elements of a resized axis are in the input.
//!
//! A place is a ratio of whole numbers where it can be, computed in integers, else a number in `f64`: on which side of an
//! element it is must not depend on how it is rounded. In `f64` a product is never added to: that might be rounded once or twice.

use crate::expr::ScalarExpr;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;

/// Where element `i` of an axis of the result is in the input, as ONNX names it; `scale` is the extent of the result divided by
/// that of the input, as it was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinates {
    /// `(i + 0.5) / scale - 0.5`: both axes are from edge to edge of their first and last elements.
    HalfPixel,
    /// The same, but 0 if the result has one element.
    PytorchHalfPixel,
    /// The same, but around the middle of the input if the extent of the result is not exactly that of the input times the
    /// scale.
    HalfPixelSymmetric,
    /// `i * (input - 1) / (output - 1)`: the first elements are at the same place, and the last ones.
    AlignCorners,
    /// `i / scale`.
    Asymmetric,
    /// A part of the input, which begins and ends at these fractions of each axis. Outside of the input the result is
    /// `extrapolation`.
    TfCropAndResize {
        /// For each resized axis where the part begins and ends, from 0 to 1 in the input.
        roi: Vec<[f64; 2]>,
        /// The value outside of the input.
        extrapolation: f64,
    },
}

/// An axis that is resized.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Resized {
    /// The extent of the input.
    pub(super) input: usize,
    /// The extent of the result.
    pub(super) output: usize,
    /// The scale, if it is not the ratio of the extents.
    pub(super) scale: Option<f64>,
}

/// The place in the input of an element of the result.
#[derive(Clone, Debug)]
pub(super) enum Position {
    /// A ratio: a number, which is not less than `-shift` times the divisor.
    Ratio {
        /// The dividend.
        number: ScalarExpr,
        /// The divisor.
        divisor: i64,
        /// A whole number that makes it positive.
        shift: i64,
    },
    /// A number in `f64`.
    Real(ScalarExpr),
}

impl Resized {
    /// Returns true if all elements stay where they are.
    pub(super) fn stays(&self, coordinates: &Coordinates) -> bool {
        self.input == self.output && self.scale.is_none() && !matches!(coordinates, Coordinates::TfCropAndResize { .. })
    }

    /// Returns the extent of the result divided by that of the input.
    pub(super) fn scale(&self) -> f64 {
        self.scale.unwrap_or(self.output as f64 / self.input as f64)
    }

    /// Returns the place in the input of an element of the result: of the number of the axis among the resized ones.
    pub(super) fn position(&self, coordinates: &Coordinates, axis: usize, at: &ScalarExpr) -> Position {
        let Resized { input, output, scale } = *self;
        let (from, to) = (input as i64, output as i64);
        // (at * factor + offset) / divisor
        let ratio = |factor: i64, offset: i64, divisor: i64| ratio(at, to, [factor, offset, divisor]);
        let middles = match scale {
            None => ratio(2 * from, from - to, 2 * to),
            Some(scale) => Position::Real((real(at) + 0.5) / scale - 0.5),
        };
        match coordinates {
            Coordinates::AlignCorners | Coordinates::PytorchHalfPixel if output == 1 => ratio(0, 0, 1),
            Coordinates::AlignCorners => ratio(from - 1, 0, to - 1),
            Coordinates::HalfPixel | Coordinates::PytorchHalfPixel => middles,
            Coordinates::HalfPixelSymmetric => match (middles, scale) {
                (Position::Real(middles), Some(scale)) => {
                    let adjustment = output as f64 / (scale * input as f64);
                    Position::Real(middles + input as f64 / 2.0 * (1.0 - adjustment))
                }
                (middles, _) => middles,
            },
            Coordinates::Asymmetric => match scale {
                None => ratio(from, 0, to),
                Some(scale) => Position::Real(real(at) / scale),
            },
            Coordinates::TfCropAndResize { roi, .. } => {
                let [begin, end] = roi.get(axis).copied().unwrap_or([0.0, 1.0]);
                let last = input as f64 - 1.0;
                if output == 1 {
                    return Position::Real(ScalarExpr::constant(Scalar::F64, 0.5 * (begin + end) * last));
                }
                let step = (end - begin) * last / (output as f64 - 1.0);
                let way = match step == 0.0 {
                    true => ScalarExpr::constant(Scalar::F64, 0.0),
                    false => real(at) / (1.0 / step),
                };
                Position::Real(way + begin * last)
            }
        }
    }
}

fn real(at: &ScalarExpr) -> ScalarExpr {
    at.cast(Scalar::F64)
}

/// Returns `(at * factor + offset) / divisor` of a coordinate less than `end`, in integers wide enough.
fn ratio(at: &ScalarExpr, end: i64, [factor, offset, divisor]: [i64; 3]) -> Position {
    let divisor = divisor.max(1);
    let shift = ((-offset).max(0) as u64).div_ceil(divisor as u64) as i64;
    // Twice, as ties are found out with half of the divisor.
    let most = 4
        * (i128::from(factor) * i128::from(end)
            + i128::from(offset.abs())
            + i128::from(divisor) * i128::from(shift + 2));
    let wide = most > i128::from(i32::MAX);
    let number = at.cast(if wide { Scalar::I64 } else { Scalar::I32 }) * factor + offset;
    Position::Ratio { number, divisor, shift }
}

/// Returns `floor(number / divisor)` of a number that is not less than `-shift` times the divisor, in its type.
fn floor_ratio(number: &ScalarExpr, divisor: i64, shift: i64) -> ScalarExpr {
    match shift {
        0 => number / divisor,
        _ => (number + shift * divisor) / divisor - shift,
    }
}

/// How a place between two elements becomes one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// The nearer one, the first of two that are as near.
    RoundPreferFloor,
    /// The nearer one, the second of two that are as near.
    RoundPreferCeil,
    /// The first one.
    Floor,
    /// The second one.
    Ceil,
    /// The second one if the axis becomes shorter, else the first one.
    Simple,
}

impl Position {
    /// Returns the number of the element that is at the place, as an `i32`; `shorter` if the axis becomes shorter.
    pub(super) fn rounded(&self, rounding: Rounding, shorter: bool) -> ScalarExpr {
        let rounding = match rounding {
            Rounding::Simple if shorter => Rounding::Ceil,
            Rounding::Simple => Rounding::Floor,
            other => other,
        };
        match self {
            Position::Ratio { number, divisor, shift } => {
                let (number, divisor, shift) = (number.clone(), *divisor, *shift);
                let element = match rounding {
                    // floor((n - 1/2 d + d - 1/2) / d) with everything doubled.
                    Rounding::RoundPreferFloor => floor_ratio(&(number * 2i64 + (divisor - 1)), 2 * divisor, shift),
                    Rounding::RoundPreferCeil => floor_ratio(&(number * 2i64 + divisor), 2 * divisor, shift),
                    Rounding::Ceil => floor_ratio(&(number + (divisor - 1)), divisor, shift),
                    Rounding::Floor | Rounding::Simple => floor_ratio(&number, divisor, shift),
                };
                element.cast(Scalar::I32)
            }
            Position::Real(place) => {
                let element = match rounding {
                    Rounding::RoundPreferFloor => (place - 0.5).unary(UnaryOp::Ceil),
                    Rounding::RoundPreferCeil => (place + 0.5).unary(UnaryOp::Floor),
                    Rounding::Ceil => place.unary(UnaryOp::Ceil),
                    Rounding::Floor | Rounding::Simple => place.unary(UnaryOp::Floor),
                };
                element.cast(Scalar::I32)
            }
        }
    }

    /// Returns the number of the element at the place or in front of it, as an `i32`, and how far behind it the place is, from
    /// 0 to 1 in a type of floats.
    pub(super) fn split(&self, dtype: Scalar) -> (ScalarExpr, ScalarExpr) {
        match self {
            Position::Ratio { number, divisor, shift } => {
                let element = floor_ratio(number, *divisor, *shift);
                let behind = number - &element * *divisor;
                (element.cast(Scalar::I32), behind.cast(dtype) / *divisor)
            }
            Position::Real(place) => {
                let element = place.unary(UnaryOp::Floor);
                let behind = (place - &element).cast(dtype);
                (element.cast(Scalar::I32), behind)
            }
        }
    }

    /// Returns true if the place is outside of an axis.
    pub(super) fn is_outside(&self, extent: usize) -> ScalarExpr {
        let last = extent as i64 - 1;
        match self {
            Position::Ratio { number, divisor, .. } => number.lt(0i64) | number.gt(last * divisor),
            Position::Real(place) => place.lt(0.0) | place.gt(last),
        }
    }
}
