//! Contracts multiply-add pairs into `fma`.
//!
//! Precondition: none. Postcondition: with [`LoweringOptions::contract`], no float product has as its only use one sum
//! or difference of the same type. Without it, nothing changes.
//!
//! `let p = a * b; let s = p + c` becomes `let s = fma(a, b, c)`; `c - p` becomes `fma(-a, b, c)`. Devices run with
//! their own FMA contraction off, so all of them compute the same. If both operands of a sum are products, the first is
//! contracted.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::emit::Emitter;
use crate::ir::{BinaryOp, Function, Op, Stmt, UnaryOp, ValueId};
use crate::types::{Const, Scalar};
use std::collections::HashMap;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    if !options.contract {
        return Ok(());
    }
    let mut uses: HashMap<ValueId, u32> = HashMap::new();
    let mut products: HashMap<ValueId, (ValueId, ValueId)> = HashMap::new();
    let mut constants: HashMap<ValueId, Const> = HashMap::new();
    function.each_stmt(&mut |_, stmt| {
        stmt.each_use(&mut |value| *uses.entry(value).or_default() += 1);
        match stmt {
            Stmt::Let { value, op: Op::Binary(BinaryOp::Mul, a, b) } => drop(products.insert(*value, (*a, *b))),
            Stmt::Let { value, op: Op::Const(constant) } => drop(constants.insert(*value, *constant)),
            _ => {}
        }
    });
    function.rewrite(&mut |function, id, out| {
        if let Stmt::Let { value, op: Op::Binary(op @ (BinaryOp::Add | BinaryOp::Sub), a, b) } = function.stmts[id] {
            let ty = function.ty(value);
            let floats = matches!(ty.scalar, Scalar::F16 | Scalar::BF16 | Scalar::F32 | Scalar::F64);
            let product = |of: ValueId| products.get(&of).copied().filter(|_| uses.get(&of) == Some(&1));
            let span = function.spans[id];
            let mut emit = Emitter::new(function, out, span);
            let mut negated = |value: ValueId| match constants.get(&value) {
                Some(constant) if ty.lanes == 1 => {
                    let sign = 1 << (constant.scalar.bytes() * 8 - 1);
                    emit.constant_value(Const { scalar: constant.scalar, bits: constant.bits ^ sign })
                }
                _ => emit.emit(ty, Op::Unary(UnaryOp::Neg, value)),
            };
            let fused = match (op, product(a), product(b)) {
                _ if !floats => None,
                (BinaryOp::Add, Some((x, y)), _) => Some(Op::Fma(x, y, b)),
                (BinaryOp::Add, None, Some((x, y))) => Some(Op::Fma(x, y, a)),
                (_, Some((x, y)), _) => Some(Op::Fma(x, y, negated(b))),
                (_, None, Some((x, y))) => {
                    // Negating a constant costs nothing.
                    let (x, y) = if constants.contains_key(&y) { (y, x) } else { (x, y) };
                    Some(Op::Fma(negated(x), y, a))
                }
                _ => None,
            };
            if let Some(op) = fused {
                function.stmts[id] = Stmt::Let { value, op };
            }
        }
        out.push(id);
        Ok(())
    })
}
