//! Matrix products.

use super::{broadcast, broadcast_index, refused};
use crate::composed::composed;
use crate::error::{Result, TensorType};
use crate::expr::{Precision, ScalarExpr};
use crate::task::{Compute, ReduceOp, Task};
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// Why a precision is refused.
pub(super) const OF_SINGLES: &str = "`Precision` is of products of f32; convert them with `cast(Scalar::F32)`";

impl Tensor {
    /// Returns the matrix products `self @ other` of the last two axes, `[.., m, k]` and `[.., k, n]`; the axes in front are
    /// broadcast. Terms are added in `f32` if the elements are `f16`, `bf16` or `f32`; products of `i8` and `u8` are `i32`, those
    /// of `e4m3` and `e5m2` are `f32`, with an error of tensor cores of at most 2^-10 of the largest partial sum.
    ///
    /// # Errors
    ///
    /// If the shapes or the types of the elements do not fit, or are not `f16`, `bf16`, `f32`, `f64`, `i32`, `i64`, `u32`,
    /// `u64`, or one of those of 8 bits.
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        self.matmul_by(other, Precision::F32)
    }

    /// Returns the same with products of `f32` computed in another way.
    ///
    /// # Errors
    ///
    /// As [`Tensor::matmul`], and if another way than `f32` is asked for elements of another type.
    pub fn matmul_by(&self, other: &Tensor, precision: Precision) -> Result<Tensor> {
        composed("matmul", &[precision as u64], &[self, other], || self.product(other, precision))
    }

    fn product(&self, other: &Tensor, precision: Precision) -> Result<Tensor> {
        let types = [self.ty(), other.ty()];
        let refused = |why: &str| Err(refused("matmul", &types, why));
        let ([.., m, k], [.., rows, n]) = (self.shape(), other.shape()) else {
            return refused("both need two axes or more");
        };
        if k != rows {
            return refused(&format!(
                "the second must have as many rows as the first has columns, {k}, but has {rows}"
            ));
        }
        let dtype = self.dtype();
        if dtype != other.dtype() {
            return refused(&format!(
                "their elements have different types; convert one with `cast(Scalar::{dtype:?})`"
            ));
        }
        let Some(sums) = summed_in(dtype) else {
            return refused(&format!("products of {dtype} are not supported; convert them with `cast(Scalar::F32)`"));
        };
        if precision != Precision::F32 && dtype != Scalar::F32 {
            return refused(OF_SINGLES);
        }
        let [a, b] = [self.shape(), other.shape()].map(|shape| &shape[..shape.len() - 2]);
        let Some(batch) = broadcast(a, b) else {
            return refused("the axes in front of the matrices do not fit: extents must be equal, or one of them 1");
        };
        let rank = batch.len();
        let term = |input: usize, shape: &[usize], [row, col]: [usize; 2]| {
            let mut index = broadcast_index(shape, &batch);
            index.extend([row, col].map(ScalarExpr::axis));
            ScalarExpr::read(input, dtype, index).cast(sums)
        };
        // Coordinates are those of the result, [.., m, n], and k.
        let (row, col, along) = (rank, rank + 1, rank + 2);
        let term = precision.product(&term(0, a, [row, along]), &term(1, b, [along, col]));
        let dtype = if dtype.bytes() == 1 { sums } else { dtype };
        let output = TensorType::new(dtype, &[batch.as_slice(), &[*m, *n]].concat());
        let compute = Compute::Reduce { op: ReduceOp::Sum, extents: vec![*k], term };
        let inputs = types.map(TensorType::clone).to_vec();
        let task = Task { name: "matmul", inputs, output, compute };
        Tensor::apply(task, &[self, other])
    }
}

impl Tensor {
    /// Returns the products of the rows of the last two axes, `[.., m, k]` and `[.., n, k]`, in the type in which terms are
    /// added: `[.., m, n]`. The axes in front are broadcast.
    pub(super) fn matmul_rows(&self, other: &Tensor) -> Result<Tensor> {
        let types = [self.ty(), other.ty()];
        let [a, b] = [self.shape(), other.shape()].map(|shape| &shape[..shape.len().saturating_sub(2)]);
        let (Some(sums), Some(batch), [.., m, k], [.., n, _]) =
            (summed_in(self.dtype()), broadcast(a, b), self.shape(), other.shape())
        else {
            return Err(refused("matmul", &types, "they are not matrices whose rows can be multiplied"));
        };
        let (output, rank) = (TensorType::new(sums, &[batch.as_slice(), &[*m, *n]].concat()), batch.len());
        Tensor::define_reduction("matmul", &[self, other], output, (ReduceOp::Sum, &[*k]), |inputs, at| {
            let term = |input: usize, shape: &[usize], row: usize| {
                let last = [at[rank + row].clone(), at[rank + 2].clone()];
                inputs[input].at(broadcast_index(shape, &batch).into_iter().chain(last)).cast(sums)
            };
            term(0, a, 0) * term(1, b, 1)
        })
    }
}

/// Returns the type in which products of a type are added.
pub(super) fn summed_in(dtype: Scalar) -> Option<Scalar> {
    match dtype {
        Scalar::F16 | Scalar::BF16 | Scalar::F32 | Scalar::E4M3 | Scalar::E5M2 => Some(Scalar::F32),
        Scalar::I8 | Scalar::U8 => Some(Scalar::I32),
        Scalar::F64 | Scalar::I32 | Scalar::I64 | Scalar::U32 | Scalar::U64 => Some(dtype),
        _ => None,
    }
}
