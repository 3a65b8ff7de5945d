//! Constructors of layouts. They do not fail: [`Layout::check`] reports errors.

use super::{Layout, LayoutError};
use hidet_mapping::{AtomKind, IndexExpr, MappingError, TaskMapping};
use std::ops::{Add, Mul};

fn exprs<E: Into<IndexExpr>>(extents: impl IntoIterator<Item = E>) -> Vec<IndexExpr> {
    extents.into_iter().map(Into::into).collect()
}

/// Returns the product of extents.
pub(super) fn product(extents: &[IndexExpr]) -> IndexExpr {
    extents.iter().fold(IndexExpr::Const(1), |product, extent| product * extent)
}

impl Layout {
    /// Returns a row-major layout: the last axis is contiguous.
    pub fn row_major<E: Into<IndexExpr>>(shape: impl IntoIterator<Item = E>) -> Layout {
        let shape = exprs(shape);
        let strides = (0..shape.len()).map(|axis| product(&shape[axis + 1..])).collect();
        Layout::Strided { shape, strides }
    }

    /// Returns a column-major layout: the first axis is contiguous.
    pub fn column_major<E: Into<IndexExpr>>(shape: impl IntoIterator<Item = E>) -> Layout {
        let shape = exprs(shape);
        let strides = (0..shape.len()).map(|axis| product(&shape[..axis])).collect();
        Layout::Strided { shape, strides }
    }

    /// Returns a dense layout with an order of the axes: rank 0 varies slowest, the highest rank is contiguous.
    pub fn ranked<E: Into<IndexExpr>>(shape: impl IntoIterator<Item = E>, ranks: &[u8]) -> Layout {
        let shape = exprs(shape);
        let faster = |axis: usize| {
            let own = ranks.get(axis);
            let extents = shape.iter().enumerate().filter(|(other, _)| ranks.get(*other) > own);
            extents.fold(IndexExpr::Const(1), |stride, (_, extent)| stride * extent)
        };
        let strides = (0..shape.len()).map(faster).collect();
        Layout::Strided { shape, strides }
    }

    /// Returns a layout with any strides, in elements.
    pub fn strided<E: Into<IndexExpr>, S: Into<IndexExpr>>(
        shape: impl IntoIterator<Item = E>,
        strides: impl IntoIterator<Item = S>,
    ) -> Layout {
        Layout::Strided { shape: exprs(shape), strides: exprs(strides) }
    }

    /// Returns a layout in which each worker owns one element: the offset is always 0.
    pub fn local<E: Into<IndexExpr>>(shape: impl IntoIterator<Item = E>) -> Layout {
        Layout::Local { shape: exprs(shape) }
    }

    /// Replaces the coordinate along `axis` by itself XOR `(coordinate[by] >> log_step)`, to avoid bank conflicts.
    pub fn swizzle(self, axis: u8, by: u8, log_step: u8) -> Layout {
        Layout::Swizzle { base: Box::new(self), axis, by, log_step }
    }

    /// Permutes the axes: axis `k` of the result is axis `order[k]` of this layout.
    pub fn permute(self, order: &[u8]) -> Layout {
        match &self {
            Layout::Strided { shape, strides } if super::check::is_permutation(order, shape.len()) => {
                let pick = |from: &[IndexExpr]| order.iter().map(|axis| from[usize::from(*axis)].clone()).collect();
                Layout::Strided { shape: pick(shape), strides: pick(strides) }
            }
            _ => Layout::Permute { base: Box::new(self), order: order.to_vec() },
        }
    }

    /// Returns the same elements in row-major order with another shape of the same size.
    pub fn reshape<E: Into<IndexExpr>>(self, shape: impl IntoIterator<Item = E>) -> Layout {
        let shape = exprs(shape);
        let old = self.shape();
        if old == shape {
            return self;
        }
        if product(&old) == product(&shape) && self == Layout::row_major(&old) {
            return Layout::row_major(shape);
        }
        Layout::Reshape { base: Box::new(self), shape }
    }

    /// Returns the layout of owners: the offset of an element is the number of the worker that owns it, among those
    /// that [`local`](Layout::local) axes distribute the elements over. It has size 1 without local axes.
    pub fn owners(&self) -> Layout {
        let of = |layout: &Layout| Box::new(layout.owners());
        match self {
            Layout::Strided { shape, .. } => Layout::Local { shape: shape.clone() },
            Layout::Local { shape } => Layout::row_major(shape),
            Layout::Compose(outer, inner) => Layout::Compose(of(outer), of(inner)),
            Layout::Concat(outer, inner) => Layout::Concat(of(outer), of(inner)),
            Layout::Swizzle { base, axis, by, log_step } => {
                Layout::Swizzle { base: of(base), axis: *axis, by: *by, log_step: *log_step }
            }
            Layout::Permute { base, order } => Layout::Permute { base: of(base), order: order.clone() },
            Layout::Reshape { base, shape } => Layout::Reshape { base: of(base), shape: shape.clone() },
        }
    }

    /// Returns the layout of the array in which a worker keeps the results of its tasks, by the duality of mappings and
    /// layouts: `spatial` becomes [`local`](Layout::local), `repeat` a dense layout in the order of its loops. The
    /// coordinates are those of the task domain; the offset of the worker's `k`-th task is `k`. If axes are projected,
    /// tasks with equal coordinates share an element.
    pub fn registers<const R: usize>(mapping: &TaskMapping<R>) -> Result<Layout, LayoutError> {
        mapping.check().map_err(LayoutError::Mapping)?;
        let mut whole: Option<Layout> = None;
        for atom in mapping.atoms() {
            let shape = (0..R).map(|axis| atom.extent(axis));
            let part = match atom.kind {
                AtomKind::Repeat { ranks, .. } => Layout::ranked(shape, &ranks),
                AtomKind::Spatial { .. } => Layout::local(shape),
                AtomKind::Custom(function) if function.tasks_per_worker(R) == 1 => Layout::local(shape),
                AtomKind::Custom(function) => {
                    let tasks = function.tasks_per_worker(R);
                    return Err(LayoutError::Mapping(MappingError::NotSingle { tasks }));
                }
            };
            whole = Some(match whole {
                Some(whole) => whole * part,
                None => part,
            });
        }
        Ok(whole.unwrap_or_else(|| Layout::local([1u32; R])))
    }
}

impl Mul for Layout {
    type Output = Layout;

    /// Returns `outer * inner`: a layout of tiles.
    fn mul(self, inner: Layout) -> Layout {
        Layout::Compose(Box::new(self), Box::new(inner))
    }
}

impl Add for Layout {
    type Output = Layout;

    /// Returns `outer + inner`: the axes of both, one after the other.
    fn add(self, inner: Layout) -> Layout {
        Layout::Concat(Box::new(self), Box::new(inner))
    }
}
