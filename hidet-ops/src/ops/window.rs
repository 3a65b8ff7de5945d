//! [`Window`]: where the windows of convolutions and pools are.

use crate::expr::{ExprNode, ScalarExpr};
use hidet::types::Scalar;

/// Where windows of a kernel begin, along each spatial axis: a window begins `stride` elements behind the one before, its
/// elements are `dilation` apart, and there are `before` and `after` elements of padding beside the input.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// The distance between the beginnings of adjacent windows.
    pub stride: Vec<usize>,
    /// The distance between adjacent elements of a window.
    pub dilation: Vec<usize>,
    /// The elements of padding in front of the input.
    pub before: Vec<usize>,
    /// The elements of padding behind the input.
    pub after: Vec<usize>,
}

impl Window {
    /// Returns windows along a number of axes: one begins at each element, their elements are adjacent, and there is no
    /// padding.
    pub fn new(axes: usize) -> Window {
        Window { stride: vec![1; axes], dilation: vec![1; axes], before: vec![0; axes], after: vec![0; axes] }
    }

    /// Sets the distances between the beginnings of adjacent windows.
    pub fn stride(self, stride: &[usize]) -> Window {
        Window { stride: stride.to_vec(), ..self }
    }

    /// Sets the distances between adjacent elements of a window.
    pub fn dilation(self, dilation: &[usize]) -> Window {
        Window { dilation: dilation.to_vec(), ..self }
    }

    /// Sets the padding on both sides.
    pub fn padding(self, padding: &[usize]) -> Window {
        self.padding_of(padding, padding)
    }

    /// Sets the padding in front of the input and behind it.
    pub fn padding_of(self, before: &[usize], after: &[usize]) -> Window {
        Window { before: before.to_vec(), after: after.to_vec(), ..self }
    }

    /// Returns the extents of the result for an input and a kernel with these extents. If `ceil`, a last window that is not
    /// whole counts too, if it begins in the input or in the padding in front of it.
    ///
    /// # Errors
    ///
    /// Says what does not fit: lists with another length, strides, dilations and kernels of 0, and kernels that are larger
    /// than the padded input.
    pub fn extents(&self, input: &[usize], kernel: &[usize], ceil: bool) -> Result<Vec<usize>, String> {
        self.check(input.len(), kernel)?;
        (0..input.len()).map(|axis| self.extent(axis, input[axis], kernel[axis], ceil)).collect()
    }

    /// Returns an error if the lists do not fit a number of axes, or numbers are 0 that may not be.
    pub(super) fn check(&self, axes: usize, kernel: &[usize]) -> Result<(), String> {
        let lists = [
            ("stride", &self.stride),
            ("dilation", &self.dilation),
            ("padding before", &self.before),
            ("padding after", &self.after),
        ];
        let lists = lists.into_iter().map(|(name, list)| (name, list.as_slice()));
        for (name, list) in lists.chain([("kernel", kernel)]) {
            if list.len() != axes {
                return Err(format!(
                    "the {name} {list:?} needs one number per spatial axis, of which there are {axes}"
                ));
            }
            if !name.starts_with("padding") && list.contains(&0) {
                return Err(format!("the {name} {list:?} has a 0: the least is 1"));
            }
            if let Some(number) = list.iter().find(|number| **number > MOST) {
                return Err(format!("the {name} {list:?} has {number}: the most is 2^28"));
            }
        }
        Ok(())
    }

    fn extent(&self, axis: usize, input: usize, kernel: usize, ceil: bool) -> Result<usize, String> {
        let padded = input.saturating_add(self.before[axis] + self.after[axis]);
        let reach = reach(kernel, self.dilation[axis]);
        if padded > MOST * 4 {
            return Err(format!(
                "the input has {padded} elements with padding along spatial axis {axis}: the most is 2^30"
            ));
        }
        if reach > padded {
            return Err(format!(
                "a window of {reach} elements (kernel {kernel}, dilation {}) is larger than the input along spatial axis \
                 {axis}, {input} with {} and {} of padding",
                self.dilation[axis], self.before[axis], self.after[axis]
            ));
        }
        let (rest, stride) = (padded - reach, self.stride[axis]);
        if !ceil {
            return Ok(rest / stride + 1);
        }
        let windows = rest.div_ceil(stride) + 1;
        let begins_behind = (windows - 1) * stride >= input + self.before[axis];
        Ok(if begins_behind && windows > 1 { windows - 1 } else { windows })
    }

