//! Cases of operators on windows, of products, and of layers made of them.

use super::{Case, FLOATS, Inputs, NUMBERS};
use crate::error::Result;
use crate::expr::Precision;
use crate::ops::{Attention, Coordinates, Direction, Recurrent, Resize, ResizeMode, ResizeTo, Rounding, Window};
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// Types that products take.
const PRODUCTS: &[Scalar] = &[
    Scalar::F32,
    Scalar::F16,
    Scalar::BF16,
    Scalar::F64,
    Scalar::I32,
    Scalar::I8,
    Scalar::U8,
    Scalar::E4M3,
    Scalar::E5M2,
];

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { operator: "matmul", dtypes: PRODUCTS, apply: |i| matmul(i, Precision::F32) },
        Case { operator: "matmul_by", dtypes: &[Scalar::F32], apply: |i| matmul(i, Precision::Tf32x3) },
        Case { operator: "conv", dtypes: FLOATS, apply: |i| conv(i, None) },
        Case { operator: "conv_channels_last", dtypes: FLOATS, apply: |i| conv(i, Some(Precision::F32)) },
        Case { operator: "conv_channels_last_by", dtypes: &[Scalar::F32], apply: |i| conv(i, Some(Precision::Tf32x3)) },
        Case { operator: "conv_transpose", dtypes: FLOATS, apply: conv_transpose },
        Case {
            operator: "im2col",
            dtypes: NUMBERS,
            apply: |i| {
                let (x, kernel, window) = pooled(i)?;
                x.im2col(&kernel, &window)
            },
        },
        Case {
            operator: "max_pool",
            dtypes: NUMBERS,
            apply: |i| {
                let (x, kernel, window) = pooled(i)?;
                x.max_pool(&kernel, &window, i.below(2) == 0)
            },
        },
        Case {
            operator: "avg_pool",
            dtypes: FLOATS,
            apply: |i| {
                let (x, kernel, window) = pooled(i)?;
                x.avg_pool(&kernel, &window, i.below(2) == 0, i.below(2) == 0)
            },
        },
        Case {
            operator: "max_pool_channels_last",
            dtypes: NUMBERS,
            apply: |i| {
                let (x, kernel, window) = pooled(i)?;
                channels_last(&x, kernel.len())?.max_pool_channels_last(&kernel, &window, i.below(2) == 0)
            },
        },
        Case {
            operator: "avg_pool_channels_last",
            dtypes: FLOATS,
            apply: |i| {
                let (x, kernel, window) = pooled(i)?;
                let x = channels_last(&x, kernel.len())?;
                x.avg_pool_channels_last(&kernel, &window, i.below(2) == 0, i.below(2) == 0)
            },
        },
        Case {
            operator: "adaptive_max_pool",
            dtypes: NUMBERS,
            apply: |i| {
                let (x, sizes) = parts(i)?;
                x.adaptive_max_pool(&sizes)
            },
        },
        Case {
            operator: "adaptive_avg_pool",
            dtypes: FLOATS,
            apply: |i| {
                let (x, sizes) = parts(i)?;
                x.adaptive_avg_pool(&sizes)
            },
        },
        Case { operator: "global_avg_pool", dtypes: FLOATS, apply: |i| parts(i)?.0.global_avg_pool() },
        Case { operator: "resize", dtypes: FLOATS, apply: |i| resize(i, false) },
        Case { operator: "resize", dtypes: NUMBERS, apply: |i| resize(i, true) },
        Case { operator: "attention", dtypes: FLOATS, apply: attention },
        Case {
            operator: "lstm",
            dtypes: FLOATS,
            apply: |i| {
                let given = recurrent(i, 4)?;
                let [y, last, cells] = given.x.lstm(&given.weight, &given.states, &given.how())?;
                Ok(if i.below(2) == 0 { y } else { last.add(&cells)? })
            },
        },
        Case {
            operator: "gru",
            dtypes: FLOATS,
            apply: |i| {
                let given = recurrent(i, 3)?;
                let [y, last] = given.x.gru(&given.weight, &given.states, &given.how())?;
                Ok(if i.below(2) == 0 { y } else { last })
            },
        },
        Case {
            operator: "rnn_tanh",
            dtypes: FLOATS,
            apply: |i| {
                let given = recurrent(i, 1)?;
                let [y, last] = given.x.rnn_tanh(&given.weight, &given.states, &given.how())?;
                Ok(if i.below(2) == 0 { y } else { last })
            },
        },
    ]
}

fn matmul(i: &mut Inputs, precision: Precision) -> Result<Tensor> {
    let [m, n, k] = [i.extent(), i.extent(), i.below(20)];
    let (batch, own, shared) = (1 + i.below(3), i.below(3), i.below(2));
    let front = [vec![], vec![1], vec![batch]][own].clone();
    let a = i.tensor(&[front.as_slice(), &[m.min(32), k]].concat())?;
    let b = i.tensor(&[&[batch][..shared], &[k, n.min(32)]].concat())?;
    let product = a.matmul_by(&b, precision)?;
    // Tensor cores add products of floats of 8 bits with fewer bits than those of `f32`.
    if i.dtype().is_float() && i.dtype().bytes() == 1 { product.cast(Scalar::F16) } else { Ok(product) }
}

