//! Elements between others: at the places of a grid.

use super::Row;
use super::tools::{number, one, part, unsupported, wide};
use crate::call::{Call, sizes};
use crate::error::NodeResult;
use crate::value::Value;
use hidet::ir::UnaryOp;
use hidet::types::Scalar;
use hidet_ops::expr::ScalarExpr;
use hidet_ops::{Input, Tensor, TensorType};

pub(super) const ROWS: &[Row] = &[
    Row("AffineGrid", 20, &["align_corners"], affine_grid),
    Row("GridSample", 16, &["align_corners", "mode", "padding_mode"], grid_sample),
];

/// Places from -1 to 1 along each axis, turned and moved by matrices.
fn affine_grid(call: &Call) -> NodeResult<Vec<Value>> {
    let theta = call.tensor(0)?;
    let size = sizes(&call.integers(1)?)?;
    let [batch, _, extents @ ..] = size.as_slice() else { return Err("the size must have axes".into()) };
    let axes = extents.len();
    if !(2..=3).contains(&axes) || theta.shape() != [*batch, axes, axes + 1] {
        return Err(format!("the matrices {} do not fit the size {size:?}", theta.ty()).into());
    }
    let aligned = call.flag("align_corners", false)?;
    let dtype = wide(theta.dtype());
    let output = TensorType::new(theta.dtype(), &[&[*batch], extents, &[axes]].concat());
    one(Tensor::define("affine_grid", &[&theta], output, |inputs, at| {
        let entry = |column: usize| {
            let column = number(column as i64);
            inputs[0].at([at[0].clone(), at[axes + 1].clone(), part(&column)]).cast(dtype)
        };
        // Columns are x first, which is the last axis.
        let term = |column: usize| {
            let axis = axes - 1 - column;
            let (place, extent) = (at[1 + axis].cast(dtype), extents[axis] as f64);
            let place = match aligned {
                true => place * (2.0 / (extent - 1.0).max(1.0)) - 1.0,
                false => (place * 2.0 + 1.0) / extent - 1.0,
            };
            entry(column) * place
        };
        (0..axes).map(term).fold(entry(axes), |sum, term| sum + term).cast(theta.dtype())
    })?)
}

/// What is outside of the input.
#[derive(Clone, Copy, PartialEq)]
enum Outside {
    Zeros,
    Border,
    Reflection,
}

/// An axis of the input.
#[derive(Clone, Copy)]
struct Along {
    extent: usize,
    outside: Outside,
    aligned: bool,
}

impl Along {
    /// Returns a place in elements of one from -1 to 1.
    fn place(self, at: &ScalarExpr) -> ScalarExpr {
        match self.aligned {
            true => (at + 1.0) / 2.0 * (self.extent as f64 - 1.0),
            false => ((at + 1.0) * self.extent as f64 - 1.0) / 2.0,
        }
    }

    /// Returns a place moved into the input, as what is outside says.
    fn moved(self, at: &ScalarExpr) -> ScalarExpr {
        let last = self.extent as f64 - 1.0;
        match self.outside {
            Outside::Zeros => at.clone(),
            Outside::Border => at.max(0.0).min(last),
            Outside::Reflection => self.reflected(at),
        }
    }

    /// Returns a place reflected at the ends of the axis, which are elements or their edges.
    fn reflected(self, at: &ScalarExpr) -> ScalarExpr {
        let (low, high) = match self.aligned {
            true => (0.0, self.extent as f64 - 1.0),
            false => (-0.5, self.extent as f64 - 0.5),
        };
        let range = high - low;
        if range <= 0.0 {
            return at.same(0.0);
        }
        // The way from an end, in whole ranges and a rest: each range turns it around.
        let fold = |way: ScalarExpr, near: f64, step: f64| {
            let whole = (&way / range).unary(UnaryOp::Floor);
            let rest = way - &whole * range;
            let half = &whole / 2.0;
            let is_even = half.unary(UnaryOp::Floor).equals(half);
            let far = low + high - near;
            is_even.select(&(&rest * step + near), &(rest * -step + far))
        };
        let below = fold(at.same(low) - at, low, 1.0);
        let above = fold(at - high, high, -1.0);
        at.lt(low).select(&below, &at.gt(high).select(&above, at))
    }

    /// Returns the number of an element that may be outside, as one to be read: what is outside of the input is read as 0.
    fn element(self, at: &ScalarExpr) -> ScalarExpr {
        self.moved(at).unary(UnaryOp::Trunc).cast(Scalar::I32)
    }
}

/// An element with its weight.
type Tap = (ScalarExpr, ScalarExpr);

