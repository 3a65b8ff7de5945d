//! [`Parameters`]: the parameters of a kernel, of the inputs and the coordinates at which they are read.

mod adjacent;

use super::at::{At, without};
use crate::error::TensorType;
use crate::expr::{ExprNode, ScalarExpr, axes_of, part_of};
use crate::fuse::FusedTask;
use hidet::device::RawTensor;
use hidet::dsl::{AnyView, Signature};
use hidet::ir::Access;
use hidet::mapping::IndexExpr;
use hidet::types::Scalar;
use std::collections::BTreeSet;

/// The parameters of a kernel: each input once for each list of coordinates at which it is read, and once for all computed
/// ones. Axes that are always read at 0 are left out, and coordinates that are next to each other in every parameter are
/// one coordinate of the kernel: the sum of two tensors of any shape is one of two rows. Axes of one element in front of the
/// last two of the result are as good as left out.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    list: Vec<Parameter>,
    /// For each coordinate of the fused task true if it is always 0 and in front of the last two of the result.
    free: Vec<bool>,
    /// For each coordinate of the fused task the number of the kernel's coordinate that contains it.
    merged: Vec<usize>,
    /// The extents of the kernel's coordinates.
    extents: Vec<usize>,
    /// How many of the kernel's coordinates are those of the result.
    rank: usize,
    /// Those along which reductions combine terms.
    over: Vec<usize>,
    /// A power of two of which the addresses of all inputs are multiples, in bytes.
    align: usize,
}

/// Bytes of the widest access, to which allocations are aligned.
const MOST_ALIGNED: usize = 16;

/// A parameter.
#[derive(Clone, Debug)]
struct Parameter {
    input: usize,
    dtype: Scalar,
    at: At,
}

impl Parameters {
    /// Returns the parameters of a fused task whose inputs are contiguous, if `contiguous`.
    pub(crate) fn of(fused: &FusedTask, contiguous: bool) -> Parameters {
        Parameters::with(fused, contiguous, &|input, _| At::Computed(fused.inputs[input].shape.clone()))
    }

    /// Returns the parameters of a fused task, whose coordinates are those of the kernel: parts of inputs, as slices are, are
    /// read at coordinates too.
    pub(crate) fn of_parts(fused: &FusedTask) -> Parameters {
        Parameters::with(fused, false, &|input, index| {
            let shape = fused.inputs[input].shape.clone();
            match part_of(index, &fused.extents, &shape) {
                Some((axes, starts)) => At::Part(axes, starts, shape),
                None => At::Computed(shape),
            }
        })
    }

