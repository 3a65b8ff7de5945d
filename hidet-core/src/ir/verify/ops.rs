//! The types of operations. An operation is defined for the types that [`eval`](crate::ir::eval) can compute.

use super::Checker;
use crate::ir::{Op, UnaryOp, ValueId, eval};
use crate::types::{Scalar, Type};

pub(super) fn check(c: &mut Checker<'_>, value: ValueId, op: &Op) {
    let f = c.f;
    let result = f.ty(value);
    let name = c.value(value);
    match op {
        Op::Const(constant) => {
            let ty = Type::from(constant.scalar);
            c.require(ty == result, || format!("{name} is {result}, but the constant is {ty}"));
            let spare = constant.bits.checked_shr(8 * constant.scalar.bytes() as u32).unwrap_or(0);
            let whole = spare == 0 && (constant.scalar != Scalar::Bool || constant.bits <= 1);
            c.require(whole, || format!("the constant {name} has bits beyond {ty}: {:#x}", constant.bits));
        }
        Op::Dim(_) => c.require(result == Type::I32, || format!("{name} is {result}; an extent is i32")),
        Op::Special(special) => {
            c.require(result == Type::I32, || format!("{name} is {result}; `{}` is i32", special.name()));
        }
        Op::Read(var) => {
            let (ty, var) = (f.vars[*var].ty, c.var(*var));
            c.require(ty == result, || format!("{name} is {result}, but {var} is {ty}"));
        }
        Op::Load { .. } => {}
        Op::Unary(op, a) => {
            let ty = f.ty(*a);
            let asks = matches!(op, UnaryOp::IsNan | UnaryOp::IsInf | UnaryOp::IsFinite);
            let wanted = if asks { Type::BOOL } else { ty };
            let defined = eval::unary(*op, ty.scalar).is_some() && !(asks && ty.lanes > 1);
            defined_and_typed(c, &name, result, wanted, op.name(), ty, defined);
        }
        Op::Binary(op, a, b) => {
            let ty = f.ty(*a);
            same(c, op.name(), &[*a, *b]);
            defined_and_typed(c, &name, result, ty, op.name(), ty, eval::binary(*op, ty.scalar).is_some());
        }
        Op::Compare(op, a, b) => {
            let ty = f.ty(*a);
            same(c, op.name(), &[*a, *b]);
            let defined = eval::compare(*op, ty.scalar).is_some() && ty.lanes == 1;
            defined_and_typed(c, &name, result, Type::BOOL, op.name(), ty, defined);
        }
        Op::Select(condition, a, b) => {
            let ty = f.ty(*condition);
            c.require(ty == Type::BOOL, || format!("the condition of `select` is {ty}, not bool"));
            same(c, "select", &[*a, *b]);
            let ty = f.ty(*a);
            c.require(ty == result, || format!("{name} is {result}, but `select` chooses between {ty}"));
        }
        Op::Fma(x, y, z) => {
            let ty = f.ty(*x);
            same(c, "fma", &[*x, *y, *z]);
            defined_and_typed(c, &name, result, ty, "fma", ty, eval::fma(ty.scalar).is_some());
        }
        Op::Cast(a) => {
            let ty = f.ty(*a);
            c.require(ty.lanes == result.lanes, || format!("a cast from {ty} to {result} changes the number of lanes"));
        }
        Op::Bitcast(a) => {
            let ty = f.ty(*a);
            let fine = ty.bytes() == result.bytes() && ty.scalar != Scalar::Bool && result.scalar != Scalar::Bool;
            c.require(fine, || format!("a bitcast from {ty} to {result}: sizes must agree and bool cannot take part"));
        }
        Op::Vector(values) => {
            let fine = values.len() >= 2
                && values.len() == result.lanes as usize
                && values.iter().all(|value| f.ty(*value) == Type::from(result.scalar));
            c.require(fine, || {
                let types: Vec<String> = values.iter().map(|value| f.ty(*value).to_string()).collect();
                format!("{name} is {result}, but made of ({})", types.join(", "))
            });
        }
        Op::Extract(a, lane) => {
            let ty = f.ty(*a);
            c.require(ty.lanes > 1 && *lane < ty.lanes, || format!("there is no lane {lane} to extract from {ty}"));
            c.require(result == Type::from(ty.scalar), || format!("{name} is {result}, but a lane of {ty}"));
        }
    }
}

/// Requires operands of one type.
fn same(c: &mut Checker<'_>, op: &str, values: &[ValueId]) {
    let types: Vec<Type> = values.iter().map(|value| c.f.ty(*value)).collect();
    if types.iter().any(|ty| *ty != types[0]) {
        let types: Vec<String> = types.iter().map(|ty| ty.to_string()).collect();
        c.problem(format!("`{op}` of operands of different types: {}", types.join(", ")));
    }
}

fn defined_and_typed(
    c: &mut Checker<'_>,
    name: &str,
    result: Type,
    wanted: Type,
    op: &str,
    operand: Type,
    defined: bool,
) {
    if !defined {
        c.problem(format!("`{op}` is not defined for {operand}"));
    } else {
        c.require(result == wanted, || format!("{name} is {result}, but `{op}` of {operand} is {wanted}"));
    }
}
