//! Keys of common subexpressions: equal keys mean equal results.

use crate::ir::{BinaryOp, Handle, Op, ValueId};
use crate::types::Type;

/// An operation with its operands and its result type.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct OpKey {
    ty: Type,
    kind: (u8, u64),
    operands: Vec<usize>,
}

/// Returns the key of an operation, or `None` for reads and loads, whose results depend on what was written.
pub(super) fn key(op: &Op, ty: Type) -> Option<OpKey> {
    let kind = match op {
        Op::Const(constant) => (0, constant.bits),
        Op::Dim(dim) => (1, dim.index() as u64),
        Op::Special(special) => (2, *special as u64),
        Op::Unary(op, _) => (3, *op as u64),
        Op::Binary(op, ..) => (4, *op as u64),
        Op::Compare(op, ..) => (5, *op as u64),
        Op::Select(..) => (6, 0),
        Op::Fma(..) => (7, 0),
        Op::Cast(_) => (8, 0),
        Op::Bitcast(_) => (9, 0),
        Op::Vector(_) => (10, 0),
        Op::Extract(_, lane) => (11, u64::from(*lane)),
        Op::Read(_) | Op::Load { .. } => return None,
    };
    let mut operands = Vec::new();
    op.each_operand(&mut |value: ValueId| operands.push(value.index()));
    if let Op::Binary(op, ..) = op
        && commutes(*op)
    {
        operands.sort_unstable();
    }
    Some(OpKey { ty, kind, operands })
}

/// Returns true if exchanging the operands never changes the result. (It does for `min` of two zeros.)
pub(super) fn commutes(op: BinaryOp) -> bool {
    use BinaryOp::{Add, And, Mul, Or, Xor};
    matches!(op, Add | Mul | And | Or | Xor)
}