    /// Returns the parameters; `other` are those at other places than coordinates.
    fn with(fused: &FusedTask, contiguous: bool, other: &dyn Fn(usize, &[ScalarExpr]) -> At) -> Parameters {
        let mut list: Vec<Parameter> = Vec::new();
        let mut mergeable = contiguous && fused.line.is_none();
        for expr in fused.exprs() {
            // A coordinate that is more than an index must not be merged.
            mergeable &= !matches!(expr.node(), ExprNode::Axis(_));
            expr.visit(&mut |expr| match expr.node() {
                ExprNode::Read { input, index } if *input < fused.inputs.len() => {
                    let at = match axes_of(index) {
                        Some(axes) => At::Coordinates(axes),
                        None => other(*input, index),
                    };
                    mergeable &= matches!(at, At::Coordinates(_));
                    if !list.iter().any(|known| (known.input, &known.at) == (*input, &at)) {
                        list.push(Parameter { input: *input, dtype: expr.dtype(), at });
                    }
                }
                ExprNode::Read { .. } | ExprNode::Axis(_) => {}
                _ => mergeable &= expr.operands().iter().all(|operand| !matches!(operand.node(), ExprNode::Axis(_))),
            });
        }
        let rank = fused.output.rank();
        let is_free = |axis: usize| mergeable && fused.extents[axis] == 1 && axis + 2 < rank;
        let free: Vec<bool> = (0..fused.extents.len()).map(is_free).collect();
        let list = list.into_iter().fold(Vec::<Parameter>::new(), |mut kept, mut parameter| {
            if let At::Coordinates(axes) = parameter.at {
                parameter.at = At::Coordinates(without(&free, axes));
            }
            if !kept.iter().any(|known| (known.input, &known.at) == (parameter.input, &parameter.at)) {
                kept.push(parameter);
            }
            kept
        });
        // Whether a coordinate and one before it, with nothing but free ones between, are next to each other everywhere.
        let adjacent = |before: usize, axis: usize| {
            let next = |parameter: &Parameter| {
                let At::Coordinates(axes) = &parameter.at else { return false };
                let kept: Vec<usize> = axes.iter().flatten().copied().collect();
                let at = |axis: usize| kept.iter().position(|own| *own == axis);
                match (at(before), at(axis)) {
                    (None, None) => true,
                    (Some(first), Some(second)) => second == first + 1,
                    _ => false,
                }
            };
            list.iter().all(next)
        };
        // The last coordinate of the one that grows that is not free.
        let mut last_long = None;
        let joins = |last: Option<usize>, axis: usize| {
            let same_kind = axis > 0 && fused.over.contains(&(axis - 1)) == fused.over.contains(&axis);
            let fits = || free[axis] || last.is_none_or(|last| adjacent(last, axis));
            mergeable && same_kind && axis != rank && fits()
        };
        let (mut merged, mut extents): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for (axis, extent) in fused.extents.iter().enumerate() {
            // Extents of a kernel have 31 bits.
            let both =
                extents.last().and_then(|last| last.checked_mul(*extent)).filter(|both| *both <= i32::MAX as usize);
            match both {
                Some(both) if joins(last_long, axis) => *extents.last_mut().unwrap_or(&mut 1) = both,
                _ => {
                    extents.push(*extent);
                    last_long = None;
                }
            }
            last_long = if free[axis] { last_long } else { Some(axis) };
            merged.push(extents.len() - 1);
        }
        let mut over: Vec<usize> = fused.over.iter().map(|axis| merged[*axis]).collect();
        over.dedup();
        let rank = if rank == 0 { 0 } else { merged[rank - 1] + 1 };
        Parameters { list, free, merged, extents, rank, over, align: MOST_ALIGNED }
    }

    /// Returns an error if an input is read at computed coordinates, which a view of it cannot have.
    pub(crate) fn all_at_coordinates(&self) -> Result<(), String> {
        match self.list.iter().find(|parameter| matches!(parameter.at, At::Computed(_))) {
            Some(parameter) => Err(format!("input {} is read at computed coordinates", parameter.input)),
            None => Ok(()),
        }
    }

    /// Returns how many coordinates of the kernel are those of the result; behind them are those of reductions alone.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Returns the extents of the kernel's coordinates.
    pub(crate) fn extents(&self) -> &[usize] {
        &self.extents
    }

    /// Returns the kernel's coordinates along which reductions combine terms.
    pub(crate) fn over(&self) -> &[usize] {
        &self.over
    }

    /// Returns the coordinate of the kernel that contains a coordinate of the fused task.
    pub(crate) fn coordinate(&self, axis: usize) -> usize {
        self.merged[axis]
    }

    /// Returns how many parameters there are.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns the number of the parameter that is an input read at an index.
    pub(crate) fn position(&self, input: usize, index: &[ScalarExpr]) -> Option<usize> {
        let axes = axes_of(index).map(|axes| without(&self.free, axes));
        self.list.iter().position(|known| {
            known.input == input
                && match (&known.at, &axes) {
                    (At::Coordinates(own), Some(axes)) => own == axes,
                    (At::Part(axes, starts, shape), None) => {
                        part_of(index, &self.extents, shape).is_some_and(|own| (&own.0, &own.1) == (axes, starts))
                    }
                    (At::Computed(_), None) | (At::Copy(..) | At::Flat(_), Some(_)) => true,
                    _ => false,
                }
        })
    }

    /// Returns the parameters behind whole inputs, which the kernel reads in its own way.
    pub(crate) fn behind(mut self, inputs: &[(usize, TensorType)]) -> Parameters {
        let whole = |(input, ty): &(usize, TensorType)| Parameter {
            input: *input,
            dtype: ty.dtype,
            at: At::Computed(ty.shape.clone()),
        };
        self.list.splice(0..0, inputs.iter().map(whole));
        self
    }

