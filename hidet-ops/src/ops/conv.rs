//! Convolutions.

use super::matmul::{OF_SINGLES, summed_in};
use super::window::{Window, part, reach};
use super::{Input, refused};
use crate::error::{Error, Result, TensorType};
use crate::expr::{Precision, ScalarExpr};
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the convolution of `[n, c, spatial..]`, with 1 to 3 spatial axes, and a weight `[o, c / groups, kernel..]`:
    /// `[n, o, windows..]`. The channels of the input and of the result are divided into groups, each of which is computed of
    /// its own channels; with as many groups as channels that is a depthwise convolution. Padding counts as 0. Terms are
    /// added in `f32` if the elements are `f16`, `bf16` or `f32`.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::{Tensor, Window};
    ///
    /// let device = Device::sim();
    /// let x = Tensor::from(&device.tensor(&[1.0f32, 2.0, 3.0, 4.0], [1, 1, 4])?);
    /// let w = Tensor::from(&device.tensor(&[1.0f32, 10.0, 100.0], [1, 1, 3])?);
    /// let y = x.conv(&w, &Window::new(1).stride(&[2]).padding(&[1]), 1)?;
    /// assert_eq!(y.shape(), [1, 1, 2]);
    /// assert_eq!(y.to_vec::<f32>()?, [210.0, 432.0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the shapes, the groups or the types of the elements do not fit, a window is larger than the padded input, or the
    /// elements are not `f16`, `bf16`, `f32`, `f64`, `i32`, `i64`, `u32` or `u64`.
    pub fn conv(&self, weight: &Tensor, window: &Window, groups: usize) -> Result<Tensor> {
        Shapes::of("conv", [self, weight], groups, Order::First)?.conv([self, weight], window, Precision::F32)
    }

    /// Returns the convolution of `[n, spatial.., c]` and a weight `[o, kernel.., c / groups]`: `[n, windows.., o]`. See
    /// [`Tensor::conv`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::conv`].
    pub fn conv_channels_last(&self, weight: &Tensor, window: &Window, groups: usize) -> Result<Tensor> {
        self.conv_channels_last_by(weight, window, groups, Precision::F32)
    }

    /// The same, with products of `f32` computed as asked for: as three of tf32, convolutions with one group are computed by tensor
    /// cores; others, and those of few channels or with results of other than multiples of 4, by products of `f32`, which are more exact.
    ///
    /// # Errors
    ///
    /// As [`Tensor::conv`]; and if a precision other than that of `f32` is asked for, and the elements are not `f32`.
    pub fn conv_channels_last_by(
        &self,
        weight: &Tensor,
        window: &Window,
        groups: usize,
        precision: Precision,
    ) -> Result<Tensor> {
        let shapes = Shapes::of("conv_channels_last", [self, weight], groups, Order::Last)?;
        if precision != Precision::F32 && self.dtype() != Scalar::F32 {
            return Err(shapes.refused(OF_SINGLES.to_owned()));
        }
        // Each group has few channels.
        let precision = if precision == Precision::Tf32x3 && groups > 1 { Precision::F32 } else { precision };
        shapes.conv([self, weight], window, precision)
    }

    /// Returns the transposed convolution of `[n, c, spatial..]`, with 1 to 3 spatial axes, and a weight
    /// `[c, o / groups, kernel..]`: `[n, o, output..]`. Each element of the input times the kernel is added to the window of
    /// the result that the convolution computes it of; the padding is cut off from the result. Its extents are
    /// `(input - 1) * stride + (kernel - 1) * dilation + 1 - before - after + output_padding`: the output padding, which
    /// is less than the stride or the dilation, says which of the extents is meant of which a convolution makes the input.
    ///
    /// # Errors
    ///
    /// As [`Tensor::conv`]; if an extent of the result would be less than 1, and if the output padding does not fit.
    pub fn conv_transpose(
        &self,
        weight: &Tensor,
        window: &Window,
        groups: usize,
        output_padding: &[usize],
    ) -> Result<Tensor> {
        Shapes::of("conv_transpose", [self, weight], groups, Order::Transposed)?.transposed(
            [self, weight],
            window,
            output_padding,
        )
    }
}

/// The order of axes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Order {
    /// Input `[n, c, spatial..]` and weight `[o, c, kernel..]`.
    First,
    /// Input `[n, spatial.., c]` and weight `[o, kernel.., c]`.
    Last,
    /// Input `[n, c, spatial..]` and weight `[c, o, kernel..]`.
    Transposed,
}

/// The extents of a convolution.
struct Shapes {
    name: &'static str,
    order: Order,
    types: [TensorType; 2],
    groups: usize,
    batch: usize,
    /// Channels of the input and of the result, in one group.
    channels: [usize; 2],
    spatial: Vec<usize>,
    kernel: Vec<usize>,
    sums: Scalar,
}

