//! The types of operations: which operands they take, and the type of their result. The verifier and untyped building
//! share these rules. An operation is defined for the types that [`eval`] can compute.

use super::{BinaryOp, CompareOp, UnaryOp, eval};
use crate::types::{Scalar, Type};

/// Returns the type of the result of a unary operation, or an error message.
pub fn unary(op: UnaryOp, operand: Type) -> Result<Type, String> {
    let asks = matches!(op, UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite);
    let defined = eval::unary(op, operand.scalar).is_some() && !(asks && operand.lanes > 1);
    result(op.name(), operand, defined, if asks { Type::BOOL } else { operand })
}

/// Returns the type of the result of a binary operation on two values of one type, or an error message.
pub fn binary(op: BinaryOp, operands: Type) -> Result<Type, String> {
    result(op.name(), operands, eval::binary(op, operands.scalar).is_some(), operands)
}

/// Returns the type of the result of a comparison of two values of one type, or an error message.
pub fn compare(op: CompareOp, operands: Type) -> Result<Type, String> {
    let defined = eval::compare(op, operands.scalar).is_some() && operands.lanes == 1;
    result(op.name(), operands, defined, Type::BOOL)
}

/// Returns the type of the result of a fused multiply-add of three values of one type, or an error message.
pub fn fma(operands: Type) -> Result<Type, String> {
    result("fma", operands, eval::fma(operands.scalar).is_some(), operands)
}

fn result(op: &str, operands: Type, defined: bool, result: Type) -> Result<Type, String> {
    if defined { Ok(result) } else { Err(format!("`{op}` is not defined for {operands}")) }
}

/// Returns an error message unless all operands have one type.
pub fn same(op: &str, operands: &[Type]) -> Result<(), String> {
    if operands.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(());
    }
    Err(format!("`{op}` of operands of different types: {}", list(operands)))
}

/// Returns an error message unless the type is that of a condition of `select`.
pub fn condition(ty: Type) -> Result<(), String> {
    if ty == Type::BOOL { Ok(()) } else { Err(format!("the condition of `select` is {ty}, not bool")) }
}

/// Returns an error message unless a value can be converted from one type to the other.
pub fn cast(from: Type, to: Type) -> Result<(), String> {
    if from.lanes == to.lanes { Ok(()) } else { Err(format!("a cast from {from} to {to} changes the number of lanes")) }
}

/// Returns an error message unless the bits of a value can be those of a value of the other type.
pub fn bitcast(from: Type, to: Type) -> Result<(), String> {
    if from.bytes() == to.bytes() && from.scalar != Scalar::Bool && to.scalar != Scalar::Bool {
        return Ok(());
    }
    Err(format!("a bitcast from {from} to {to}: sizes must agree and bool cannot take part"))
}

/// Returns the type of a vector of these lanes, or an error message.
pub fn vector(lanes: &[Type]) -> Result<Type, String> {
    match (lanes, u8::try_from(lanes.len())) {
        ([first, _, ..], Ok(count)) if first.lanes == 1 && lanes.iter().all(|lane| lane == first) => {
            Ok(Type::vector(first.scalar, count))
        }
        _ => Err(format!("a vector is made of scalars of one type, not of ({})", list(lanes))),
    }
}

/// Returns the type of a lane of a vector, or an error message.
pub fn extract(vector: Type, lane: u8) -> Result<Type, String> {
    if vector.lanes > 1 && lane < vector.lanes {
        return Ok(vector.scalar.into());
    }
    Err(format!("there is no lane {lane} to extract from {vector}"))
}

fn list(types: &[Type]) -> String {
    types.iter().map(Type::to_string).collect::<Vec<_>>().join(", ")
}