    /// Makes a parameter the bits of its input as elements of another type of the same size.
    pub(crate) fn read_bits(&mut self, parameter: usize, dtype: Scalar) {
        self.list[parameter].dtype = dtype;
    }

    /// Replaces the tensor of a parameter by a copy along these coordinates of the kernel with these extents.
    /// It must be the only parameter of its input.
    pub(crate) fn replace(&mut self, parameter: usize, axes: Vec<usize>, extents: Vec<usize>) {
        self.list[parameter].at = At::Copy(axes, extents);
    }

    /// Puts the elements of a parameter into one row, if it is the only one of its input and has exactly these coordinates of
    /// the kernel, as they are in memory. Returns true if it does.
    pub(crate) fn flatten(&mut self, parameter: usize, axes: &[usize]) -> bool {
        let fits = self.axes(parameter).is_some_and(|own| own == axes) && !self.is_shared(self.list[parameter].input);
        if fits {
            self.list[parameter].at = At::Flat(axes.to_vec());
        }
        fits
    }

    /// Returns true if an input is more than one parameter.
    pub(crate) fn is_shared(&self, input: usize) -> bool {
        self.list.iter().filter(|parameter| parameter.input == input).count() > 1
    }

    /// Returns the coordinates of the kernel that are the axes of a parameter; nothing if it is read at computed ones.
    pub(crate) fn axes(&self, parameter: usize) -> Option<Vec<usize>> {
        let own = match &self.list[parameter].at {
            At::Coordinates(own) | At::Part(own, ..) => own,
            At::Copy(axes, _) | At::Flat(axes) => return Some(axes.clone()),
            At::Computed(_) => return None,
        };
        let mut axes: Vec<usize> = own.iter().flatten().map(|axis| self.merged[*axis]).collect();
        axes.dedup();
        Some(axes)
    }

    /// Returns the extents of the input of a parameter that is read at computed coordinates.
    pub(crate) fn input_extents(&self, parameter: usize) -> &[usize] {
        match &self.list[parameter].at {
            At::Computed(extents) => extents,
            At::Coordinates(_) | At::Part(..) | At::Copy(..) | At::Flat(_) => &[],
        }
    }

    /// Returns true if a parameter of this input, whose elements are next to each other, begins at a multiple of some bytes.
    pub(crate) fn begins_aligned(&self, parameter: usize, input: &TensorType, bytes: usize) -> bool {
        let At::Part(_, starts, _) = &self.list[parameter].at else { return true };
        let first = starts.iter().zip(&input.shape).fold(0, |first, (start, extent)| first * extent + start);
        (first * input.dtype.bytes()).is_multiple_of(bytes)
    }

    /// Returns the type of a parameter.
    pub(crate) fn dtype(&self, parameter: usize) -> Scalar {
        self.list[parameter].dtype
    }

    /// Returns the coordinates of the kernel at which an expression reads parameters, each once, in order.
    pub(crate) fn axes_read(&self, expr: &ScalarExpr) -> Vec<usize> {
        let own = |read: &ScalarExpr| match read.node() {
            ExprNode::Read { input, index } => self.axes(self.position(*input, index)?),
            _ => None,
        };
        let all: BTreeSet<usize> = expr.reads().into_iter().filter_map(own).flatten().collect();
        all.into_iter().collect()
    }

    /// Returns the same parameters for inputs that begin at multiples of fewer bytes than allocations do.
    pub(crate) fn aligned(self, align: usize) -> Parameters {
        Parameters { align, ..self }
    }

    /// Returns true if an input is read at computed coordinates, or the largest one's last axis is that of the result.
    pub(crate) fn lie_apart(&self) -> bool {
        let elements = |parameter: &usize| {
            self.axes(*parameter).unwrap_or_default().iter().map(|axis| self.extents[*axis]).product::<usize>()
        };
        let computed = (0..self.len()).any(|parameter| self.axes(parameter).is_none());
        let largest = (0..self.len()).max_by_key(elements).and_then(|parameter| self.axes(parameter)?.last().copied());
        computed || largest.is_some_and(|axis| axis + 1 == self.rank)
    }

