//! Conversions of elements.

use super::Row;
use super::tools::one;
use crate::call::Call;
use crate::element;
use crate::error::NodeResult;
use crate::value::{Value, computed};
use hidet::types::Scalar;
use hidet_ops::Tensor;

pub(super) const ROWS: &[Row] = &[
    Row("BitCast", 26, &["to"], bit_cast),
    Row("Cast", 6, &["round_mode", "saturate", "to"], |call| {
        let to = element::scalar(call.int("to", 0)?)?;
        one(converted(&call.tensor(0)?, to)?)
    }),
    Row("CastLike", 15, &["round_mode", "saturate"], |call| {
        one(converted(&call.tensor(0)?, call.value(1)?.ty().dtype)?)
    }),
];

/// Returns a tensor with elements of another type. Floats become integers as in Rust: rounded towards 0, and moved into the
/// type.
pub(super) fn converted(x: &Tensor, to: Scalar) -> NodeResult<Tensor> {
    match to {
        _ if to == x.dtype() => Ok(x.clone()),
        Scalar::Bool => Ok(x.not_equal(0.0)?),
        Scalar::E4M3 | Scalar::E5M2 => Err(format!("conversions to {to} are not supported").into()),
        _ => Ok(x.cast(to)?),
    }
}

fn bit_cast(call: &Call) -> NodeResult<Vec<Value>> {
    let (x, to) = (call.tensor(0)?, element::scalar(call.int("to", 0)?)?);
    if to == Scalar::Bool && x.dtype() != Scalar::Bool {
        // Bits of other elements may be neither true nor false.
        return Err(format!("the bits of {} as bool are not supported", x.ty()).into());
    }
    if to.bytes() != x.dtype().bytes() {
        return Err(format!("{to} has {} bytes, but {} has {}", to.bytes(), x.dtype(), x.dtype().bytes()).into());
    }
    computed(&x)?;
    one(Tensor::from(x.compute()?.bits_as(to)?))
}
