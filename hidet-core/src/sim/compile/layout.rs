//! The formula of a layout, written independently of the formula that the passes use.

use crate::layout::Layout;
use hidet_mapping::{Arith, IndexExpr};

/// Returns the number of axes.
fn rank(layout: &Layout) -> usize {
    match layout {
        Layout::Strided { shape, .. } | Layout::Local { shape } | Layout::Reshape { shape, .. } => shape.len(),
        Layout::Compose(outer, _) => rank(outer),
        Layout::Concat(outer, inner) => rank(outer) + rank(inner),
        Layout::Swizzle { base, .. } => rank(base),
        Layout::Permute { order, .. } => order.len(),
    }
}

/// Returns the extents.
fn shape<A: Arith>(layout: &Layout, arith: &mut A) -> Vec<A::Int> {
    let emit = |shape: &[IndexExpr], arith: &mut A| shape.iter().map(|extent| extent.emit(arith)).collect();
    match layout {
        Layout::Strided { shape, .. } | Layout::Local { shape } | Layout::Reshape { shape, .. } => emit(shape, arith),
        Layout::Compose(outer, inner) => {
            let (outer, inner): (Vec<_>, Vec<_>) = (shape(outer, arith), shape(inner, arith));
            outer.iter().zip(&inner).map(|(outer, inner)| arith.mul(outer, inner)).collect()
        }
        Layout::Concat(outer, inner) => {
            let mut all = shape(outer, arith);
            all.extend(shape(inner, arith));
            all
        }
        Layout::Swizzle { base, .. } => shape(base, arith),
        Layout::Permute { base, order } => {
            let base = shape(base, arith);
            order.iter().filter_map(|axis| base.get(*axis as usize).cloned()).collect()
        }
    }
}

/// Returns the number of elements of memory that the layout spans.
pub fn size<A: Arith>(layout: &Layout, arith: &mut A) -> A::Int {
    let one = arith.constant(1);
    match layout {
        Layout::Strided { shape, strides } => {
            let mut last = arith.constant(0);
            let mut any = one.clone();
            for (extent, stride) in shape.iter().zip(strides) {
                let (extent, stride) = (extent.emit(arith), stride.emit(arith));
                // 0 if an extent is 0, else 1.
                let some = arith.min(&extent, &one);
                any = arith.mul(&any, &some);
                let steps = arith.sub(&extent, &some);
                let span = arith.mul(&steps, &stride);
                last = arith.add(&last, &span);
            }
            let all = arith.add(&last, &one);
            arith.mul(&all, &any)
        }
        Layout::Local { .. } => one,
        Layout::Compose(outer, inner) | Layout::Concat(outer, inner) => {
            let (outer, inner) = (size(outer, arith), size(inner, arith));
            arith.mul(&outer, &inner)
        }
        Layout::Swizzle { base, .. } | Layout::Permute { base, .. } | Layout::Reshape { base, .. } => size(base, arith),
    }
}

/// Returns the offset of the element at the coordinates.
pub fn offset<A: Arith>(layout: &Layout, arith: &mut A, index: &[A::Int]) -> A::Int {
    match layout {
        Layout::Strided { strides, .. } => {
            let mut sum = arith.constant(0);
            for (index, stride) in index.iter().zip(strides) {
                let stride = stride.emit(arith);
                let part = arith.mul(index, &stride);
                sum = arith.add(&sum, &part);
            }
            sum
        }
        Layout::Local { .. } => arith.constant(0),
        Layout::Compose(outer, inner) => {
            let tile = shape(inner, arith);
            let (mut across, mut within) = (Vec::new(), Vec::new());
            for (index, extent) in index.iter().zip(&tile) {
                across.push(arith.div(index, extent));
                within.push(arith.rem(index, extent));
            }
            join(outer, &across, inner, &within, arith)
        }
        Layout::Concat(outer, inner) => {
            let (first, second) = index.split_at(rank(outer).min(index.len()));
            join(outer, first, inner, second, arith)
        }
        Layout::Swizzle { base, axis, by, log_step } => {
            let mut index = index.to_vec();
            let (axis, by) = (*axis as usize, *by as usize);
            if let (Some(changed), Some(by)) = (index.get(axis).cloned(), index.get(by).cloned()) {
                let extents = shape(base, arith);
                let step = arith.constant(1 << log_step);
                let pattern = arith.div(&by, &step);
                let mixed = arith.xor(&changed, &pattern);
                index[axis] = arith.rem(&mixed, &extents[axis]);
            }
            offset(base, arith, &index)
        }
        Layout::Permute { base, order } => {
            let mut inner: Vec<A::Int> = (0..rank(base)).map(|_| arith.constant(0)).collect();
            for (index, axis) in index.iter().zip(order) {
                if let Some(place) = inner.get_mut(*axis as usize) {
                    *place = index.clone();
                }
            }
            offset(base, arith, &inner)
        }
        Layout::Reshape { base, shape: extents } => {
            let mut number = arith.constant(0);
            for (index, extent) in index.iter().zip(extents) {
                let extent = extent.emit(arith);
                let scaled = arith.mul(&number, &extent);
                number = arith.add(&scaled, index);
            }
            let mut inner = Vec::new();
            for extent in shape(base, arith).iter().rev() {
                inner.push(arith.rem(&number, extent));
                number = arith.div(&number, extent);
            }
            inner.reverse();
            offset(base, arith, &inner)
        }
    }
}

fn join<A: Arith>(outer: &Layout, across: &[A::Int], inner: &Layout, within: &[A::Int], arith: &mut A) -> A::Int {
    let (across, within) = (offset(outer, arith, across), offset(inner, arith, within));
    let tile = size(inner, arith);
    let start = arith.mul(&across, &tile);
    arith.add(&start, &within)
}