    /// Declares the extents of the kernel's coordinates, as numbers where coordinates are computed of them, which is quicker
    /// with numbers.
    pub(crate) fn dims(&self, signature: &mut Signature) -> Vec<IndexExpr> {
        let is_computed = |parameter: &Parameter| matches!(parameter.at, At::Computed(_));
        let numbers = self.extents.len() > 2 || self.list.iter().any(is_computed);
        let dim = |(at, extent): (usize, &usize)| match numbers {
            true => IndexExpr::Const(*extent as i64),
            false => signature.dim(&format!("n{at}")),
        };
        self.extents.iter().enumerate().map(dim).collect()
    }

    /// Declares the parameters; `dims` are the extents of the kernel's coordinates.
    pub(crate) fn declare(&self, signature: &mut Signature, dims: &[IndexExpr]) -> Vec<AnyView> {
        let one = |(at, parameter): (usize, &Parameter)| {
            let shape: Vec<IndexExpr> = match (&parameter.at, self.axes(at)) {
                (At::Computed(extents) | At::Copy(_, extents), _) => {
                    extents.iter().map(|extent| IndexExpr::Const(*extent as i64)).collect()
                }
                (At::Flat(axes), _) => {
                    let all = axes.iter().fold(IndexExpr::Const(1), |all, axis| all * dims[*axis].clone());
                    vec![all]
                }
                (_, axes) => axes.unwrap_or_default().iter().map(|axis| dims[*axis].clone()).collect(),
            };
            signature.param(&format!("x{at}"), parameter.dtype, &shape, Access::In)
        };
        self.list.iter().enumerate().map(one).collect()
    }

    /// Returns the arguments of the parameters, in the memory of the inputs.
    pub(crate) fn arguments(&self, inputs: &[RawTensor]) -> hidet::Result<Vec<RawTensor>> {
        let argument = |parameter: &Parameter| {
            let argument = self.argument(parameter, &inputs[parameter.input])?;
            if argument.scalar() == parameter.dtype { Ok(argument) } else { argument.bits_as(parameter.dtype) }
        };
        self.list.iter().map(argument).collect()
    }

    fn argument(&self, parameter: &Parameter, input: &RawTensor) -> hidet::Result<RawTensor> {
        let axes = match &parameter.at {
            At::Coordinates(axes) => axes,
            At::Flat(_) => return input.view(0, &[input.len()]),
            At::Part(axes, starts, _) => {
                let strides = input.strides();
                let first = starts.iter().zip(strides).map(|(start, stride)| start * stride).sum();
                let kept: Vec<(usize, usize)> =
                    axes.iter().zip(strides).filter_map(|(axis, stride)| Some(((*axis)?, *stride))).collect();
                let shape: Vec<usize> = kept.iter().map(|(axis, _)| self.extents[self.merged[*axis]]).collect();
                return input.strided_view(first, &shape, &kept.iter().map(|kept| kept.1).collect::<Vec<usize>>());
            }
            At::Computed(_) | At::Copy(..) => return Ok(input.clone()),
        };
        let kept: Vec<(usize, usize)> = axes.iter().enumerate().filter_map(|(at, axis)| Some((at, (*axis)?))).collect();
        if !input.is_contiguous() {
            let part = |all: &[usize]| kept.iter().map(|(at, _)| all[*at]).collect::<Vec<usize>>();
            return input.strided_view(0, &part(input.shape()), &part(input.strides()));
        }
        let (mut shape, mut last): (Vec<usize>, _) = (Vec::new(), None);
        for (at, axis) in kept {
            let own = self.merged[axis];
            match shape.last_mut() {
                Some(extent) if last == Some(own) => *extent *= input.shape()[at],
                _ => shape.push(input.shape()[at]),
            }
            last = Some(own);
        }
        input.view(0, &shape)
    }

    /// Returns the extents of the result in the kernel.
    pub(crate) fn result(&self) -> &[usize] {
        &self.extents[..self.rank]
    }
}
