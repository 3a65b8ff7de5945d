//! Parts of tensors, and elements in another order.

use super::{axes, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;

/// Which elements of an axis are taken: `count` of them from `start` on, `step` apart.
struct Range {
    start: i64,
    step: i64,
    count: usize,
}

impl Range {
    /// Returns what `start..end` in steps takes of an axis: negative bounds count from the end, and are moved to the axis.
    fn of([start, end, step]: [i64; 3], extent: usize) -> Range {
        let extent = extent as i64;
        // The bounds that a position is moved to: backwards, one before the first element is an end.
        let (least, most) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
        let bound = |at: i64| if at < 0 { at.saturating_add(extent).max(least) } else { at.min(most) };
        let (start, end) = (bound(start), bound(end));
        let distance = if step > 0 { end - start } else { start - end };
        let count = distance.max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        // The step to a second element is needed only if there is one.
        Range { start, step: if count > 1 { step } else { 1 }, count }
    }

    /// Returns the index of an element of the part.
    fn index(&self, at: &ScalarExpr, extent: usize) -> ScalarExpr {
        match (self.start, self.step, self.count) {
            (0, 1, count) if count == extent => at.clone(),
            (_, _, 0) => at.same(0.0),
            (start, 1, _) => at + start,
            (start, step, _) => at * step + start,
        }
    }
}

impl Tensor {
    /// Returns a part of the tensor, of elements of any type: of each listed `(axis, start, end, step)` the elements from
    /// `start` on, `step` apart, before `end`. As in NumPy, negative bounds count from the end of the axis, bounds beyond
    /// the axis are moved to it, and a negative step goes backwards; `end = i64::MIN` then goes to the first element.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::Tensor;
    ///
    /// let x = Tensor::from(&Device::sim().tensor(&[0, 1, 2, 3, 4], [5])?);
    /// assert_eq!(x.slice(&[(0, 1, -1, 2)])?.to_vec::<i32>()?, [1, 3]);
    /// assert_eq!(x.slice(&[(0, -1, i64::MIN, -2)])?.to_vec::<i32>()?, [4, 2, 0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If an axis is named twice or does not exist, or a step is 0.
    pub fn slice(&self, parts: &[(usize, i64, i64, i64)]) -> Result<Tensor> {
        self.part("slice", parts)
    }

    fn part(&self, name: &'static str, parts: &[(usize, i64, i64, i64)]) -> Result<Tensor> {
        axes::different(name, self, &parts.iter().map(|part| part.0).collect::<Vec<_>>())?;
        if let Some((axis, ..)) = parts.iter().find(|(.., step)| *step == 0) {
            let why = format!("the step along axis {axis} is 0: it must be positive or negative");
            return Err(refused(name, &[self.ty()], why));
        }
        let shape = self.shape();
        let mut ranges: Vec<Range> = shape.iter().map(|extent| Range { start: 0, step: 1, count: *extent }).collect();
        for (axis, start, end, step) in parts {
            ranges[*axis] = Range::of([*start, *end, *step], shape[*axis]);
        }
        let counts: Vec<usize> = ranges.iter().map(|range| range.count).collect();
        Tensor::define(name, &[self], TensorType::new(self.dtype(), &counts), |inputs, at| {
            inputs[0].at((0..shape.len()).map(|axis| ranges[axis].index(&at[axis], shape[axis])))
        })
    }

    /// Returns the tensor with the elements along these axes in reverse order, of any type.
    ///
    /// # Errors
    ///
    /// If an axis is named twice or does not exist.
    pub fn flip(&self, axes: &[usize]) -> Result<Tensor> {
        axes::different("flip", self, axes)?;
        let parts: Vec<_> = axes.iter().map(|axis| (*axis, -1, i64::MIN, -1)).collect();
        self.part("flip", &parts)
    }

    /// Returns the tensor whose element `i` along an axis is element `i - shift` of this one, counted around the axis:
    /// elements move towards the end, and those that leave it come in at the front. They may be of any type.
    ///
    /// # Errors
    ///
    /// If there is no such axis.
    pub fn roll(&self, shift: i64, axis: usize) -> Result<Tensor> {
        axes::one("roll", self, axis)?;
        let extent = self.shape()[axis];
        // How many elements come from the front, and from where on.
        let start = (extent as i64 - shift.rem_euclid(extent.max(1) as i64)) % extent.max(1) as i64;
        Tensor::define("roll", &[self], self.ty().clone(), |inputs, at| {
            let mut index = at.to_vec();
            if start > 0 {
                let rest = extent as i64 - start;
                index[axis] = at[axis].lt(rest).select(&(&at[axis] + start), &(&at[axis] - rest));
            }
            inputs[0].at(index)
        })
    }

    /// Returns parts of these sizes along an axis, one behind the other, of elements of any type.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or the sizes are not together its extent.
    pub fn split(&self, axis: usize, sizes: &[usize]) -> Result<Vec<Tensor>> {
        axes::one("split", self, axis)?;
        let extent = self.shape()[axis];
        if sizes.iter().try_fold(0usize, |sum, size| sum.checked_add(*size)) != Some(extent) {
            let why = format!("parts of {sizes:?} elements are not together the {extent} of axis {axis}");
            return Err(refused("split", &[self.ty()], why));
        }
        let mut start = 0;
        let part = |size: &usize| {
            let first = start;
            start += *size as i64;
            self.part("split", &[(axis, first, start, 1)])
        };
        sizes.iter().map(part).collect()
    }
}
