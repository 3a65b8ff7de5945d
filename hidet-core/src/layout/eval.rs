//! Properties of a layout: shape, size, offsets, and the number of contiguous elements.

use super::Layout;
use super::construct::product;
use hidet_mapping::index::IndexOp;
use hidet_mapping::{Arith, HostArith, IndexExpr};

impl Layout {
    /// Returns the number of axes.
    pub fn rank(&self) -> usize {
        match self {
            Layout::Strided { shape, .. } | Layout::Local { shape } | Layout::Reshape { shape, .. } => shape.len(),
            Layout::Compose(outer, _) => outer.rank(),
            Layout::Concat(outer, inner) => outer.rank() + inner.rank(),
            Layout::Swizzle { base, .. } => base.rank(),
            Layout::Permute { order, .. } => order.len(),
        }
    }

    /// Returns the extents.
    pub fn shape(&self) -> Vec<IndexExpr> {
        match self {
            Layout::Strided { shape, .. } | Layout::Local { shape } | Layout::Reshape { shape, .. } => shape.clone(),
            Layout::Compose(outer, inner) => {
                outer.shape().into_iter().zip(inner.shape()).map(|(outer, inner)| outer * inner).collect()
            }
            Layout::Concat(outer, inner) => [outer.shape(), inner.shape()].concat(),
            Layout::Swizzle { base, .. } => base.shape(),
            Layout::Permute { base, order } => {
                let shape = base.shape();
                order.iter().filter_map(|axis| shape.get(usize::from(*axis)).cloned()).collect()
            }
        }
    }

    /// Returns the number of elements of memory it needs: the largest offset plus 1.
    pub fn size(&self) -> IndexExpr {
        match self {
            Layout::Strided { shape, strides } => {
                let dense = [Layout::row_major(shape), Layout::column_major(shape)];
                if dense.contains(self) {
                    return product(shape);
                }
                let spans = shape.iter().zip(strides).map(|(extent, stride)| (extent - 1) * stride);
                spans.fold(IndexExpr::Const(0), |sum, span| sum + span) + 1
            }
            Layout::Local { .. } => IndexExpr::Const(1),
            Layout::Compose(outer, inner) | Layout::Concat(outer, inner) => outer.size() * inner.size(),
            Layout::Swizzle { base, .. } | Layout::Permute { base, .. } | Layout::Reshape { base, .. } => base.size(),
        }
    }

    /// Returns the offset of the element at `index`, which must be inside of the shape. The layout must be valid.
    pub fn offset<A: Arith>(&self, arith: &mut A, index: &[A::Int]) -> A::Int {
        let index: Vec<_> = index.iter().cloned().map(Some).collect();
        self.part(arith, &index).unwrap_or_else(|| arith.constant(0))
    }