/// Returns a list of numbers from `least` on, less than `end`.
fn numbers(i: &mut Inputs, count: usize, [least, end]: [usize; 2]) -> Vec<usize> {
    (0..count).map(|_| least + i.below(end - least)).collect()
}

/// Returns spatial extents, a kernel and windows that fit.
fn windows(i: &mut Inputs) -> (Vec<usize>, Vec<usize>, Window) {
    let axes = 1 + i.below(3);
    let kernel = numbers(i, axes, [1, 4]);
    let window = Window::new(axes).stride(&numbers(i, axes, [1, 4])).dilation(&numbers(i, axes, [1, 3]));
    let window = if i.below(2) == 0 { window.padding(&numbers(i, axes, [0, 2])) } else { window };
    let further = [8, 5, 3][axes - 1];
    let spatial = (0..axes).map(|axis| {
        let reach = (kernel[axis] - 1) * window.dilation[axis] + 1;
        reach.saturating_sub(window.before[axis] + window.after[axis]).max(1) + i.below(further)
    });
    (spatial.collect(), kernel, window)
}

/// Returns numbers of groups and of channels of the input and the result.
fn channels(i: &mut Inputs) -> (usize, usize, usize) {
    let groups = [1, 1, 2, 3][i.below(4)];
    let [own, results] = [1, 2].map(|least| least + i.below(3));
    match i.below(4) {
        0 => (groups + 1, groups + 1, groups + 1),
        _ => (groups, own * groups, (results - 1) * groups),
    }
}

/// A convolution, with channels last if a precision is given.
fn conv(i: &mut Inputs, last: Option<Precision>) -> Result<Tensor> {
    let ((spatial, kernel, window), (groups, c, o)) = (windows(i), channels(i));
    let batch = 1 + i.below(2);
    if let Some(precision) = last {
        let x = i.tensor(&[&[batch], spatial.as_slice(), &[c]].concat())?;
        let weight = i.tensor(&[&[o], kernel.as_slice(), &[c / groups]].concat())?;
        return x.conv_channels_last_by(&weight, &window, groups, precision);
    }
    let x = i.tensor(&[&[batch, c], spatial.as_slice()].concat())?;
    let weight = i.tensor(&[&[o, c / groups], kernel.as_slice()].concat())?;
    // What is in front of the convolution is 0 outside too, whatever it makes of 0.
    let x = if i.below(2) == 0 { x.add(0.5)? } else { x };
    x.conv(&weight, &window, groups)
}

fn conv_transpose(i: &mut Inputs) -> Result<Tensor> {
    let ((spatial, kernel, window), (groups, c, o)) = (windows(i), channels(i));
    let further: Vec<usize> = window.stride.iter().map(|stride| i.below(*stride)).collect();
    // Padding that leaves something of each axis.
    let is_large = |axis: usize| (spatial[axis] - 1) * window.stride[axis] + kernel[axis] > 2;
    let window = if (0..spatial.len()).all(is_large) { window } else { window.padding(&vec![0; spatial.len()]) };
    let batch = 1 + i.below(2);
    let x = i.tensor(&[&[batch, c], spatial.as_slice()].concat())?;
    let weight = i.tensor(&[&[c, o / groups], kernel.as_slice()].concat())?;
    x.conv_transpose(&weight, &window, groups, &further)
}

fn pooled(i: &mut Inputs) -> Result<(Tensor, Vec<usize>, Window)> {
    let (spatial, kernel, window) = windows(i);
    let front = numbers(i, 2, [1, 4]);
    let x = i.tensor(&[front, spatial].concat())?;
    let x = if i.below(3) == 0 { x.mul(2.0)?.maximum(1.0)? } else { x };
    Ok((x, kernel, window))
}

/// Returns a tensor and sizes of an adaptive pool.
fn parts(i: &mut Inputs) -> Result<(Tensor, Vec<usize>)> {
    let axes = 1 + i.below(3);
    let extents = numbers(i, axes, [1, [40, 12, 6][axes - 1]]);
    let sizes = numbers(i, axes, [1, [20, 8, 5][axes - 1]]);
    let front = numbers(i, 2, [1, 4]);
    Ok((i.tensor(&[front, extents].concat())?, sizes))
}

