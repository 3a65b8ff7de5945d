//! Lowers thread groups to branches.
//!
//! Precondition: none. Postcondition: no `Group`.
//!
//! `group 128 .. 256 { body }` of a block of 384 threads becomes
//! `let t = thread; if 128 <= t && t < 256 { body }`; a side that the block size implies is not tested.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::{Block, CompareOp, Function, Op, Special, Stmt};
use crate::types::Type;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    let block = function.launch.threads();
    function.rewrite(&mut |function, id, out| {
        let Stmt::Group { first, threads, ref mut body } = function.stmts[id] else {
            out.push(id);
            return Ok(());
        };
        let body = std::mem::take(body);
        let span = function.spans[id];
        let mut emit = Emitter::new(function, out, span);
        let thread = IntValue::Value(emit.emit(Type::I32, Op::Special(Special::Thread)));
        let limit = |emit: &mut Emitter, needed: bool, op, number: u32| {
            if needed { emit.compare(op, thread, IntValue::Const(i64::from(number))) } else { Err(true) }
        };
        let from = limit(&mut emit, first > 0, CompareOp::Ge, first);
        let to = limit(&mut emit, first.saturating_add(threads) < block, CompareOp::Lt, first.saturating_add(threads));
        match emit.both(from, to) {
            Ok(cond) => drop(emit.push(Stmt::If { cond, then: body, otherwise: Block::default() })),
            // A separate block, so that declarations of the body stay in it.
            Err(_) => {
                let cond = emit.constant_value(crate::types::Const::bool(true));
                emit.push(Stmt::If { cond, then: body, otherwise: Block::default() });
            }
        }
        Ok(())
    })
}
