//! Tests: signed arithmetic of unknown numbers is written as wrapping functions, whatever its result is used for.

use super::tests::Build;
use super::*;
use crate::ir::*;
use crate::types::{Const, Scalar, Type};

const SM80: Arch = Arch { number: 80, specific: false };

/// Uses of a number for which code generation once assumed that it is a position that does not overflow.
const WAYS: [&str; 9] = ["index", "quotient", "rest", "least", "most", "wide", "compared", "end", "variable"];

/// Returns a kernel that computes `a op b` of numbers read from memory, and uses the result in the way given.
fn kernel(op: Operation, scalar: Scalar, way: &str) -> Function {
    let mut b = Build::new("k", 32);
    let x = b.tensor("x", Access::In, scalar, 64);
    let y = b.tensor("y", Access::Out, scalar, 64);
    let (zero, one) = (b.int(0), b.int(1));
    let mut operand = |name: &str, at| b.named(name, scalar, Op::Load { buffer: x, index: vec![at], guard: false });
    let (p, q) = (operand("p", zero), operand("q", one));
    let result = match op {
        Operation::Neg => b.op(scalar, Op::Unary(UnaryOp::Neg, p)),
        Operation::Binary(op) => b.op(scalar, Op::Binary(op, p, q)),
    };
    let mut number = |value: i64| b.op(scalar, Op::Const(Const::int(scalar, value)));
    let (four, seven) = (number(4), number(7));
    let mut position = match way {
        "quotient" => b.binary(BinaryOp::Div, result, four),
        "rest" => b.binary(BinaryOp::Rem, result, seven),
        "least" => b.binary(BinaryOp::Min, result, seven),
        "most" => b.binary(BinaryOp::Max, result, four),
        "variable" => {
            let var = b.function.vars.push(Var { name: String::new(), ty: scalar.into() });
            b.stmt(Stmt::Declare { var, init: Some(result) });
            b.op(scalar, Op::Read(var))
        }
        _ => result,
    };
    if way == "wide" || !matches!(scalar, Scalar::I32 | Scalar::I64) {
        position = b.op(Scalar::I64, Op::Cast(position));
    }
    match way {
        "compared" => {
            let cond = b.op(Type::BOOL, Op::Compare(CompareOp::Gt, result, p));
            let then = b.block(|b| b.store(y, zero, p));
            b.stmt(Stmt::If { cond, then, otherwise: Block::default() });
        }
        "end" => {
            let end = b.op(Scalar::I32, Op::Cast(position));
            let label = b.function.loops.push(Loop::default());
            let index = b.function.new_value(Scalar::I32, "");
            let body = b.block(|b| b.store(y, index, p));
            b.stmt(Stmt::For {
                label,
                index,
                start: zero,
                end,
                inclusive: false,
                step: one,
                unroll: Unroll::Auto,
                body,
            });
        }
        _ => {
            let value = b.load(x, position);
            b.store(y, zero, value);
        }
    }
    b.done()
}

#[derive(Clone, Copy)]
enum Operation {
    Neg,
    Binary(BinaryOp),
}

#[test]
fn unknown_numbers_wrap_in_all_uses() {
    use BinaryOp::{Add, Div, Mul, Rem, Shl, Sub};
    for scalar in [Scalar::I32, Scalar::I64] {
        for way in WAYS {
            for op in [Add, Sub, Mul, Div, Rem, Shl] {
                let function = kernel(Operation::Binary(op), scalar, way);
                let text = cuda(&function, SM80).unwrap().text;
                let call = format!("wrapping_{}(p_, q_)", op.name());
                assert!(text.contains(&call), "{op:?} of {scalar}, {way}: no {call} in\n{text}");
            }
            let text = cuda(&kernel(Operation::Neg, scalar, way), SM80).unwrap().text;
            let call = if scalar == Scalar::I32 { "wrapping_sub(0, p_)" } else { "wrapping_sub(0ll, p_)" };
            assert!(text.contains(call), "-p of {scalar}, {way}:\n{text}");
        }
    }
    // Narrower types are computed as `int`, which is wide enough, and converted back.
    for (scalar, name) in [(Scalar::I8, "(signed char)"), (Scalar::I16, "hidet_i16")] {
        for (op, symbol) in [(Add, "+"), (Sub, "-"), (Mul, "*"), (Div, "/"), (Rem, "%")] {
            let text = cuda(&kernel(Operation::Binary(op), scalar, "index"), SM80).unwrap().text;
            assert!(text.contains(&format!("{name}(p_ {symbol} q_)")), "{op:?} of {scalar}:\n{text}");
        }
    }
}

#[test]
fn proved_arithmetic_uses_operators() {
    let mut b = Build::new("k", 256);
    let y = b.tensor("y", Access::Out, Scalar::I32, 4096);
    let thread = b.named("t", Scalar::I32, Op::Special(Special::Thread));
    let four = b.int(4);
    let scaled = b.binary(BinaryOp::Mul, thread, four);
    b.store(y, scaled, thread);
    let text = cuda(&b.done(), SM80).unwrap().text;
    assert!(text.contains("y_[t_ * 4]") && !text.contains("wrapping"), "{text}");
}