fn resize(i: &mut Inputs, nearest: bool) -> Result<Tensor> {
    let axes = 1 + i.below(3);
    let extents = numbers(i, axes, [1, [33, 12, 6][axes - 1]]);
    let rank = i.below(3);
    let front = numbers(i, rank, [1, 4]);
    let x = i.tensor(&[front.as_slice(), &extents].concat())?;
    let roundings =
        [Rounding::RoundPreferFloor, Rounding::RoundPreferCeil, Rounding::Floor, Rounding::Ceil, Rounding::Simple];
    let mode = match (nearest, i.below(3)) {
        (true, _) => ResizeMode::Nearest(roundings[i.below(5)]),
        (_, 0) => ResizeMode::Cubic { a: -0.75 },
        (_, 1) if axes < 3 => ResizeMode::Cubic { a: -0.5 },
        _ => ResizeMode::Linear,
    };
    let coordinates = match i.below(6) {
        0 => Coordinates::HalfPixel,
        1 => Coordinates::PytorchHalfPixel,
        2 => Coordinates::HalfPixelSymmetric,
        3 => Coordinates::AlignCorners,
        4 => Coordinates::Asymmetric,
        _ => Coordinates::TfCropAndResize {
            roi: (0..axes).map(|_| [i.below(5) as f64 / 10.0, 0.5 + i.below(7) as f64 / 8.0]).collect(),
            extrapolation: 3.0,
        },
    };
    let how = Resize::new(mode).coordinates(coordinates).exclude_outside(i.below(2) == 0);
    let named: Vec<usize> = (front.len()..front.len() + axes).collect();
    if i.below(2) == 0 {
        let sizes = numbers(i, axes, [1, [40, 15, 8][axes - 1]]);
        return x.resize(&named, ResizeTo::Sizes(&sizes), &how);
    }
    let all = [0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 2.3, 3.0];
    let scales: Vec<f64> = (0..axes).map(|_| all[i.below(9)]).collect();
    x.resize(&named, ResizeTo::Scales(&scales), &how)
}

/// Returns images with the axis in front of these last ones, of channels, behind them; without such an axis with one channel.
fn channels_last(x: &Tensor, axes: usize) -> Result<Tensor> {
    let rank = x.ty().rank();
    if rank == axes {
        return x.unsqueeze(rank);
    }
    let front = rank - axes - 1;
    x.permute(&(0..front).chain(front + 1..rank).chain([front]).collect::<Vec<usize>>())
}

fn attention(i: &mut Inputs) -> Result<Tensor> {
    let rank = i.below(2);
    let front = numbers(i, rank, [1, 3]);
    let (kv, shared) = (1 + i.below(2), [1, 1, 2, 3][i.below(4)]);
    let [lq, lk, d, e] = [9, 12, 9, 9].map(|end| 1 + i.below(end));
    let heads = kv * shared;
    let mut of = |last: [usize; 3]| i.tensor(&[front.as_slice(), &last].concat());
    let (q, k, v) = (of([heads, lq, d])?, of([kv, lk, d])?, of([kv, lk, e])?);
    let mask = match i.below(4) {
        0 => Some(i.conditions(&[lq, lk])?),
        1 => Some(i.tensor(&[heads, 1, lk])?),
        _ => None,
    };
    let scale = [None, Some(0.25)][i.below(2)];
    q.attention(&k, &v, &Attention { scale, causal: i.below(2) == 0, mask: mask.as_ref() })
}

/// The inputs of a recurrent layer.
struct Given {
    x: Tensor,
    weight: Tensor,
    states: Tensor,
    bias: Option<Tensor>,
    initial: Option<Tensor>,
    lengths: Option<Tensor>,
    direction: Direction,
    linear_before_reset: bool,
}

impl Given {
    fn how(&self) -> Recurrent<'_> {
        Recurrent {
            direction: self.direction,
            bias: self.bias.as_ref(),
            initial: self.initial.as_ref(),
            initial_cell: self.initial.as_ref(),
            lengths: self.lengths.as_ref(),
            linear_before_reset: self.linear_before_reset,
        }
    }
}

fn recurrent(i: &mut Inputs, gates: usize) -> Result<Given> {
    let [length, batch, features, hidden] = [4, 3, 5, 6].map(|end| 1 + i.below(end));
    // As many units as are computed by tensor cores, for types that have them.
    let hidden = if i.dtype().bytes() == 2 && i.below(2) == 0 { 32 } else { hidden };
    let direction = [Direction::Forward, Direction::Reverse, Direction::Both][i.below(3)];
    let directions = if direction == Direction::Both { 2 } else { 1 };
    Ok(Given {
        x: i.within(&[length, batch, features], 1.0)?,
        weight: i.within(&[directions, gates * hidden, features], 0.5)?,
        states: i.within(&[directions, gates * hidden, hidden], 0.5)?,
        bias: if i.below(2) == 0 { Some(i.within(&[directions, 2 * gates * hidden], 0.5)?) } else { None },
        initial: if i.below(2) == 0 { Some(i.within(&[directions, batch, hidden], 1.0)?) } else { None },
        lengths: if i.below(2) == 0 { Some(i.indices(&[batch], length + 1)?) } else { None },
        direction,
        linear_before_reset: i.below(2) == 0,
    })
}
