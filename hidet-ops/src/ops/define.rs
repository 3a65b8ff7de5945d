//! Operators by their definition: of these here, and of users.

use crate::error::{Error, Result, TensorType};
use crate::expr::{ExprNode, ScalarExpr};
use crate::task::{Compute, ReduceOp, Task};
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// An input of an operator in its definition.
#[derive(Clone, Debug)]
pub struct Input {
    number: usize,
    ty: TensorType,
}

impl Input {
    /// Returns the element at an index, 0 outside of the tensor.
    pub fn at(&self, index: impl IntoIterator<Item = ScalarExpr>) -> ScalarExpr {
        let mut index: Vec<ScalarExpr> = index.into_iter().collect();
        for (own, extent) in index.iter_mut().zip(&self.ty.shape) {
            // An axis that is read at 0 itself has one element.
            if *extent != 1 && matches!(own.node(), ExprNode::Const(value) if value.bits == 0) {
                *own = &*own + 0usize;
            }
        }
        ScalarExpr::read(self.number, self.ty.dtype, index)
    }

    /// Returns the type of the elements.
    pub fn dtype(&self) -> Scalar {
        self.ty.dtype
    }

    /// Returns the extents.
    pub fn shape(&self) -> &[usize] {
        &self.ty.shape
    }
}

impl Tensor {
    /// Returns the result of an operator that computes each element of `output` by itself: `value` gets the inputs and the
    /// coordinates of the element. It fuses like the operators that are there.
    ///
    /// ```
    /// use hidet::prelude::Device;
    /// use hidet_ops::{Result, Tensor};
    ///
    /// fn leaky_relu(x: &Tensor, slope: f64) -> Result<Tensor> {
    ///     Tensor::define("leaky_relu", &[x], x.ty().clone(), |inputs, at| {
    ///         let x = inputs[0].at(at.to_vec());
    ///         x.lt(0.0).select(&(&x * slope), &x)
    ///     })
    /// }
    ///
    /// let x = Tensor::from(&Device::sim().tensor(&[-2.0f32, 0.0, 3.0], [3])?);
    /// let y = leaky_relu(&x.add(-1.0)?, 0.5)?.mul(2.0)?;
    /// assert_eq!(y.kernels(), ["add_leaky_relu_mul"]);
    /// assert_eq!(y.to_vec::<f32>()?, [-3.0, -1.0, 4.0]);
    /// # Ok::<(), hidet_ops::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the definition does not hold together: types, numbers of coordinates, coordinates that do not span the axis that
    /// they read.
    pub fn define(
        name: &'static str,
        inputs: &[&Tensor],
        output: TensorType,
        value: impl FnOnce(&[Input], &[ScalarExpr]) -> ScalarExpr,
    ) -> Result<Tensor> {
        Tensor::defined(name, inputs, output, |inputs, at| Compute::Each(value(inputs, at)), 0)
    }

    /// Returns the result of an operator that combines terms over further axes with these extents, whose coordinates follow
    /// those of the element. Terms have the type in which they are combined; the result of [`ReduceOp::ArgMax`] and
    /// [`ReduceOp::ArgMin`] is the number of the term.
    ///
    /// # Errors
    ///
    /// As [`Tensor::define`].
    pub fn define_reduction(
        name: &'static str,
        inputs: &[&Tensor],
        output: TensorType,
        (op, extents): (ReduceOp, &[usize]),
        term: impl FnOnce(&[Input], &[ScalarExpr]) -> ScalarExpr,
    ) -> Result<Tensor> {
        let compute = |inputs: &[Input], at: &[ScalarExpr]| Compute::Reduce {
            op,
            extents: extents.to_vec(),
            term: term(inputs, at),
        };
        Tensor::defined(name, inputs, output, compute, extents.len())
    }

    pub(super) fn defined(
        name: &'static str,
        inputs: &[&Tensor],
        output: TensorType,
        compute: impl FnOnce(&[Input], &[ScalarExpr]) -> Compute,
        further: usize,
    ) -> Result<Tensor> {
        let (own, at) = places(inputs, output.rank() + further);
        checked(name, inputs, output, compute(&own, &at))
    }
}

/// Returns what a definition reads, and its coordinates.
fn places(inputs: &[&Tensor], coordinates: usize) -> (Vec<Input>, Vec<ScalarExpr>) {
    let own = inputs.iter().enumerate().map(|(number, input)| Input { number, ty: input.ty().clone() }).collect();
    (own, (0..coordinates).map(ScalarExpr::axis).collect())
}

/// Returns the result of a definition, or what does not hold together in it.
fn checked(name: &'static str, inputs: &[&Tensor], output: TensorType, compute: Compute) -> Result<Tensor> {
    let types = inputs.iter().map(|input| input.ty().clone()).collect();
    let task = Task { name, inputs: types, output, compute };
    task.check().map_err(|why| Error::Operator { operator: name, inputs: task.inputs.clone(), why })?;
    Tensor::apply(task, inputs)
}
