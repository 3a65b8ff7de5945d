//! Accesses that are not proved are checked while the kernel runs.
//!
//! Precondition: no access with `guard`. Postcondition: with [`Options::checks`], a `Check` stands before every access
//! that is not proved to lie within its buffer (of bulk operations and tensor cores only their first element is
//! checked). Without it, nothing changes.
//!
//! `store a[i], v` becomes `check a[i]; store a[i], v`.

use super::Options;
use super::bounds::{Proofs, elements};
use crate::error::Result;
use crate::intrinsics::{Meaning, Operand};
use crate::ir::emit::Emitter;
use crate::ir::{Arg, Block, CompareOp, Function, Op, Stmt};
use crate::types::{Const, Scalar, Type};

pub(super) fn run(function: &mut Function, options: &Options) -> Result<()> {
    if !options.checks {
        return Ok(());
    }
    let proofs = Proofs::of(function);
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        match function.stmts[id].clone() {
            Stmt::Let { value, op: Op::Load { buffer, index, .. } } if !proofs.inside.contains(&(id, 0)) => {
                let lanes = function.ty(value).lanes;
                Emitter::new(function, out, span).push(Stmt::Check { buffer, index, lanes });
            }
            Stmt::Store { buffer, index, value, .. } if !proofs.inside.contains(&(id, 0)) => {
                let lanes = function.ty(value).lanes;
                Emitter::new(function, out, span).push(Stmt::Check { buffer, index, lanes });
            }
            Stmt::Call { intrinsic, args, .. } => {
                let row = intrinsic.row();
                for (position, arg) in args.iter().enumerate() {
                    let (Arg::Address { buffer, index }, Some(Operand::Address { count, .. })) =
                        (arg, row.operands.get(position))
                    else {
                        continue;
                    };
                    if proofs.inside.contains(&(id, position)) {
                        continue;
                    }
                    let (buffer, index) = (*buffer, index.clone());
                    let elements = elements(function, row.meaning, position, *count, buffer);
                    let mut emit = Emitter::new(function, out, span);
                    match (elements, row.meaning, args.get(2)) {
                        (Some(elements), ..) => match u8::try_from(elements) {
                            Ok(lanes) => drop(emit.push(Stmt::Check { buffer, index, lanes })),
                            Err(_) => {
                                let message = format!("`{}` cannot be checked at {elements} elements", row.name);
                                return Err(emit.function.error_at(id, message));
                            }
                        },
                        // The source of a copy of no bytes may lie anywhere.
                        (None, Meaning::CpAsync { .. }, Some(Arg::Value(bytes))) => {
                            let none = emit.constant_value(Const::int(Scalar::I32, 0));
                            let cond = emit.emit(Type::BOOL, Op::Compare(CompareOp::Gt, *bytes, none));
                            let check = emit.function.new_stmt(Stmt::Check { buffer, index, lanes: 1 }, span);
                            emit.push(Stmt::If { cond, then: Block(vec![check]), otherwise: Block::default() });
                        }
                        // A bulk operation or tensor cores access more, in an order that is theirs.
                        _ => drop(emit.push(Stmt::Check { buffer, index, lanes: 1 })),
                    }
                }
            }
            _ => {}
        }
        out.push(id);
        Ok(())
    })
}
