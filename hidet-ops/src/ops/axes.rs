//! The axes that operators name.

use super::refused;
use crate::error::Result;
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;

/// Returns an error if a tensor has no such axis.
pub(super) fn one(operator: &'static str, tensor: &Tensor, axis: usize) -> Result<()> {
    let rank = tensor.ty().rank();
    if axis < rank {
        return Ok(());
    }
    let why = match rank {
        0 => format!("it has no axis {axis}: it is a scalar"),
        _ => format!("it has no axis {axis}: axes are 0 to {}", rank - 1),
    };
    Err(refused(operator, &[tensor.ty()], why))
}

/// Returns an error if these are not different axes of a tensor.
pub(super) fn different(operator: &'static str, tensor: &Tensor, axes: &[usize]) -> Result<()> {
    let named_twice = (1..axes.len()).any(|at| axes[..at].contains(&axes[at]));
    if named_twice || axes.iter().any(|axis| *axis >= tensor.ty().rank()) {
        let why = format!("{axes:?} are not different axes of {} axes, counted from 0", tensor.ty().rank());
        return Err(refused(operator, &[tensor.ty()], why));
    }
    Ok(())
}

/// Returns an error if a list does not have one entry for each axis of a tensor.
pub(super) fn each(operator: &'static str, tensor: &Tensor, what: &str, entries: usize) -> Result<()> {
    if entries == tensor.ty().rank() {
        return Ok(());
    }
    let why = format!("{entries} {what} are given for {} axes: each axis needs one", tensor.ty().rank());
    Err(refused(operator, &[tensor.ty()], why))
}

/// Returns the index that is next to a computed one and inside of an axis. An operator that does not use what is read
/// outside reads there instead, so that what is fused into it is not computed of numbers that are not in the tensor.
pub(super) fn inside(index: &ScalarExpr, extent: usize) -> ScalarExpr {
    index.max(0.0).min(extent as f64 - 1.0)
}
