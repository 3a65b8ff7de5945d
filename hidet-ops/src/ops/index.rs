//! Elements at indices that are elements of a tensor themselves, and by their place in a matrix.

use super::{axes, refused};
use crate::error::{Result, TensorType};
use crate::expr::ScalarExpr;
use crate::tensor::Tensor;
use hidet::types::Scalar;

/// Returns an error if a tensor has not the type of indices.
pub(super) fn are_indices(operator: &'static str, types: &[&TensorType], indices: &Tensor) -> Result<()> {
    match indices.dtype() {
        Scalar::I32 | Scalar::I64 => Ok(()),
        other => {
            let why = format!("indices are i32 or i64, not {other}; convert them with `cast(Scalar::I64)`");
            Err(refused(operator, types, why))
        }
    }
}

/// Returns an index that counts from the start: a negative one counts from the end.
pub(super) fn from_start(index: &ScalarExpr, extent: usize) -> ScalarExpr {
    index.lt(0.0).select(&(index + extent), index)
}

/// Returns an element at an index that may be outside, where it is that of [`missing`]; `read` has the element at one
/// inside.
fn element(index: &ScalarExpr, extent: usize, read: impl FnOnce(ScalarExpr) -> ScalarExpr) -> ScalarExpr {
    let index = from_start(index, extent);
    let value = read(axes::inside(&index, extent).cast(Scalar::I32));
    let missing = missing(value.dtype());
    (index.ge(0.0) & index.lt(extent)).select(&value, &missing)
}

/// Returns what stands for an element that there is not.
fn missing(dtype: Scalar) -> ScalarExpr {
    let number = match dtype {
        Scalar::Bool => 0.0,
        _ if dtype.is_float() => f64::NAN,
        _ if dtype.is_signed_int() => f64::NEG_INFINITY,
        _ => f64::INFINITY,
    };
    ScalarExpr::constant(dtype, number)
}

impl Tensor {
    /// Returns the parts at indices along an axis: `x[..front, indices.., ..behind]`, as `take` of NumPy and `Gather` of
    /// ONNX. Elements may be of any type, indices are `i32` or `i64` and have any shape: of `[4, 5]`, those of `[2, 3]`
    /// along axis 0 are `[2, 3, 5]`.
    ///
    /// Negative indices count from the end. Elements at an index outside are NaN for floats, the least number of signed
    /// integers, the largest of unsigned ones, and false for `bool`.
    ///
    /// # Errors
    ///
    /// If there is no such axis, or indices have another type.
    pub fn take(&self, indices: &Tensor, axis: usize) -> Result<Tensor> {
        axes::one("take", self, axis)?;
        are_indices("take", &[self.ty(), indices.ty()], indices)?;
        let (shape, rank) = (self.shape(), indices.ty().rank());
        let output = [&shape[..axis], indices.shape(), &shape[axis + 1..]].concat();
        Tensor::define("take", &[self, indices], TensorType::new(self.dtype(), &output), |inputs, at| {
            let number = inputs[1].at(at[axis..axis + rank].to_vec());
            element(&number, shape[axis], |own| inputs[0].at([&at[..axis], &[own], &at[axis + rank..]].concat()))
        })
    }

    /// Returns the element at an index along an axis for each of the indices, which have as many axes as the tensor:
    /// `y[i, j] = x[indices[i, j], j]` along axis 0, as `gather` of PyTorch and `GatherElements` of ONNX. Elements may be of
    /// any type, indices are `i32` or `i64`. The result has the shape of the indices.
    ///
    /// Negative indices and those outside are as in [`Tensor::take`].
    ///
    /// # Errors
    ///
    /// If there is no such axis, indices have another type or number of axes, or along another axis more elements.
    pub fn gather(&self, indices: &Tensor, axis: usize) -> Result<Tensor> {
        axes::one("gather", self, axis)?;
        let types = [self.ty(), indices.ty()];
        are_indices("gather", &types, indices)?;
        self.covers("gather", &types, indices, axis)?;
        let output = TensorType::new(self.dtype(), indices.shape());
        Tensor::define("gather", &[self, indices], output, |inputs, at| {
            let number = inputs[1].at(at.to_vec());
            element(&number, self.shape()[axis], |own| {
                let index = |(place, at): (usize, &ScalarExpr)| match place {
                    _ if place == axis => own.clone(),
                    _ if indices.shape()[place] == self.shape()[place] => at.clone(),
                    _ => at + 0.0,
                };
                inputs[0].at(at.iter().enumerate().map(index))
            })
        })
    }

