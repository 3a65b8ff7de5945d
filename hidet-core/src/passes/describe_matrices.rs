//! Determines the layouts of `wgmma` operands in shared memory.
//!
//! Precondition: buffers have their layouts. Postcondition: every form is a number that `Form::decode` reads.
//!
//! `call wgmma..(@d[..], @a[..], @b[..], %on, 0, 0, 0, 1)` only states which axis of a and b is k. The layouts and the
//! tensor maps that fill the buffers determine the strides and the swizzle that the descriptors need.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::descriptor::{of_operand, shared_operands};
use crate::ir::{Arg, Function, Stmt};
use std::collections::HashMap;

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    let mut calls = Vec::new();
    function.each_stmt_in(&function.body, &mut |id, stmt| {
        let Stmt::Call { intrinsic, args, .. } = stmt else { return };
        let row = intrinsic.row();
        for (address, place) in shared_operands(row.meaning, &row.operands) {
            if let (Some(Arg::Address { buffer, .. }), Some(Arg::Imm(form))) = (args.get(address), args.get(place)) {
                calls.push((id, place, (*buffer, *form)));
            }
        }
    });
    let mut known = HashMap::new();
    for (id, place, key @ (buffer, form)) in calls {
        let form = match known.get(&key) {
            Some(form) => *form,
            None => of_operand(function, buffer, form).map_err(|why| function.error_at(id, why))?.encode(),
        };
        known.insert(key, form);
        if let Stmt::Call { args, .. } = &mut function.stmts[id] {
            args[place] = Arg::Imm(form);
        }
    }
    Ok(())
}
