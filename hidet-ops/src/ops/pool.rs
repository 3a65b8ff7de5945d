//! Pools: the largest element or the mean of each window.

use super::window::{Along, Window};
use super::{computed_in, refused};
use crate::error::{Error, Result, TensorType};
use crate::expr::{ExprNode, ScalarExpr};
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::types::Scalar;

impl Tensor {
    /// Returns the largest element of each window of the last axes, as many as the kernel has: `[.., windows..]`. Padding does
    /// not count; a window in which there is nothing else has the least number of the type. With `ceil` a last window that is
    /// not whole counts too, if it does not begin behind the input.
    ///
    /// # Errors
    ///
    /// If the kernel has not 1 to 3 axes or more than the tensor, a window is larger than the padded input, or elements
    /// are not numbers.
    pub fn max_pool(&self, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
        Pool::of("max_pool", self, kernel.len(), 0)?.largest_of(kernel, window, ceil)
    }

    /// The same of `[.., spatial.., c]`: `[.., windows.., c]`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::max_pool`].
    pub fn max_pool_channels_last(&self, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
        Pool::of("max_pool_channels_last", self, kernel.len(), 1)?.largest_of(kernel, window, ceil)
    }

    /// Returns the mean of each window of the last axes, as [`Tensor::max_pool`] does the largest element. With `padding`
    /// the padding counts as elements that are 0, else it does not count; a window in which there is nothing else has the
    /// mean 0. Elements of `f16` and `bf16` are added in `f32`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::max_pool`], and if the elements are not floats.
    pub fn avg_pool(&self, kernel: &[usize], window: &Window, ceil: bool, padding: bool) -> Result<Tensor> {
        Pool::of("avg_pool", self, kernel.len(), 0)?.mean_of(kernel, window, ceil, padding)
    }

    /// The same of `[.., spatial.., c]`: `[.., windows.., c]`.
    ///
    /// # Errors
    ///
    /// As [`Tensor::avg_pool`].
    pub fn avg_pool_channels_last(
        &self,
        kernel: &[usize],
        window: &Window,
        ceil: bool,
        padding: bool,
    ) -> Result<Tensor> {
        Pool::of("avg_pool_channels_last", self, kernel.len(), 1)?.mean_of(kernel, window, ceil, padding)
    }

    /// Returns the largest element of each of `sizes` parts of the last axes: part `i` of `size` goes from element
    /// `floor(i * extent / size)` to `ceil((i + 1) * extent / size)`.
    ///
    /// # Errors
    ///
    /// If `sizes` has not 1 to 3 numbers or more than the tensor has axes, an axis has no elements, or elements are not
    /// numbers.
    pub fn adaptive_max_pool(&self, sizes: &[usize]) -> Result<Tensor> {
        let pool = Pool::of("adaptive_max_pool", self, sizes.len(), 0)?;
        pool.largest(&pool.parts(sizes)?)
    }

    /// Returns the mean of each of `sizes` parts of the last axes; see [`Tensor::adaptive_max_pool`].
    ///
    /// # Errors
    ///
    /// As [`Tensor::adaptive_max_pool`], and if the elements are not floats.
    pub fn adaptive_avg_pool(&self, sizes: &[usize]) -> Result<Tensor> {
        self.averaged("adaptive_avg_pool", sizes)
    }

    /// Returns the means of all elements of each channel of `[n, c, spatial..]`: `[n, c, 1..]`.
    ///
    /// # Errors
    ///
    /// If there are not 3 to 5 axes, a spatial one has no elements, or the elements are not floats.
    pub fn global_avg_pool(&self) -> Result<Tensor> {
        let rank = self.ty().rank();
        if !(3..=5).contains(&rank) {
            return Err(refused("global_avg_pool", &[self.ty()], "it needs 3 to 5 axes: two and 1 to 3 spatial ones"));
        }
        self.averaged("global_avg_pool", &vec![1; rank - 2])
    }

    fn averaged(&self, name: &'static str, sizes: &[usize]) -> Result<Tensor> {
        let pool = Pool::of(name, self, sizes.len(), 0)?;
        self.only_floats(name)?;
        let all = pool.parts(sizes)?;
        let whole = |place: &Place| match place {
            Place::Window(along) => along.kernel(),
            Place::Part(..) => 1,
        };
        let whole: usize = all.iter().map(whole).product();
        pool.mean(&all, |at| {
            let counts = all.iter().zip(at).filter_map(|(place, at)| match place {
                Place::Window(_) => None,
                Place::Part(..) => {
                    let [begin, end] = place.bounds(at);
                    Some(end - begin)
                }
            });
            (whole as f64, counts.collect())
        })
    }
}

