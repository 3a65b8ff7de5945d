//! Index formulas, including those of layouts, and the vector accesses that a layout allows.

use super::Checker;
use crate::layout::Layout;
use hidet_mapping::IndexExpr;
use hidet_mapping::index::IndexOp;

/// Checks that a formula uses symbolic extents of the signature only and does not divide by a constant 0.
pub(super) fn formula(c: &mut Checker<'_>, of: &str, expr: &IndexExpr) {
    let dims = c.f.dims.len();
    // An explicit stack, so that deep formulas cannot overflow the machine stack.
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

/// Calls `f` for every formula in a layout.
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

/// Returns the reason why `lanes` consecutive elements of the last axis are not contiguous and aligned, or `None` if
/// they are, or if it depends on extents known only at launch.
pub(super) fn vector_fault(layout: &Layout, lanes: i64) -> Option<String> {
    // A malformed layout is reported elsewhere.
    layout.check().ok()?;
    match layout {
        Layout::Strided { shape, strides } => strided_fault(shape, strides, lanes),
        Layout::Local { .. } => Some("the layout is local along its last axis".to_owned()),
        Layout::Compose(outer, inner) => match inner.shape().last()?.as_const()? {
            1 if inner.size().as_const() == Some(1) => vector_fault(outer, lanes),
            extent if extent % lanes == 0 => vector_fault(inner, lanes),
            extent => Some(format!("the inner layout has extent {extent} along the last axis")),
        },
        Layout::Concat(outer, inner) => match inner.rank() == 0 {
            true => vector_fault(outer, lanes),
            false => vector_fault(inner, lanes).or_else(|| {
                let size = inner.size().as_const()?;
                (size % lanes != 0).then(|| format!("the inner layout has {size} elements"))
            }),
        },
        Layout::Swizzle { base, axis, by, log_step } => {
            let (last, step) = (base.rank() - 1, 1i64 << log_step);
            match (usize::from(*axis) == last, usize::from(*by) == last) {
                (true, _) => Some("the last axis is swizzled".to_owned()),
                (_, true) if step % lanes != 0 => {
                    Some(format!("axis {axis} is swizzled by every {step} of the last axis"))
                }
                _ => vector_fault(base, lanes),
            }
        }
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
            let (old, new) = (base.shape().last()?.as_const()?, new.last()?.as_const()?);
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