    /// Returns the [`offset`](Layout::offset) on the host, where symbol `i` has the value `symbols[i]`.
    pub fn offset_at(&self, index: &[i64], symbols: &[i64]) -> Result<i64, &'static str> {
        let mut arith = HostArith::new(symbols);
        let offset = self.offset(&mut arith, index);
        arith.fault.map_or(Ok(offset), Err)
    }

    /// Returns the largest known power of two `n`, at most 16, such that `n` consecutive elements along the last axis,
    /// the first at a multiple of `n`, have consecutive offsets starting at a multiple of `n`: a vector of `n` elements
    /// may be accessed there. Extents known only at launch count for their visible factors only.
    pub fn vector_lanes(&self) -> u32 {
        let lanes = self.run();
        // The largest power of two that divides it.
        let power = if lanes == 0 { 16 } else { 1 << lanes.trailing_zeros().min(4) };
        power as u32
    }

    /// Same as `vector_lanes`, without the restriction to powers of two; 0 is divisible by all numbers.
    fn run(&self) -> u64 {
        match self {
            Layout::Strided { shape, strides } => {
                let Some(((last, others), stride)) = shape.split_last().zip(strides.last()) else { return 1 };
                if stride.as_const() != Some(1) {
                    return 1;
                }
                let others = others.iter().zip(strides).filter(|(extent, _)| extent.as_const() != Some(1));
                others.fold(divisor(last), |run, (_, stride)| gcd(run, divisor(stride)))
            }
            Layout::Local { .. } => 1,
            Layout::Compose(outer, inner) => {
                let (run, size) = (inner.run(), inner.size());
                // The inner tile is one contiguous row, which rows of the outer layout continue.
                let row = inner.shape().last().and_then(IndexExpr::as_const);
                if size.as_const().is_some() && size.as_const() == row && row == Some(run as i64) {
                    run * outer.run()
                } else {
                    gcd(run, divisor(&size))
                }
            }
            Layout::Concat(_, inner) => gcd(inner.run(), divisor(&inner.size())),
            Layout::Swizzle { base, axis, by, log_step } => {
                let last = base.rank().wrapping_sub(1);
                if usize::from(*axis) == last {
                    1
                } else if usize::from(*by) == last {
                    gcd(base.run(), 1u64.checked_shl((*log_step).into()).unwrap_or(0))
                } else {
                    base.run()
                }
            }
            Layout::Permute { base, order } => {
                let keeps = order.last().is_some_and(|axis| usize::from(*axis) + 1 == base.rank());
                if keeps { base.run() } else { 1 }
            }
            Layout::Reshape { base, shape } => gcd(base.run(), shape.last().map_or(1, divisor)),
        }
    }

    /// Returns the offset; `None` is 0, for coordinates as well.
    fn part<A: Arith>(&self, arith: &mut A, index: &[Option<A::Int>]) -> Option<A::Int> {
        match self {
            Layout::Strided { strides, .. } => {
                let mut sum = None;
                for (index, stride) in index.iter().zip(strides) {
                    let term = mul(arith, index, stride);
                    sum = add(arith, sum, term);
                }
                sum
            }
            Layout::Local { .. } => None,
            Layout::Compose(outer, inner) => {
                let (outer_shape, inner_shape) = (outer.shape(), inner.shape());
                let (mut outside, mut inside) = (Vec::new(), Vec::new());
                for ((index, o), i) in index.iter().zip(&outer_shape).zip(&inner_shape) {
                    if o.as_const() == Some(1) {
                        outside.push(None);
                        inside.push(index.clone());
                    } else {
                        outside.push(div(arith, index, i));
                        inside.push(rem(arith, index, i));
                    }
                }
                tiled(arith, (outer, &outside), (inner, &inside))
            }
            Layout::Concat(outer, inner) => {
                let (outside, inside) = index.split_at(outer.rank().min(index.len()));
                tiled(arith, (outer, outside), (inner, inside))
            }
            Layout::Swizzle { base, axis, by, log_step } => {
                let (axis, by) = (usize::from(*axis), usize::from(*by));
                let shape = base.shape();
                let step = 1i64.checked_shl((*log_step).into()).unwrap_or(i64::MAX);
                let mut pattern = div(arith, &index[by], &IndexExpr::Const(step));
                let fits = match (shape[by].as_const(), shape[axis].as_const()) {
                    (Some(by), Some(axis)) => (by - 1) / step < axis,
                    _ => false,
                };
                if !fits {
                    pattern = rem(arith, &pattern, &shape[axis]);
                }
                let mut index = index.to_vec();
                index[axis] = match (&index[axis], pattern) {
                    (Some(index), Some(pattern)) => Some(arith.xor(index, &pattern)),
                    (None, pattern) => pattern,
                    (index, None) => index.clone(),
                };
                base.part(arith, &index)
            }
            Layout::Permute { base, order } => {
                let mut inverse = vec![None; index.len()];
                for (axis, index) in order.iter().zip(index) {
                    inverse[usize::from(*axis)] = index.clone();
                }
                base.part(arith, &inverse)
            }
            Layout::Reshape { base, shape } => {
                let mut linear = None;
                for (index, extent) in index.iter().zip(shape) {
                    let scaled = mul(arith, &linear, extent);
                    linear = add(arith, scaled, index.clone());
                }
                let old = base.shape();
                let mut index = vec![None; old.len()];
                for (axis, extent) in old.iter().enumerate().rev() {
                    if axis == 0 {
                        index[0] = linear.take();
                    } else {
                        index[axis] = rem(arith, &linear, extent);
                        linear = div(arith, &linear, extent);
                    }
                }
                base.part(arith, &index)
            }
        }
    }
}

/// `outer(outside) * size(inner) + inner(inside)`
fn tiled<A: Arith>(
    arith: &mut A,
    (outer, outside): (&Layout, &[Option<A::Int>]),
    (inner, inside): (&Layout, &[Option<A::Int>]),
) -> Option<A::Int> {
    let tile = outer.part(arith, outside);
    let start = mul(arith, &tile, &inner.size());
    let rest = inner.part(arith, inside);
    add(arith, start, rest)
}

fn add<A: Arith>(arith: &mut A, a: Option<A::Int>, b: Option<A::Int>) -> Option<A::Int> {
    match (a, b) {
        (Some(a), Some(b)) => Some(arith.add(&a, &b)),
        (a, b) => a.or(b),
    }
}

fn mul<A: Arith>(arith: &mut A, a: &Option<A::Int>, by: &IndexExpr) -> Option<A::Int> {
    match by.as_const() {
        Some(0) => None,
        Some(1) => a.clone(),
        _ => a.as_ref().map(|a| {
            let by = by.emit(arith);
            arith.mul(a, &by)
        }),
    }
}

fn div<A: Arith>(arith: &mut A, a: &Option<A::Int>, by: &IndexExpr) -> Option<A::Int> {
    match by.as_const() {
        Some(1) => a.clone(),
        _ => a.as_ref().map(|a| {
            let by = by.emit(arith);
            arith.div(a, &by)
        }),
    }
}

fn rem<A: Arith>(arith: &mut A, a: &Option<A::Int>, by: &IndexExpr) -> Option<A::Int> {
    match by.as_const() {
        Some(1) => None,
        _ => a.as_ref().map(|a| {
            let by = by.emit(arith);
            arith.rem(a, &by)
        }),
    }
}

/// Returns the largest known divisor; 0 for 0.
fn divisor(expr: &IndexExpr) -> u64 {
    match expr {
        IndexExpr::Const(value) => value.unsigned_abs(),
        IndexExpr::Binary(IndexOp::Mul, a, b) => divisor(a).saturating_mul(divisor(b)),
        IndexExpr::Binary(IndexOp::Add | IndexOp::Sub | IndexOp::Min | IndexOp::Max, a, b) => {
            gcd(divisor(a), divisor(b))
        }
        _ => 1,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
