//! Products of matrices.

use super::Row;
use super::conv::centred;
use super::quantize::requantized;
use super::tools::{host, one, product};
use crate::array::Array;
use crate::call::Call;
use crate::error::NodeResult;
use crate::value::Value;
use hidet::types::Scalar;
use hidet_ops::{Precision, Tensor};

pub(super) const ROWS: &[Row] = &[
    Row("Det", 11, &[], det),
    Row("Einsum", 12, &["equation"], |call| {
        let tensors = call.tensors()?;
        one(Tensor::einsum(&call.text("equation", "")?, &tensors.iter().collect::<Vec<&Tensor>>())?)
    }),
    Row("Gemm", 1, &["alpha", "beta", "broadcast", "transA", "transB"], gemm),
    Row("MatMul", 1, &[], |call| one(matmul(&call.tensor(0)?, &call.tensor(1)?, call.products)?)),
    Row("MatMulInteger", 10, &[], |call| one(integers(call, [0, 1], [2, 3])?)),
    Row("QLinearMatMul", 10, &[], |call| {
        let y = integers(call, [0, 3], [2, 5])?;
        let scales = [scale(&call.tensor(1)?, true)?, scale(&call.tensor(4)?, false)?];
        one(requantized(&y, &[&scales[0], &scales[1]], &call.tensor(6)?, &call.tensor(7)?)?)
    }),
];

/// Returns the product as NumPy has it: an operand with one axis is a row on the left, a column on the right.
pub(super) fn matmul(a: &Tensor, b: &Tensor, precision: Precision) -> NodeResult<Tensor> {
    let (row, column) = (a.ty().rank() == 1, b.ty().rank() == 1);
    let left = if row { a.unsqueeze(0)? } else { a.clone() };
    let right = if column { b.unsqueeze(1)? } else { b.clone() };
    let y = by(&left, &right, precision)?;
    let rank = y.ty().rank();
    let y = if column { y.squeeze(&[rank - 1])? } else { y };
    Ok(if row { y.squeeze(&[rank - 2])? } else { y })
}

/// Returns the product of matrices, those of `f32` by a precision.
fn by(a: &Tensor, b: &Tensor, precision: Precision) -> NodeResult<Tensor> {
    let is_single = [a, b].iter().all(|own| own.dtype() == Scalar::F32);
    Ok(a.matmul_by(b, if is_single { precision } else { Precision::F32 })?)
}

fn gemm(call: &Call) -> NodeResult<Vec<Value>> {
    let turned = |x: Tensor, name: &str| -> NodeResult<Tensor> { Ok(if call.flag(name, false)? { x.t()? } else { x }) };
    let (a, b) = (turned(call.tensor(0)?, "transA")?, turned(call.tensor(1)?, "transB")?);
    let times = |x: Tensor, factor: f64| if factor == 1.0 { Ok(x) } else { x.mul(factor) };
    let y = times(by(&a, &b, call.products)?, call.float("alpha", 1.0)?)?;
    match call.optional(2)? {
        Some(c) => one(y.add(&times(c, call.float("beta", 1.0)?)?)?),
        None => one(y),
    }
}

/// Returns the product of integers of 8 bits less their zero points, as `i32`.
fn integers(call: &Call, operands: [usize; 2], zeros: [usize; 2]) -> NodeResult<Tensor> {
    let [a, b] = [call.tensor(operands[0])?, call.tensor(operands[1])?];
    let [a_zero, b_zero] = [call.optional(zeros[0])?, call.optional(zeros[1])?];
    // Zero points of a are of its rows, those of b of its columns.
    let row_axis = a.ty().rank().saturating_sub(2);
    let a = centred(&a, a_zero.as_ref(), row_axis)?;
    let column_axis = b.ty().rank().saturating_sub(1);
    matmul(&a, &centred(&b, b_zero.as_ref(), column_axis)?, Precision::F32)
}

/// Returns the scale of an operand, of which there may be one per row or column.
fn scale(scale: &Tensor, of_rows: bool) -> NodeResult<Tensor> {
    match scale.ty().len() {
        1 => Ok(scale.reshape(&[])?),
        count if of_rows => Ok(scale.reshape(&[count, 1])?),
        count => Ok(scale.reshape(&[count])?),
    }
}

/// Determinants of matrices, computed on the host in `f64` by elimination.
fn det(call: &Call) -> NodeResult<Vec<Value>> {
    let x = call.value(0)?.array()?;
    let [front @ .., n, m] = x.shape() else { return Err(format!("{} is not a matrix", x.ty()).into()) };
    if n != m || !x.dtype().is_float() {
        return Err(format!("{} is not square matrices of floats", x.ty()).into());
    }
    let numbers = x.floats();
    let size = n * n;
    let each = (0..product(front)).map(|at| determinant(&numbers[at * size..(at + 1) * size], *n));
    host(Array::of_floats(x.dtype(), front, &each.collect::<Vec<f64>>()))
}

fn determinant(matrix: &[f64], n: usize) -> f64 {
    let mut rows: Vec<Vec<f64>> = matrix.chunks(n.max(1)).map(<[f64]>::to_vec).collect();
    let mut value = 1.0;
    for column in 0..n {
        let pivot = (column..n).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        if rows[pivot][column] == 0.0 {
            return 0.0;
        }
        if pivot != column {
            rows.swap(pivot, column);
            value = -value;
        }
        value *= rows[column][column];
        let (done, rest) = rows.split_at_mut(column + 1);
        let own = &done[column];
        for row in rest {
            let factor = row[column] / own[column];
            row[column..].iter_mut().zip(&own[column..]).for_each(|(a, b)| *a -= factor * b);
        }
    }
    value
}