/// Returns the elements around a place along an axis.
fn taps(along: Along, at: &ScalarExpr, cubic: bool) -> Vec<Tap> {
    let first = at.unary(UnaryOp::Floor);
    let behind = at - &first;
    let ahead = behind.same(1.0) - &behind;
    let tap = |step: f64, weight: ScalarExpr| (along.element(&(&first + step)), weight);
    if !cubic {
        return vec![tap(0.0, ahead), tap(1.0, behind)];
    }
    const A: f64 = -0.75;
    let near = |way: &ScalarExpr| ((way * (A + 2.0)) - (A + 3.0)) * way * way + 1.0;
    let far = |way: &ScalarExpr| ((way * A - 5.0 * A) * way + 8.0 * A) * way - 4.0 * A;
    let weights = [far(&(&behind + 1.0)), near(&behind), near(&ahead), far(&(&ahead + 1.0))];
    weights.into_iter().enumerate().map(|(at, weight)| tap(at as f64 - 1.0, weight)).collect()
}

/// Returns the sum of elements of an input times the products of their weights along all axes.
fn interpolated(input: &Input, front: &[ScalarExpr], taps: &[Vec<Tap>], dtype: Scalar) -> ScalarExpr {
    let Some((own, rest)) = taps.split_first() else { return input.at(front.to_vec()).cast(dtype) };
    let term = |(element, weight): &Tap| {
        let front = [front, &[part(element)]].concat();
        interpolated(input, &front, rest, dtype) * weight
    };
    own.iter().map(term).reduce(|sum, term| sum + term).unwrap_or_else(|| ScalarExpr::constant(dtype, 0.0))
}

/// Returns the element at a place between others, linearly; 0 outside.
pub(super) fn bilinear(input: &Input, front: &[ScalarExpr], places: &[ScalarExpr], dtype: Scalar) -> ScalarExpr {
    let along = |extent: &usize| Along { extent: *extent, outside: Outside::Zeros, aligned: true };
    let axes = input.shape()[front.len()..].iter().map(along);
    let taps: Vec<Vec<Tap>> = axes.zip(places).map(|(along, at)| taps(along, at, false)).collect();
    interpolated(input, front, &taps, dtype)
}

fn grid_sample(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, grid) = (call.tensor(0)?, call.tensor(1)?);
    let rank = x.ty().rank();
    if rank < 3 || grid.ty().rank() != rank || grid.shape()[rank - 1] != rank - 2 || grid.shape()[0] != x.shape()[0] {
        return Err(format!("the grid {} does not fit {}", grid.ty(), x.ty()).into());
    }
    let outside = match call.text("padding_mode", "zeros")?.as_str() {
        "zeros" => Outside::Zeros,
        "border" => Outside::Border,
        "reflection" => Outside::Reflection,
        other => return unsupported("padding_mode", other),
    };
    let mode = call.text("mode", "linear")?;
    let (nearest, cubic) = match mode.as_str() {
        "nearest" => (true, false),
        "linear" | "bilinear" => (false, false),
        "cubic" | "bicubic" if rank <= 4 => (false, true),
        other => return unsupported("mode", format!("{other} of {} axes", rank - 2)),
    };
    let aligned = call.flag("align_corners", false)?;
    let axes: Vec<Along> = x.shape()[2..].iter().map(|extent| Along { extent: *extent, outside, aligned }).collect();
    let dtype = wide(x.dtype());
    let output = TensorType::new(x.dtype(), &[&x.shape()[..2], &grid.shape()[1..rank - 1]].concat());
    one(Tensor::define("grid_sample", &[&x, &grid], output, |inputs, at| {
        let place = |axis: usize| {
            // The grid has x first, which is the last axis.
            let column = number((axes.len() - 1 - axis) as i64);
            let index = [&at[..1], &at[2..], &[part(&column)]].concat();
            let place = axes[axis].place(&inputs[1].at(index).cast(dtype));
            let place = if nearest { place.unary(UnaryOp::Round) } else { place };
            axes[axis].moved(&place)
        };
        let places: Vec<ScalarExpr> = (0..axes.len()).map(place).collect();
        let pairs = axes.iter().zip(&places);
        if nearest {
            let elements: Vec<ScalarExpr> = pairs.map(|(along, at)| part(&along.element(at))).collect();
            return inputs[0].at([&at[..2], &elements].concat());
        }
        let taps: Vec<Vec<Tap>> = pairs.map(|(along, at)| taps(*along, at, cubic)).collect();
        interpolated(&inputs[0], &at[..2], &taps, dtype).cast(x.dtype())
    })?)
}
