//! The types of operations, by the rules of [`typing`].

use super::Checker;
use crate::ir::{Op, ValueId, typing};
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
            typed(c, &name, result, op.name(), ty, typing::unary(*op, ty));
        }
        Op::Binary(op, a, b) => {
            let ty = f.ty(*a);
            same(c, op.name(), &[*a, *b]);
            typed(c, &name, result, op.name(), ty, typing::binary(*op, ty));
        }
        Op::Compare(op, a, b) => {
            let ty = f.ty(*a);
            same(c, op.name(), &[*a, *b]);
            typed(c, &name, result, op.name(), ty, typing::compare(*op, ty));
        }
        Op::Select(condition, a, b) => {
            holds(c, typing::condition(f.ty(*condition)));
            same(c, "select", &[*a, *b]);
            let ty = f.ty(*a);
            c.require(ty == result, || format!("{name} is {result}, but `select` chooses between {ty}"));
        }
        Op::Fma(x, y, z) => {
            let ty = f.ty(*x);
            same(c, "fma", &[*x, *y, *z]);
            typed(c, &name, result, "fma", ty, typing::fma(ty));
        }
        Op::Cast(a) => holds(c, typing::cast(f.ty(*a), result)),
        Op::Bitcast(a) => holds(c, typing::bitcast(f.ty(*a), result)),
        Op::Vector(values) => {
            let types: Vec<Type> = values.iter().map(|value| f.ty(*value)).collect();
            c.require(typing::vector(&types) == Ok(result), || {
                let types: Vec<String> = types.iter().map(Type::to_string).collect();
                format!("{name} is {result}, but made of ({})", types.join(", "))
            });
        }
        Op::Extract(a, lane) => {
            let ty = f.ty(*a);
            holds(c, typing::extract(ty, *lane).map(drop));
            c.require(result == Type::from(ty.scalar), || format!("{name} is {result}, but a lane of {ty}"));
        }
    }
}

/// Requires operands of one type.
fn same(c: &mut Checker<'_>, op: &str, values: &[ValueId]) {
    let types: Vec<Type> = values.iter().map(|value| c.f.ty(*value)).collect();
    holds(c, typing::same(op, &types));
}

fn holds(c: &mut Checker<'_>, rule: Result<(), String>) {
    if let Err(message) = rule {
        c.problem(message);
    }
}

/// Requires that an operation is defined for its operands, and that the result has the type that follows.
fn typed(c: &mut Checker<'_>, name: &str, result: Type, op: &str, operand: Type, wanted: Result<Type, String>) {
    match wanted {
        Ok(wanted) => {
            c.require(result == wanted, || format!("{name} is {result}, but `{op}` of {operand} is {wanted}"))
        }
        Err(message) => c.problem(message),
    }
}
