//! Cases of operators that compute each element by itself.

use super::{ALL, Case, FLOATS, Inputs, NUMBERS};
use crate::error::Result;
use crate::tensor::Tensor;

/// Two tensors whose shapes broadcast.
fn both(inputs: &mut Inputs) -> Result<[Tensor; 2]> {
    let shape = inputs.shape();
    let mut other: Vec<usize> = shape.iter().map(|extent| if inputs.below(3) == 0 { 1 } else { *extent }).collect();
    other.drain(..inputs.below(other.len() + 1));
    Ok([inputs.tensor(&shape)?, inputs.tensor(&other)?])
}

/// Returns the cases.
pub(super) fn cases() -> Vec<Case> {
    vec![
        Case { operator: "add", dtypes: NUMBERS, apply: |i| both(i).and_then(|[a, b]| a.add(&b)) },
        Case { operator: "sub", dtypes: NUMBERS, apply: |i| both(i).and_then(|[a, b]| a.sub(&b)) },
        Case { operator: "mul", dtypes: NUMBERS, apply: |i| both(i).and_then(|[a, b]| a.mul(&b)) },
        Case { operator: "maximum", dtypes: NUMBERS, apply: |i| both(i).and_then(|[a, b]| a.maximum(&b)) },
        Case { operator: "minimum", dtypes: NUMBERS, apply: |i| both(i).and_then(|[a, b]| a.minimum(&b)) },
        Case { operator: "relu", dtypes: NUMBERS, apply: |i| i.any()?.relu() },
        Case { operator: "exp", dtypes: FLOATS, apply: |i| i.any()?.exp() },
        Case {
            operator: "reshape",
            dtypes: ALL,
            apply: |i| {
                let x = i.any()?;
                x.reshape(&[x.ty().len()])
            },
        },
    ]
}