    /// Returns an error if a tensor has other axes than this one, or more elements along another axis than `axis`.
    pub(super) fn covers(
        &self,
        operator: &'static str,
        types: &[&TensorType],
        other: &Tensor,
        axis: usize,
    ) -> Result<()> {
        let (own, others) = (self.shape(), other.shape());
        if own.len() != others.len() {
            let why = format!("indices must have {} axes as the tensor, not {}", own.len(), others.len());
            return Err(refused(operator, types, why));
        }
        match (0..own.len()).find(|place| *place != axis && others[*place] > own[*place]) {
            Some(place) => {
                let (most, found) = (own[place], others[place]);
                let why = format!("along axis {place} there may be at most {most} indices, not {found}");
                Err(refused(operator, types, why))
            }
            None => Ok(()),
        }
    }

    /// Returns the upper triangles of the matrices of the last two axes, of elements of any type: those of diagonal `k` and
    /// above it, and 0 elsewhere. Diagonal 0 is the main one, those above it count up.
    ///
    /// # Errors
    ///
    /// If there are fewer than two axes.
    pub fn triu(&self, k: i64) -> Result<Tensor> {
        self.triangle("triu", k, |diagonal, k| diagonal.ge(k))
    }

    /// Returns the lower triangles of the matrices of the last two axes, of elements of any type: those of diagonal `k` and
    /// below it, and 0 elsewhere.
    ///
    /// # Errors
    ///
    /// If there are fewer than two axes.
    pub fn tril(&self, k: i64) -> Result<Tensor> {
        self.triangle("tril", k, |diagonal, k| diagonal.le(k))
    }

    fn triangle(&self, name: &'static str, k: i64, has: impl FnOnce(&ScalarExpr, i64) -> ScalarExpr) -> Result<Tensor> {
        let rank = self.ty().rank();
        if rank < 2 {
            return Err(refused(name, &[self.ty()], "it needs two axes or more"));
        }
        let most = i64::from(i32::MAX);
        Tensor::define(name, &[self], self.ty().clone(), |inputs, at| {
            let element = inputs[0].at(at.to_vec());
            has(&(&at[rank - 1] - &at[rank - 2]), k.clamp(-most, most)).select(&element, &element.same(0.0))
        })
    }

    /// Returns for each index, of type `i32` or `i64`, `depth` elements along a new last axis: 1 at the index and 0
    /// elsewhere, of type `dtype`. Negative indices count from the end; an index outside has zeros only.
    ///
    /// # Errors
    ///
    /// If indices have another type, or the result would be too large.
    pub fn one_hot(&self, depth: usize, dtype: Scalar) -> Result<Tensor> {
        are_indices("one_hot", &[self.ty()], self)?;
        let shape = [self.shape(), &[depth]].concat();
        let last = self.ty().rank();
        Tensor::define("one_hot", &[self], TensorType::new(dtype, &shape), |inputs, at| {
            let index = from_start(&inputs[0].at(at[..last].to_vec()), depth);
            let [zero, one] = [0.0, 1.0].map(|number| ScalarExpr::constant(dtype, number));
            at[last].cast(self.dtype()).equals(index).select(&one, &zero)
        })
    }

    /// Returns the rows of this table, `[n, width]`, whose numbers `ids` are: `[ids.., width]`. Elements may be of any type,
    /// ids are `i32` or `i64`; those that are negative or outside are as in [`Tensor::take`].
    ///
    /// # Errors
    ///
    /// If the table has not two axes, or ids have another type.
    pub fn embedding(&self, ids: &Tensor) -> Result<Tensor> {
        let types = [self.ty(), ids.ty()];
        if self.ty().rank() != 2 {
            return Err(refused("embedding", &types, "the table must have two axes, rows and their elements"));
        }
        are_indices("embedding", &types, ids)?;
        self.take(ids, 0)
    }
}