/// A pool of the last axes of a tensor, or of those before its channels.
struct Pool<'a> {
    name: &'static str,
    x: &'a Tensor,
    /// The number of axes in front.
    front: usize,
    /// The number of axes behind: 1 if channels are last.
    behind: usize,
    spatial: Vec<usize>,
}

/// Where the windows of a pool are along an axis.
#[derive(Clone, Copy)]
enum Place {
    /// At equal distances.
    Window(Along),
    /// Parts of this many elements, of which they have at most as many as the kernel; the number is that of the parts.
    Part(Along, usize),
}

impl Place {
    fn along(&self) -> &Along {
        match self {
            Place::Window(along) | Place::Part(along, _) => along,
        }
    }

    /// Returns where a part begins and ends.
    fn bounds(&self, part: &ScalarExpr) -> [ScalarExpr; 2] {
        let (extent, parts) = match self {
            Place::Window(along) => (along.input(), 1),
            Place::Part(along, parts) => (along.input(), *parts),
        };
        // Products must not overflow.
        let wide = extent.saturating_mul(parts + 1) > 1 << 30;
        let part = part.cast(if wide { Scalar::I64 } else { Scalar::I32 });
        let (begin, end) = (&part * extent / parts, ((&part + 1usize) * extent + (parts - 1)) / parts);
        [begin.cast(Scalar::I32), end.cast(Scalar::I32)]
    }

    /// Returns the coordinate in the input of an element of a window, and whether it counts, if not all do.
    fn position(&self, window: &ScalarExpr, inside: &ScalarExpr) -> (ScalarExpr, Option<ScalarExpr>) {
        match self {
            Place::Window(along) => {
                let position = along.position(window, Some(inside));
                let counts = along.is_inside(&position);
                (position, counts)
            }
            Place::Part(..) => {
                let [begin, end] = self.bounds(window);
                let position = begin + inside;
                let counts = position.lt(end);
                (position, Some(counts))
            }
        }
    }
}

