//! Launches with arguments that are not contiguous: by kernels of their own, so that the others stay as they are.

use super::{Compiled, RawArg};
use crate::error::{Error, Result};
use crate::ir::{BufferId, Function, Param};
use crate::passes;
use std::sync::{Mutex, PoisonError};

/// The kernels for arguments that are not contiguous, by which of them are not.
#[derive(Debug)]
pub(super) struct Strided {
    /// The parameters that may get strides: tensors in row-major order.
    rows: Vec<Option<BufferId>>,
    kernels: Mutex<Vec<(Vec<BufferId>, Result<Compiled>)>>,
}

impl Strided {
    pub(super) fn new(function: &Function) -> Strided {
        let rows = function.params.iter().map(|param| match param {
            Param::Tensor { buffer, .. } => Some(*buffer).filter(|id| function.buffers[*id].layout.is_row_major()),
            Param::Scalar { .. } => None,
        });
        Strided { rows: rows.collect(), kernels: Mutex::default() }
    }
}

impl Compiled {
    /// Returns the kernel that runs with these arguments if it is not this one, because some of them are not contiguous,
    /// or an error if the kernel needs them to be.
    #[inline]
    pub(super) fn for_strides(&self, args: &[RawArg]) -> Result<Option<Compiled>> {
        if args.iter().any(|arg| arg.shape_key().is_strided()) { self.strided(args) } else { Ok(None) }
    }

    #[cold]
    fn strided(&self, args: &[RawArg]) -> Result<Option<Compiled>> {
        let inner = &*self.0;
        // Arguments that do not fit at all are left to the contract.
        let each = || {
            inner.strided.rows.iter().zip(args).filter_map(|(row, arg)| match (row, arg) {
                (Some(id), RawArg::Tensor(tensor)) if !tensor.is_contiguous() => {
                    let buffer = &inner.function.head().buffers[*id];
                    (tensor.scalar == buffer.elem && tensor.shape.len() == buffer.shape.len()).then_some(*id)
                }
                _ => None,
            })
        };
        if each().next().is_none() {
            return Ok(None);
        }
        let mut kernels = inner.strided.kernels.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, kernel)) = kernels.iter().find(|(made_for, _)| made_for.iter().copied().eq(each())) {
            return kernel.clone().map(Some);
        }
        let tensors: Vec<BufferId> = each().collect();
        let kernel = self.with_strides(&tensors);
        kernels.push((tensors, kernel.clone()));
        kernel.map(Some)
    }

    fn with_strides(&self, tensors: &[BufferId]) -> Result<Compiled> {
        let inner = &*self.0;
        let function = passes::strided(inner.function.whole(), tensors)?;
        if inner.image.is_some() {
            let names = tensors.iter().map(|id| format!("`{}`", inner.function.head().buffers[*id].name));
            let message = format!(
                "{} is not contiguous, and the image that the kernel was loaded from has no instance for strides; pass a \
                 contiguous copy, by `to_device`",
                names.collect::<Vec<_>>().join(", ")
            );
            return Err(Error::Launch { kernel: inner.function.head().name.clone(), message });
        }
        Compiled::new(function, &inner.device, &inner.options)
    }
}
