//! Index formulas and layouts: whether they are well formed, their shapes and sizes, and what vectors they allow.

use super::Checker;
use crate::layout::Layout;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

/// A formula uses dims and divides by no constant 0.
pub(super) fn formula(c: &mut Checker<'_>, of: &str, expr: &IndexExpr) {
    let dims = c.f.dims.len();
    // An explicit stack, for formulas of any depth.
    let mut stack = vec![expr];
    while let Some(expr) = stack.pop() {
        match expr {
            IndexExpr::Const(_) => {}
            IndexExpr::Symbol(symbol) => c.require((*symbol as usize) < dims, || {
                format!("{of} uses extent {symbol}, but the signature has {dims}")
            }),
            IndexExpr::Binary(op, a, b) => {
                if matches!(op, IndexOp::Div | IndexOp::Rem) && b.as_const() == Some(0) {
                    c.problem(format!("{of} divides by 0"));
                }
                stack.extend([&**a, &**b]);
            }
        }
    }
}

/// Every formula in a layout.
pub(super) fn formulas<'l>(layout: &'l Layout, f: &mut dyn FnMut(&'l IndexExpr)) {
    match layout {
        Layout::Strided { shape, strides } => shape.iter().chain(strides).for_each(f),
        Layout::Local { shape } => shape.iter().for_each(f),
        Layout::Compose(a, b) | Layout::Concat(a, b) => {
            formulas(a, f);
            formulas(b, f);
        }
        Layout::Swizzle { base, .. } | Layout::Permute { base, .. } => formulas(base, f),
        Layout::Reshape { base, shape } => {
            formulas(base, f);
            shape.iter().for_each(f);
        }
    }
}

/// The shape of a well-formed layout; what is wrong otherwise.
pub(super) fn shape(layout: &Layout) -> Result<Vec<IndexExpr>, String> {
    match layout {
        Layout::Strided { shape, strides } => {
            if shape.len() != strides.len() {
                return Err(format!("{} extents with {} strides", shape.len(), strides.len()));
            }
            match strides.iter().filter_map(|stride| stride.as_const()).find(|stride| *stride < 0) {
                Some(stride) => Err(format!("a stride of {stride}; strides are not negative")),
                None => Ok(shape.clone()),
            }
        }
        Layout::Local { shape } => Ok(shape.clone()),
        Layout::Compose(a, b) => {
            let (a, b) = (shape(a)?, shape(b)?);
            match a.len() == b.len() {
                true => Ok(a.iter().zip(&b).map(|(a, b)| a * b).collect()),
                false => Err(format!("a layout of rank {} times one of rank {}", a.len(), b.len())),
            }
        }
        Layout::Concat(a, b) => Ok([shape(a)?, shape(b)?].concat()),
        Layout::Swizzle { base, axis, by, .. } => {
            let shape = shape(base)?;
            let rank = shape.len();
            match shape.get(*axis as usize) {
                Some(extent) if (*by as usize) < rank && axis != by => match extent.as_const() {
                    Some(extent) if extent > 0 && extent & (extent - 1) == 0 => Ok(shape),
                    _ => Err(format!("the swizzled axis has extent {extent}, which is no constant power of two")),
                },
                _ => Err(format!("axis {axis} swizzled by axis {by} in rank {rank}")),
            }
        }
        Layout::Permute { base, order } => {
            let shape = shape(base)?;
            let mut sorted = order.clone();
            sorted.sort_unstable();
            match sorted.iter().map(|axis| *axis as usize).eq(0..shape.len()) {
                true => Ok(order.iter().map(|axis| shape[*axis as usize].clone()).collect()),
                false => Err(format!("{order:?} is no order of {} axes", shape.len())),
            }
        }
        Layout::Reshape { base, shape: new } => {
            let old = shape(base)?;
            match (elements(&old), elements(new)) {
                (Some(old), Some(new)) if old != new => Err(format!("{old} elements reshaped to {new}")),
                _ => Ok(new.clone()),
            }
        }
    }
}

