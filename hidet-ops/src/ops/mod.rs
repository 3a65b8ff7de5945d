//! The operators: what each computes, its conditions, and its implementations.

mod activation;
mod attention;
mod axes;
mod compare;
mod conv;
mod coordinate;
mod create;
mod define;
mod einsum;
mod elementwise;
mod im2col;
mod index;
mod join;
mod kernel;
mod lstm;
mod math;
mod matmul;
mod norm;
mod pool;
mod recurrent;
mod reduce;
mod resize;
mod scan;
mod scatter;
mod shape;
mod slice;
mod softmax;
mod sort;
mod steps;
mod transform;
mod window;

pub use attention::Attention;
pub use coordinate::{Coordinates, Rounding};
pub use define::Input;
pub use elementwise::Operand;
pub use join::PadMode;
pub use recurrent::{Direction, Recurrent};
pub use resize::{Resize, ResizeMode, ResizeTo};
pub use scatter::ScatterMode;
pub use window::Window;

use crate::error::{Error, TensorType};
use crate::expr::ScalarExpr;
use hidet::types::Scalar;

/// Returns the type in which values of a type are computed: floats of 16 and 8 bits in `f32`.
fn computed_in(dtype: Scalar) -> Scalar {
    if dtype.is_float() && dtype.bytes() < 4 { Scalar::F32 } else { dtype }
}

/// Returns the index of an input with extents `from` that is broadcast to `to`: aligned at the last axis, and the same
/// along axes that it lacks or has 1 of.
fn broadcast_index(from: &[usize], to: &[usize]) -> Vec<ScalarExpr> {
    let missing = to.len() - from.len();
    let index = |(axis, extent): (usize, &usize)| match *extent == 1 && to[missing + axis] != 1 {
        true => ScalarExpr::constant(Scalar::I32, 0.0),
        false => ScalarExpr::axis(missing + axis),
    };
    from.iter().enumerate().map(index).collect()
}

/// Returns the extents to which two shapes are broadcast: aligned at the last axis, extents are equal, or one is 1.
fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let extent = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let both = |axis| match (extent(a, axis), extent(b, axis)) {
        (a, b) if a == b => Some(a),
        (1, other) | (other, 1) => Some(other),
        _ => None,
    };
    (0..rank).map(both).collect()
}

/// Returns an error of an operator.
fn refused(operator: &'static str, inputs: &[&TensorType], why: impl Into<String>) -> Error {
    Error::Operator { operator, inputs: inputs.iter().map(|input| (*input).clone()).collect(), why: why.into() }
}