impl<'a> Pool<'a> {
    fn of(name: &'static str, x: &'a Tensor, axes: usize, behind: usize) -> Result<Pool<'a>> {
        let front = x.ty().rank().checked_sub(axes + behind).filter(|_| (1..=3).contains(&axes));
        let Some(front) = front else {
            let which = if behind == 0 { "which are the last ones" } else { "which are those before the last one" };
            let why = format!("{axes} axes of {} cannot be pooled: it takes 1 to 3, {which}", x.ty().rank());
            return Err(refused(name, &[x.ty()], why));
        };
        let dtype = computed_in(x.dtype());
        if dtype == Scalar::Bool || dtype.is_float() && !ReduceOp::TYPES.contains(&dtype) {
            let why = format!("{dtype} cannot be pooled; convert the tensor with `cast` before");
            return Err(refused(name, &[x.ty()], why));
        }
        Ok(Pool { name, x, front, behind, spatial: x.shape()[front..front + axes].to_vec() })
    }

    fn refused(&self, why: String) -> Error {
        refused(self.name, &[self.x.ty()], why)
    }

    fn largest_of(&self, kernel: &[usize], window: &Window, ceil: bool) -> Result<Tensor> {
        let windows = window.extents(&self.spatial, kernel, ceil).map_err(|why| self.refused(why))?;
        self.largest(&self.along(window, kernel, &windows))
    }

    fn mean_of(&self, kernel: &[usize], window: &Window, ceil: bool, padding: bool) -> Result<Tensor> {
        self.x.only_floats(self.name)?;
        let windows = window.extents(&self.spatial, kernel, ceil).map_err(|why| self.refused(why))?;
        let all = self.along(window, kernel, &windows);
        let ranges: Vec<[usize; 2]> = match padding {
            true => window.before.iter().zip(&window.after).map(|(before, after)| [*before, *after]).collect(),
            false => vec![[0, 0]; kernel.len()],
        };
        // Where the number of elements depends on the window.
        let leaves = |(place, range): (&Place, &[usize; 2])| place.along().leaves(*range).contains(&true);
        let differ: Vec<bool> = all.iter().zip(&ranges).map(leaves).collect();
        let whole: usize =
            kernel.iter().zip(&differ).filter(|(_, differs)| !**differs).map(|(extent, _)| *extent).product();
        self.mean(&all, |at| {
            let counts = all.iter().zip(&ranges).enumerate().filter(|(axis, _)| differ[*axis]);
            let counts = counts.map(|(axis, (place, range))| place.along().count(&at[axis], *range));
            (whole as f64, counts.collect())
        })
    }

    fn along(&self, window: &Window, kernel: &[usize], windows: &[usize]) -> Vec<Place> {
        let along = |axis| window.along(axis, [self.spatial[axis], kernel[axis], windows[axis]]);
        (0..kernel.len()).map(|axis| Place::Window(along(axis))).collect()
    }

    /// Returns the parts of an adaptive pool: windows at equal distances if all have as many elements.
    fn parts(&self, sizes: &[usize]) -> Result<Vec<Place>> {
        let place = |(extent, size): (&usize, &usize)| {
            if *extent == 0 {
                return Err(self.refused("it has no elements along an axis that is pooled".to_owned()));
            }
            if *size > i32::MAX as usize {
                return Err(self.refused(format!("an extent of the result is {size}: extents are less than 2^31")));
            }
            if *size > 0 && extent.is_multiple_of(*size) {
                return Ok(Place::Window(Along::apart([*extent, extent / size, *size], extent / size)));
            }
            let most = (*extent).min(extent / (*size).max(1) + 2);
            Ok(Place::Part(Along::apart([*extent, most, *size], 1), (*size).max(1)))
        };
        self.spatial.iter().zip(sizes).map(place).collect()
    }

    /// Returns the reduction of the windows in a type; elements that do not count are `otherwise`.
    fn reduced(&self, all: &[Place], op: ReduceOp, otherwise: &ScalarExpr, to: Scalar) -> Result<Tensor> {
        let x = self.x.ty();
        let kernel: Vec<usize> = all.iter().map(|place| place.along().kernel()).collect();
        let windows: Vec<usize> = all.iter().map(|place| place.along().output()).collect();
        let after = self.front + kernel.len();
        let output = TensorType::new(to, &[&x.shape[..self.front], &windows, &x.shape[after..]].concat());
        let rank = output.rank();
        Tensor::define_reduction(self.name, &[self.x], output, (op, &kernel), |inputs, at| {
            let mut index = at[..self.front].to_vec();
            let mut counts: Option<ScalarExpr> = None;
            for (axis, place) in all.iter().enumerate() {
                let (position, own) = place.position(&at[self.front + axis], &at[rank + axis]);
                index.push(position);
                // What is outside is 0, which is as good as nothing in a sum.
                let own = own.filter(|_| op != ReduceOp::Sum || matches!(place, Place::Part(..)));
                counts = counts.into_iter().chain(own).reduce(|all, own| all & own);
            }
            index.extend_from_slice(&at[after..rank]);
            let element = inputs[0].at(index).cast(otherwise.dtype());
            counts.map_or_else(|| element.clone(), |counts| counts.select(&element, otherwise))
        })
    }

    fn largest(&self, all: &[Place]) -> Result<Tensor> {
        let dtype = self.x.dtype();
        let terms = match computed_in(dtype) {
            dtype if ReduceOp::TYPES.contains(&dtype) => dtype,
            _ => Scalar::I32,
        };
        let least = ScalarExpr::new(dtype, ExprNode::Const(ReduceOp::Max.identity(dtype))).cast(terms);
        self.reduced(all, ReduceOp::Max, &least, dtype)
    }

    /// Returns the sums of the windows divided by how many elements they have: a number, times some that `counts` returns of
    /// the coordinates of the window.
    fn mean(&self, all: &[Place], counts: impl Fn(&[ScalarExpr]) -> (f64, Vec<ScalarExpr>)) -> Result<Tensor> {
        let (dtype, sums) = (self.x.dtype(), computed_in(self.x.dtype()));
        let sum = self.reduced(all, ReduceOp::Sum, &ScalarExpr::constant(sums, 0.0), sums)?;
        let output = TensorType::new(dtype, sum.shape());
        Tensor::define("div", &[&sum], output, |inputs, at| {
            let (whole, further) = counts(&at[self.front..at.len() - self.behind]);
            let count = further.iter().fold(ScalarExpr::constant(sums, whole), |all, one| all * one.cast(sums));
            (inputs[0].at(at.to_vec()) / count).cast(dtype)
        })
    }
}