impl Shapes {
    fn of(name: &'static str, inputs: [&Tensor; 2], groups: usize, order: Order) -> Result<Shapes> {
        let types = inputs.map(Tensor::ty);
        let refused = |why: String| Err(refused(name, &types, why));
        let [x, weight] = types;
        if !(3..=5).contains(&x.rank()) || weight.rank() != x.rank() {
            return refused("both need the same number of axes, 3 to 5: two and 1 to 3 spatial ones".to_owned());
        }
        if x.dtype != weight.dtype {
            let to = x.dtype;
            return refused(format!("their elements have different types; convert one with `cast(Scalar::{to:?})`"));
        }
        let Some(sums) = summed_in(x.dtype) else {
            let dtype = x.dtype;
            return refused(format!("products of {dtype} are not supported; convert them with `cast(Scalar::F32)`"));
        };
        let split = |shape: &[usize]| match order {
            Order::Last => (shape[shape.len() - 1], shape[1..shape.len() - 1].to_vec()),
            _ => (shape[1], shape[2..].to_vec()),
        };
        let ((c, spatial), (own, kernel)) = (split(&x.shape), split(&weight.shape));
        let first = weight.shape[0];
        if groups == 0 || !c.is_multiple_of(groups) {
            return refused(format!("the {c} channels of the input cannot be divided into {groups} groups"));
        }
        let channels = if order == Order::Transposed {
            if first != c {
                return refused(format!(
                    "the weight must have {c} at its axis 0, the channels of the input, but has {first}"
                ));
            }
            [c / groups, own]
        } else {
            if own != c / groups {
                let axis = if order == Order::Last { weight.rank() - 1 } else { 1 };
                return refused(format!(
                    "the weight must have {} at its axis {axis}, the channels of the input by groups, but has {own}",
                    c / groups
                ));
            }
            if !first.is_multiple_of(groups) {
                return refused(format!("the {first} channels of the result cannot be divided into {groups} groups"));
            }
            [c / groups, first / groups]
        };
        let (types, batch) = (types.map(TensorType::clone), x.shape[0]);
        Ok(Shapes { name, order, types, groups, batch, channels, spatial, kernel, sums })
    }

    fn refused(&self, why: String) -> Error {
        refused(self.name, &[&self.types[0], &self.types[1]], why)
    }

    /// Returns the type of a result with these spatial extents.
    fn output(&self, windows: &[usize]) -> Result<TensorType> {
        let channels = self.channels[1].checked_mul(self.groups);
        let channels = [channels.ok_or_else(|| self.refused("the result has too many channels".to_owned()))?];
        let (batch, dtype) = ([self.batch], self.types[0].dtype);
        let shape: [&[usize]; 3] = match self.order {
            Order::Last => [&batch, windows, &channels],
            _ => [&batch, &channels, windows],
        };
        Ok(TensorType::new(dtype, &shape.concat()))
    }

    /// Returns the extents over which terms are added, and which of them is that of the channels and of each spatial axis.
    /// Axes with one element are left out, if another one is left: products with a kernel of one element are matrix products.
    fn terms(&self) -> (Vec<usize>, Option<usize>, Vec<Option<usize>>) {
        let mut extents = Vec::new();
        let mut add = |extent: usize, keep: bool| {
            (extent != 1 || keep).then(|| {
                extents.push(extent);
                extents.len() - 1
            })
        };
        let channels_alone = self.kernel.iter().all(|extent| *extent == 1);
        if self.order == Order::Last {
            let kernel = self.kernel.iter().map(|extent| add(*extent, false)).collect();
            let channel = add(self.channels[0], channels_alone);
            (extents, channel, kernel)
        } else {
            let channel = add(self.channels[0], channels_alone);
            let kernel = self.kernel.iter().map(|extent| add(*extent, false)).collect();
            (extents, channel, kernel)
        }
    }

    /// Returns the axes of the channel and of the first spatial coordinate of the input and the result.
    fn axes(&self) -> (usize, usize) {
        if self.order == Order::Last { (self.spatial.len() + 1, 1) } else { (1, 2) }
    }

    /// Returns the channel of the input, of that of the result and that inside of the group.
    fn input_channel(&self, at: &[ScalarExpr], inside: Option<&ScalarExpr>) -> ScalarExpr {
        let (own, [channels, results]) = (&at[self.axes().0], self.channels);
        match inside {
            Some(inside) if self.groups == 1 => inside.clone(),
            None if results == 1 || self.groups == 1 => match self.groups {
                1 => zero(),
                _ => own.clone(),
            },
            None => own / results.max(1),
            Some(inside) => own / results.max(1) * channels + inside,
        }
    }

