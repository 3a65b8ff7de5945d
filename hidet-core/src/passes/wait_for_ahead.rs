//! Lets all threads of a dependent launch wait for the kernels ahead of it.
//!
//! Precondition: none. Postcondition: every thread of a dependent launch waits (`grid.wait`) before it ends, so that the end of
//! the launch is after that of those ahead of it. A kernel that did not say where it waits does so before the first statement
//! of its body that may access global memory or end a thread. What is before the wait, such as arithmetic of indices and the
//! initialisation of mbarriers, runs beside the end of the kernels ahead.
//!
//! `%i = ..; store x[%i] = 1` becomes `%i = ..; grid.wait; store x[%i] = 1`.

use super::LoweringOptions;
use crate::error::{Error, Result};
use crate::intrinsics::Intrinsic;
use crate::ir::{Function, Span, Stmt, StmtId};

pub(super) fn run(function: &mut Function, _: &LoweringOptions) -> Result<()> {
    if !function.launch.dependent {
        return Ok(());
    }
    if !function.has_wait() {
        let place = function.before_global_memory();
        let wait = call(function, "grid.wait", function.place)?;
        function.body.0.insert(place, wait);
    } else if !function.waits_always() {
        function.rewrite(&mut |function, id, out| {
            if function.stmts[id] == Stmt::Return {
                out.push(call(function, "grid.wait", function.spans[id])?);
            }
            out.push(id);
            Ok(())
        })?;
        let last = call(function, "grid.wait", function.place)?;
        function.body.0.push(last);
    }
    Ok(())
}

/// Makes a call without operands.
fn call(function: &mut Function, name: &str, span: Span) -> Result<StmtId> {
    let Some(intrinsic) = Intrinsic::named(name) else {
        let (kernel, place) = (function.name.clone(), function.own_place());
        return Err(Error::Kernel { kernel, message: format!("the table has no intrinsic `{name}`"), place });
    };
    Ok(function.new_stmt(Stmt::Call { intrinsic, args: Vec::new(), result: None }, span))
}
