//! [`Parameters`]: the parameters of a kernel, of the inputs and the coordinates at which they are read.

use crate::expr::{ExprNode, ScalarExpr};
use crate::fuse::FusedTask;
use crate::task::axes_of;
use hidet::device::RawTensor;
use hidet::dsl::{AnyView, Signature};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::types::Scalar;

/// The parameters of a kernel: each input once for each list of coordinates at which it is read. Axes that are always read
/// at 0 are left out, and coordinates that are next to each other in every parameter are one coordinate of the kernel: the
/// sum of two tensors of any shape is one of two rows.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    list: Vec<Parameter>,
    /// For each coordinate of the fused task the number of the kernel's coordinate that contains it.
    merged: Vec<usize>,
    /// How many of the kernel's coordinates are those of the result.
    rank: usize,
}

/// A parameter: an input, and the coordinate of the fused task for each of its axes.
#[derive(Clone, Debug)]
struct Parameter {
    input: usize,
    dtype: Scalar,
    axes: Vec<Option<usize>>,
}

impl Parameters {
    /// Returns the parameters of a fused task whose inputs are contiguous, if `contiguous`.
    pub(crate) fn of(fused: &FusedTask, contiguous: bool) -> Result<Parameters, String> {
        let mut list: Vec<Parameter> = Vec::new();
        let (mut mergeable, mut problem) = (contiguous, None);
        let operands = fused.anchor.iter().flat_map(|anchor| &anchor.operands);
        for expr in operands.chain([&fused.value]) {
            mergeable &= !matches!(expr.node(), ExprNode::Axis(_));
            expr.visit(&mut |expr| match expr.node() {
                ExprNode::Read { input, index } => match axes_of(index) {
                    _ if *input == fused.result_of_anchor() => {}
                    Some(axes) if list.iter().any(|known| (known.input, &known.axes) == (*input, &axes)) => {}
                    Some(axes) => list.push(Parameter { input: *input, dtype: expr.dtype(), axes }),
                    None => problem = Some(format!("input {input} is read at computed coordinates")),
                },
                // A coordinate that is more than an index must not be merged.
                ExprNode::Axis(_) => {}
                _ => mergeable &= expr.operands().iter().all(|operand| !matches!(operand.node(), ExprNode::Axis(_))),
            });
        }
        if let Some(problem) = problem {
            return Err(problem);
        }
        let (rank, all) = (fused.output.rank(), fused.extents().len());
        let together = |axis: usize| {
            let next = |parameter: &Parameter| {
                let kept: Vec<usize> = parameter.axes.iter().flatten().copied().collect();
                let at = |axis: usize| kept.iter().position(|own| *own == axis);
                match (at(axis), at(axis + 1)) {
                    (None, None) => true,
                    (Some(first), Some(second)) => second == first + 1,
                    _ => false,
                }
            };
            mergeable && axis + 1 != rank && list.iter().all(next)
        };
        // Extents of a kernel have 31 bits.
        let extents = fused.extents();
        let (mut merged, mut size) = (vec![0; all], extents.first().copied().unwrap_or(1));
        for axis in 1..all {
            let both = size.checked_mul(extents[axis]).filter(|both| *both <= i32::MAX as usize);
            let joins = both.filter(|_| together(axis - 1));
            merged[axis] = merged[axis - 1] + usize::from(joins.is_none());
            size = joins.unwrap_or(extents[axis]);
        }
        let rank = if rank == 0 { 0 } else { merged[rank - 1] + 1 };
        Ok(Parameters { list, merged, rank })
    }

    /// Returns how many coordinates of the kernel are those of the result; behind them are those of the sum.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the coordinate of the kernel that contains a coordinate of the fused task.
    pub(crate) fn coordinate(&self, axis: usize) -> usize {
        self.merged[axis]
    }

    /// Returns extents of the kernel's coordinates, of those of the fused task.
    pub(crate) fn merge(&self, extents: &[usize]) -> Vec<usize> {
        let count = self.merged.last().map_or(0, |last| last + 1);
        let mut merged = vec![1; count];
        for (axis, extent) in self.merged.iter().zip(extents) {
            merged[*axis] *= extent;
        }
        merged
    }

    /// Returns the number of the parameter that is an input read at an index.
    pub(crate) fn position(&self, input: usize, index: &[ScalarExpr]) -> Option<usize> {
        let axes = axes_of(index)?;
        self.list.iter().position(|known| (known.input, &known.axes) == (input, &axes))
    }

    /// Returns the coordinates of the kernel that are the axes of a parameter.
    pub(crate) fn axes(&self, parameter: usize) -> Vec<usize> {
        let mut axes: Vec<usize> = Vec::new();
        for axis in self.list[parameter].axes.iter().flatten() {
            if axes.last() != Some(&self.merged[*axis]) {
                axes.push(self.merged[*axis]);
            }
        }
        axes
    }

    /// Returns true if all that an expression reads has axes among these coordinates of the kernel.
    pub(crate) fn are_within(&self, expr: &ScalarExpr, axes: &[usize]) -> bool {
        expr.reads().into_iter().all(|read| match read.node() {
            ExprNode::Read { input, index } => self
                .position(*input, index)
                .is_some_and(|parameter| self.axes(parameter).iter().all(|axis| axes.contains(axis))),
            _ => false,
        })
    }

    /// Declares the parameters; `dims` are the extents of the kernel's coordinates.
    pub(crate) fn declare(&self, signature: &mut Signature, dims: &[IndexExpr]) -> Vec<AnyView> {
        let one = |(at, parameter): (usize, &Parameter)| {
            let shape: Vec<IndexExpr> = self.axes(at).iter().map(|axis| dims[*axis].clone()).collect();
            signature.param(&format!("x{at}"), parameter.dtype, &shape, Access::In)
        };
        self.list.iter().enumerate().map(one).collect()
    }

    /// Returns the arguments of the parameters, in the memory of the inputs.
    pub(crate) fn arguments(&self, inputs: &[RawTensor]) -> hidet::Result<Vec<RawTensor>> {
        let one = |(at, parameter): (usize, &Parameter)| {
            let input = &inputs[parameter.input];
            let kept: Vec<usize> = (0..parameter.axes.len()).filter(|axis| parameter.axes[*axis].is_some()).collect();
            if input.is_contiguous() {
                let mut shape: Vec<usize> = vec![1; self.axes(at).len()];
                let mut last = None;
                let mut number = 0;
                for axis in kept {
                    let own = parameter.axes[axis].map(|axis| self.merged[axis]);
                    if last.is_some() && last != Some(own) {
                        number += 1;
                    }
                    last = Some(own);
                    shape[number] *= input.shape()[axis];
                }
                return input.view(0, &shape);
            }
            let [shape, strides] =
                [input.shape(), input.strides()].map(|all| kept.iter().map(|axis| all[*axis]).collect());
            let (shape, strides): (Vec<usize>, Vec<usize>) = (shape, strides);
            input.strided_view(0, &shape, &strides)
        };
        self.list.iter().enumerate().map(one).collect()
    }
}
