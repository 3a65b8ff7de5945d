//! Updates of elements at indices that are elements of a tensor.

use super::index::{are_indices, from_start};
use super::{Input, axes, computed_in, refused};
use crate::error::{Result, TensorType};
use crate::expr::{ExprNode, ScalarExpr};
use crate::task::ReduceOp;
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// What an update does to the element at its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScatterMode {
    /// It replaces it; of several the last one does.
    Set,
    /// It is added to it.
    Add,
    /// It is multiplied with it.
    Mul,
    /// The larger one stays; NaN only if both are.
    Max,
    /// The smaller one stays; NaN only if both are.
    Min,
}

impl ScatterMode {
    /// Returns how several updates are combined.
    fn op(self) -> ReduceOp {
        match self {
            ScatterMode::Set | ScatterMode::Max => ReduceOp::Max,
            ScatterMode::Add => ReduceOp::Sum,
            ScatterMode::Mul => ReduceOp::Product,
            ScatterMode::Min => ReduceOp::Min,
        }
    }
}

/// Indices of updates along an axis of a tensor.
struct Updates<'a> {
    /// The extents of the tensor.
    shape: &'a [usize],
    /// The extents of the updates.
    extents: &'a [usize],
    axis: usize,
}

impl Updates<'_> {
    /// Returns the place of an update, whose number along the axis is `number`, for an element. Along other axes there may
    /// be fewer updates than elements.
    fn place(&self, at: &[ScalarExpr], number: &ScalarExpr) -> Vec<ScalarExpr> {
        let place = |axis: usize| match axis {
            _ if axis == self.axis => number.clone(),
            _ if self.shape[axis] == self.extents[axis] => at[axis].clone(),
            _ => at[axis].min(self.extents[axis] as f64 - 1.0),
        };
        (0..self.shape.len()).map(place).collect()
    }

    /// Returns true if an update is one of an element.
    fn is_of(&self, at: &[ScalarExpr], number: &ScalarExpr, indices: &Input) -> ScalarExpr {
        let index = from_start(&indices.at(self.place(at, number)), self.shape[self.axis]);
        let parts = (0..self.shape.len()).filter(|axis| *axis != self.axis && self.extents[*axis] < self.shape[*axis]);
        parts.fold(index.equals(at[self.axis].cast(index.dtype())), |all, axis| all & at[axis].lt(self.extents[axis]))
    }
}

impl Tensor {
    /// Returns the tensor with updates of its elements at indices along an axis: `y[indices[i, j], j]` is updated with
    /// `updates[i, j]` along axis 0, as `ScatterElements` of ONNX. Indices are `i32` or `i64`, and have as many axes as the
    /// tensor; updates have the shape of the indices and the type of the tensor. Negative indices count from the end,
    /// updates at an index outside are left out.
    ///
    /// Elements may be of any type for [`ScatterMode::Set`], and numbers for the others; `f16` and `bf16` are combined in
    /// `f32` and rounded once. Each element looks at all updates along the axis, so that many of them take long.
    ///
    /// # Errors
    ///
    /// If there is no such axis, indices have another type, or types or shapes do not fit.
    pub fn scatter(&self, indices: &Tensor, updates: &Tensor, axis: usize, mode: ScatterMode) -> Result<Tensor> {
        axes::one("scatter", self, axis)?;
        let types = [self.ty(), indices.ty(), updates.ty()];
        are_indices("scatter", &types, indices)?;
        self.covers("scatter", &types, indices, axis)?;
        if updates.ty() != &TensorType::new(self.dtype(), indices.shape()) {
            let why = format!("updates must be {}{:?}", self.dtype(), indices.shape());
            return Err(refused("scatter", &types, why));
        }
        if mode != ScatterMode::Set && self.dtype() == Scalar::Bool {
            return Err(refused("scatter", &types, "bool can only be updated by `ScatterMode::Set`"));
        }
        let own = Updates { shape: self.shape(), extents: indices.shape(), axis };
        let count = [indices.shape()[axis]];
        let further = self.ty().rank();
        let over = (mode.op(), count.as_slice());
        if mode == ScatterMode::Set {
            let numbers = TensorType::new(Scalar::I32, self.shape());
            let last = Tensor::define_reduction("scatter", &[indices], numbers, over, |inputs, at| {
                own.is_of(at, &at[further], &inputs[0]).select(&at[further], &at[further].same(-1.0))
            })?;
            return Tensor::define("scatter", &[self, &last, updates], self.ty().clone(), |inputs, at| {
                let (element, number) = (inputs[0].at(at.to_vec()), inputs[1].at(at.to_vec()));
                let place = own.place(at, &axes::inside(&number, count[0]));
                number.ge(0.0).select(&inputs[2].at(place), &element)
            });
        }
        let dtype = combined_in(self.dtype());
        let output = TensorType::new(dtype, self.shape());
        let combined = Tensor::define_reduction("scatter", &[indices, updates], output, over, |inputs, at| {
            let update = inputs[1].at(own.place(at, &at[further])).cast(dtype);
            let identity = ScalarExpr::new(dtype, ExprNode::Const(mode.op().identity(dtype)));
            own.is_of(at, &at[further], &inputs[0]).select(&update, &identity)
        })?;
        Tensor::define("scatter", &[self, &combined], self.ty().clone(), |inputs, at| {
            let (element, updates) = (inputs[0].at(at.to_vec()), inputs[1].at(at.to_vec()));
            element.cast(dtype).binary(mode.op().op(), &updates).cast(self.dtype())
        })
    }
}

/// Returns the type in which updates are combined. Integers of 8 and 16 bits have the same lower bits in 32.
fn combined_in(dtype: Scalar) -> Scalar {
    match computed_in(dtype) {
        Scalar::I8 | Scalar::I16 => Scalar::I32,
        Scalar::U8 | Scalar::U16 => Scalar::U32,
        other => other,
    }
}
