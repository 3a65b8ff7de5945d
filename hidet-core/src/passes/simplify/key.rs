//! Keys of common subexpressions: equal keys mean equal results.

use crate::ir::{BinaryOp, Op};
use crate::types::Type;

/// An operation and its result type.
pub(super) type OpKey = (Type, Op);

/// Returns the key of an operation, or `None` for reads and loads, whose results depend on what was written.
pub(super) fn key(op: &Op, ty: Type) -> Option<OpKey> {
    let op = match op {
        Op::Read(_) | Op::Load { .. } => return None,
        Op::Binary(op, a, b) if commutes(*op) && b < a => Op::Binary(*op, *b, *a),
        op => op.clone(),
    };
    Some((ty, op))
}

/// Returns true if exchanging the operands never changes the result. (It does for `min` of two zeros.)
pub(super) fn commutes(op: BinaryOp) -> bool {
    use BinaryOp::{Add, And, Mul, Or, Xor};
    matches!(op, Add | Mul | And | Or | Xor)
}
