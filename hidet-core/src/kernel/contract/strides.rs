//! The strides of arguments: those that come with the launch, and those that a kernel takes.

use super::{Contract, Given};
use crate::device::RawTensor;
use crate::error::Result;
use crate::ir::{Access, LARGEST_EXTENT};
use crate::layout::Layout;
use hidet_mapping::IndexExpr;

/// Returns true if offsets into a tensor need 64 bits.
pub(in crate::kernel) fn is_wide(tensor: &RawTensor) -> bool {
    // The stride of the first axis times its extent is beyond the last element; `flatten_index` relies on it.
    let axes = tensor.shape.iter().zip(&tensor.strides).filter(|(extent, _)| **extent > 1);
    let most = axes.map(|(extent, stride)| extent.saturating_mul(*stride)).max().unwrap_or(0);
    !tensor.is_empty() && most.max(tensor.reach()) as u64 > LARGEST_EXTENT as u64
}

/// Returns the strides of a layout, if it is strided.
pub(super) fn of(layout: &Layout) -> &[IndexExpr] {
    match layout {
        Layout::Strided { strides, .. } => strides,
        _ => &[],
    }
}

impl Contract<'_> {
    /// Binds the strides that come with the arguments, and checks the others. The stride of an axis of one element does
    /// not matter.
    pub(super) fn strides(&self, tensors: &[Given], dims: &mut [i64]) -> Result<()> {
        let is_extent = |symbol: &IndexExpr| tensors.iter().any(|given| given.buffer.shape.contains(symbol));
        let mut bound: Vec<Option<i64>> = vec![None; dims.len()];
        // Entries of tables are contiguous.
        for Given { buffer, access, tensor, .. } in tensors.iter().filter(|given| given.entry.is_none()) {
            let (name, shape, given) = (&buffer.name, &tensor.shape, &tensor.strides);
            if *access != Access::In && tensor.may_repeat() {
                return Err(self.error(format!(
                    "argument `{name}`, which the kernel writes, has the strides {given:?} for the shape {shape:?}, so that \
                     several coordinates may be one element; pass a tensor of which every element is apart"
                )));
            }
            for (axis, wanted) in of(&buffer.layout).iter().enumerate() {
                let (extent, stride) = (shape[axis], given[axis] as i64);
                let matters = extent > 1 && !tensor.is_empty();
                match wanted {
                    IndexExpr::Symbol(symbol) if !is_extent(wanted) => {
                        // The stride 0 is aligned, and fits.
                        let stride = if matters || stride <= LARGEST_EXTENT { stride } else { 0 };
                        let known = bound[*symbol as usize].get_or_insert(stride);
                        if stride > LARGEST_EXTENT || *known != stride {
                            return Err(self.error(format!(
                                "axis {axis} of argument `{name}` has the stride {stride}; the kernel takes {}",
                                if *known == stride { format!("at most {LARGEST_EXTENT}") } else { known.to_string() }
                            )));
                        }
                        dims[*symbol as usize] = stride;
                    }
                    _ if !matters || tensor.is_contiguous() => {}
                    wanted => {
                        let wanted = self.eval(&format!("the stride of axis {axis} of `{name}`"), wanted, dims)?;
                        if wanted != stride {
                            return Err(self.error(format!(
                                "argument `{name}` has the strides {given:?} for the shape {shape:?}; along axis {axis} the \
                                 kernel takes {wanted}: pass a contiguous copy, by `to_device`"
                            )));
                        }
                    }
                }
            }
            if of(&buffer.layout).is_empty() && !tensor.is_contiguous() {
                return Err(self.error(format!(
                    "argument `{name}` has the strides {given:?} for the shape {shape:?}; the kernel takes a contiguous \
                     tensor: pass a copy, by `to_device`"
                )));
            }
        }
        Ok(())
    }
}