    fn conv(&self, inputs: [&Tensor; 2], window: &Window, precision: Precision) -> Result<Tensor> {
        let windows = window.extents(&self.spatial, &self.kernel, false).map_err(|why| self.refused(why))?;
        let output = self.output(&windows)?;
        let (extents, channel, kernel) = self.terms();
        let rank = output.rank();
        let (place, first) = self.axes();
        let of = (ReduceOp::Sum, extents.as_slice());
        Tensor::define_reduction(self.name, &inputs, output, of, |inputs: &[Input], at: &[ScalarExpr]| {
            let further = |place: &Option<usize>| place.map(|place| at[rank + place].clone());
            let inside = further(&channel);
            let spatial = kernel.iter().enumerate().map(|(axis, place)| {
                let along = window.along(axis, [self.spatial[axis], self.kernel[axis], windows[axis]]);
                along.position(&at[first + axis], further(place).as_ref())
            });
            let spatial: Vec<ScalarExpr> = spatial.collect();
            let inside_kernel = kernel.iter().map(|place| further(place).unwrap_or_else(zero));
            let inside_kernel: Vec<ScalarExpr> = inside_kernel.collect();
            let x_channel = vec![self.input_channel(at, inside.as_ref())];
            let weight_channel = vec![inside.unwrap_or_else(zero)];
            let (batch, result) = (vec![at[0].clone()], vec![at[place].clone()]);
            let read = |input: usize, index: [Vec<ScalarExpr>; 3]| inputs[input].at(index.concat()).cast(self.sums);
            match self.order {
                Order::Last => precision
                    .product(&read(0, [batch, spatial, x_channel]), &read(1, [result, inside_kernel, weight_channel])),
                _ => read(1, [result, weight_channel, inside_kernel]) * read(0, [batch, x_channel, spatial]),
            }
        })
    }

    fn transposed(&self, inputs: [&Tensor; 2], window: &Window, output_padding: &[usize]) -> Result<Tensor> {
        window.check(self.spatial.len(), &self.kernel).map_err(|why| self.refused(why))?;
        if output_padding.len() != self.spatial.len() {
            return Err(self.refused(format!(
                "the output padding {output_padding:?} needs one number per spatial axis, of which there are {}",
                self.spatial.len()
            )));
        }
        let mut results = Vec::new();
        for (axis, further) in output_padding.iter().enumerate() {
            results.push(self.transposed_extent(window, axis, *further).map_err(|why| self.refused(why))?);
        }
        let output = self.output(&results)?;
        let (extents, channel, kernel) = self.terms();
        let rank = output.rank();
        let of = (ReduceOp::Sum, extents.as_slice());
        Tensor::define_reduction(self.name, &inputs, output, of, |inputs: &[Input], at: &[ScalarExpr]| {
            let further = |place: &Option<usize>| place.map(|place| at[rank + place].clone());
            let own = self.input_channel(at, further(&channel).as_ref());
            let result = match (self.groups, self.channels[1]) {
                (1, _) => at[1].clone(),
                (_, 0 | 1) => zero(),
                (_, results) => &at[1] % results,
            };
            let (mut x, mut weight) = (vec![at[0].clone(), own.clone()], vec![own, result]);
            for (axis, place) in kernel.iter().enumerate() {
                let inside = further(place);
                x.push(match inside {
                    None if window.stride[axis] == 1 && window.before[axis] == 0 => {
                        part(&at[2 + axis], results[axis], self.spatial[axis])
                    }
                    _ => source(window, axis, &at[2 + axis], inside.as_ref()),
                });
                weight.push(inside.unwrap_or_else(zero));
            }
            inputs[1].at(weight).cast(self.sums) * inputs[0].at(x).cast(self.sums)
        })
    }

    fn transposed_extent(&self, window: &Window, axis: usize, further: usize) -> std::result::Result<usize, String> {
        let [stride, dilation] = [window.stride[axis], window.dilation[axis]];
        if further >= stride.max(dilation) {
            return Err(format!(
                "the output padding {further} along spatial axis {axis} must be less than the stride {stride} or the dilation \
                 {dilation}"
            ));
        }
        let input = self.spatial[axis];
        let steps =
            input.checked_sub(1).ok_or_else(|| format!("the input has no elements along spatial axis {axis}"))?;
        let whole = steps.saturating_mul(stride).saturating_add(reach(self.kernel[axis], dilation));
        let whole = whole.saturating_add(further);
        let padding = window.before[axis] + window.after[axis];
        match whole.checked_sub(padding) {
            _ if whole > 1 << 30 => {
                Err(format!("the result has {whole} elements along spatial axis {axis}: the most is 2^30"))
            }
            Some(extent) if extent > 0 => Ok(extent),
            _ => Err(format!("{padding} elements of padding leave nothing of {whole} along spatial axis {axis}")),
        }
    }
}

fn zero() -> ScalarExpr {
    ScalarExpr::constant(Scalar::I32, 0.0)
}

/// Returns the coordinate in the input of a transposed convolution of which an element of the kernel is added to an element of
/// the result; outside of the input if there is none.
fn source(window: &Window, axis: usize, result: &ScalarExpr, inside: Option<&ScalarExpr>) -> ScalarExpr {
    let [stride, dilation, before] = [&window.stride, &window.dilation, &window.before].map(|list| list[axis]);
    let mut at = result + before;
    if let Some(inside) = inside {
        at = if dilation == 1 { at - inside } else { at - inside * dilation };
    }
    match stride {
        1 => at,
        _ => (&at % stride).equals(0usize).select(&(&at / stride), &at.same(-1.0)),
    }
}