/// The number of elements of a constant shape.
pub(super) fn elements(shape: &[IndexExpr]) -> Option<i64> {
    shape.iter().try_fold(1i64, |product, extent| product.checked_mul(extent.as_const()?))
}

/// The number of elements of memory a layout needs, where it is constant.
pub(super) fn size(layout: &Layout) -> Option<i64> {
    match layout {
        Layout::Strided { shape, strides } => {
            if elements(shape) == Some(0) {
                return Some(0);
            }
            shape.iter().zip(strides).try_fold(1i64, |last, (extent, stride)| {
                last.checked_add(extent.as_const()?.checked_sub(1)?.checked_mul(stride.as_const()?)?)
            })
        }
        Layout::Local { .. } => Some(1),
        Layout::Compose(a, b) | Layout::Concat(a, b) => size(a)?.checked_mul(size(b)?),
        Layout::Swizzle { base, .. } | Layout::Permute { base, .. } | Layout::Reshape { base, .. } => size(base),
    }
}

/// Why `lanes` consecutive elements of the last axis do not lie together and aligned; `None` where they do, or where
/// it depends on extents known at launch.
pub(super) fn vector_fault(layout: &Layout, lanes: i64) -> Option<String> {
    // A malformed layout is reported elsewhere.
    shape(layout).ok()?;
    match layout {
        Layout::Strided { shape, strides } => strided_fault(shape, strides, lanes),
        Layout::Local { .. } => Some("the layout is local along its last axis".to_owned()),
        Layout::Compose(outer, inner) => match shape(inner).ok()?.last()?.as_const()? {
            1 if size(inner) == Some(1) => vector_fault(outer, lanes),
            extent if extent % lanes == 0 => vector_fault(inner, lanes),
            extent => Some(format!("the inner layout has extent {extent} along the last axis")),
        },
        Layout::Concat(outer, inner) => match shape(inner).ok()?.is_empty() {
            true => vector_fault(outer, lanes),
            false => vector_fault(inner, lanes).or_else(|| {
                let size = size(inner)?;
                (size % lanes != 0).then(|| format!("the inner layout has {size} elements"))
            }),
        },
        Layout::Swizzle { base, axis, .. } => match shape(base).ok()?.len() == *axis as usize + 1 {
            true => Some("the last axis is swizzled".to_owned()),
            false => vector_fault(base, lanes),
        },
        Layout::Permute { base, order } => match &**base {
            Layout::Strided { shape, strides } => {
                let permuted =
                    |of: &[IndexExpr]| order.iter().map(|axis| of[*axis as usize].clone()).collect::<Vec<_>>();
                strided_fault(&permuted(shape), &permuted(strides), lanes)
            }
            base => match order.last().is_some_and(|last| *last as usize + 1 == order.len()) {
                true => vector_fault(base, lanes),
                false => Some("the last axis is permuted".to_owned()),
            },
        },
        Layout::Reshape { base, shape: new } => {
            let (old, new) = (shape(base).ok()?.last()?.as_const()?, new.last()?.as_const()?);
            match old % lanes == 0 && new % lanes == 0 {
                true => vector_fault(base, lanes),
                false => Some(format!("an axis of extent {old} is reshaped to {new}")),
            }
        }
    }
}

fn strided_fault(shape: &[IndexExpr], strides: &[IndexExpr], lanes: i64) -> Option<String> {
    let Some((last, others)) = strides.split_last() else { return Some("the buffer has no axes".to_owned()) };
    match last.as_const() {
        Some(1) => {}
        Some(stride) => return Some(format!("the last axis has stride {stride}")),
        None => return Some("the last axis has a stride known only at launch".to_owned()),
    }
    others.iter().zip(shape).enumerate().find_map(|(axis, (stride, extent))| {
        let stride = stride.as_const()?;
        (stride % lanes != 0 && extent.as_const() != Some(1)).then(|| format!("axis {axis} has stride {stride}"))
    })
}