    /// Returns how far windows go along an axis: for results with `output` elements, an input and a kernel.
    pub(super) fn along(&self, axis: usize, [input, kernel, output]: [usize; 3]) -> Along {
        let [stride, dilation, before] = [&self.stride, &self.dilation, &self.before].map(|list| list[axis]);
        Along { input, kernel, output, stride, dilation, before }
    }
}

/// The most of a stride, a dilation, a padding and a kernel: coordinates have 31 bits.
const MOST: usize = 1 << 28;

/// Returns how many elements a window covers.
pub(super) fn reach(kernel: usize, dilation: usize) -> usize {
    (kernel - 1).saturating_mul(dilation).saturating_add(1)
}

/// The windows along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Along {
    input: usize,
    kernel: usize,
    output: usize,
    stride: usize,
    dilation: usize,
    before: usize,
}

impl Along {
    /// Returns the coordinate in the input of an element of a window: `window` is the coordinate of the window, `inside` that
    /// of the element in it, if the kernel has more than one element. Where windows are the elements, or the one window is
    /// the axis, that is the coordinate itself.
    pub(super) fn position(&self, window: &ScalarExpr, inside: Option<&ScalarExpr>) -> ScalarExpr {
        let padded = self.before > 0;
        let inside = inside.filter(|_| self.kernel > 1);
        match inside {
            None if self.stride == 1 && !padded => part(window, self.output, self.input),
            Some(inside) if self.output == 1 && self.dilation == 1 && !padded => part(inside, self.kernel, self.input),
            _ => {
                let mut at = (self.output > 1).then(|| times(window, self.stride));
                if let Some(inside) = inside {
                    let inside = times(inside, self.dilation);
                    at = Some(at.map_or_else(|| inside.clone(), |at| at + &inside));
                }
                let at = at.unwrap_or_else(|| ScalarExpr::constant(Scalar::I32, 0.0));
                match at.node() {
                    _ if padded => at - self.before,
                    ExprNode::Axis(_) => at + 0usize,
                    _ => at,
                }
            }
        }
    }

    /// Returns adjacent elements as windows that begin at these distances: of an axis, a kernel and a result with these
    /// extents.
    pub(super) fn apart([input, kernel, output]: [usize; 3], stride: usize) -> Along {
        Along { input, kernel, output, stride, dilation: 1, before: 0 }
    }

    /// Returns the extent of the axis.
    pub(super) fn input(&self) -> usize {
        self.input
    }

    /// Returns the number of elements of a window.
    pub(super) fn kernel(&self) -> usize {
        self.kernel
    }

    /// Returns the number of windows.
    pub(super) fn output(&self) -> usize {
        self.output
    }

    /// Returns true if windows have elements outside of the input with these elements beside it, in front and behind.
    pub(super) fn leaves(&self, [before, after]: [usize; 2]) -> [bool; 2] {
        let end = (self.output.max(1) - 1) * self.stride + reach(self.kernel, self.dilation);
        [self.before > before, end > self.input + self.before + after]
    }

    /// Returns true where a position is in the input; nothing if all are.
    pub(super) fn is_inside(&self, position: &ScalarExpr) -> Option<ScalarExpr> {
        let [front, behind] = self.leaves([0, 0]);
        let all = [front.then(|| position.ge(0usize)), behind.then(|| position.lt(self.input))];
        all.into_iter().flatten().reduce(|all, one| all & one)
    }

    /// Returns how many elements of a window are in the input with `before` and `after` elements beside it, as an `i32`; 1 of
    /// none.
    pub(super) fn count(&self, window: &ScalarExpr, [before, after]: [usize; 2]) -> ScalarExpr {
        // From the first element of the window that is there to the first that is not there any more.
        let first = window * self.stride + before;
        let first = first - self.before;
        let end = self.input + before + after;
        let steps = |distance: ScalarExpr| {
            let up = distance.max(0usize) + (self.dilation - 1);
            if self.dilation == 1 { up } else { up / self.dilation }
        };
        let missing = steps(first.same(0.0) - &first);
        let there = steps(first.same(end as f64) - &first).min(self.kernel);
        (there - missing).max(1usize)
    }
}

fn times(coordinate: &ScalarExpr, factor: usize) -> ScalarExpr {
    if factor == 1 { coordinate.clone() } else { coordinate * factor }
}

/// Returns a coordinate that goes to `extent` along an axis: itself if that is the whole axis.
pub(super) fn part(coordinate: &ScalarExpr, extent: usize, axis: usize) -> ScalarExpr {
    if extent == axis { coordinate.clone() } else { coordinate + 0usize }
}
