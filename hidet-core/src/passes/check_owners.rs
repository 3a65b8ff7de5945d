//! Checks that register arrays are only read at elements that the thread owns.
//!
//! Precondition: no loops over task mappings. Postcondition: with [`LoweringOptions::checks`], a condition stands
//! before every load of a register array that the workers of a mapping share (its layout has [local](Layout::Local)
//! axes, which are distributed over the workers and are not the local memory of CUDA): the element must belong to the
//! same worker as the element that the thread accessed last. Without checks, nothing changes.
//!
//! The offset in such an array does not depend on the worker: `r[[i, j]]` at another worker's task would read an
//! element of the thread itself. The IR does not say which worker a thread is, so one variable per array remembers the
//! owner of the element that was accessed last. Stores with a constant index are ignored (`fill` writes all elements by
//! one worker's index).

use super::LoweringOptions;
use super::promote_registers::constants;
use crate::error::Result;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::{BinaryOp, BufferId, CompareOp, Function, Op, Scope, Span, Stmt, StmtId, ValueId, Var, VarId};
use crate::layout::Layout;
use crate::types::{Const, Scalar, Type};
use std::collections::HashMap;

/// A register array whose elements are distributed over workers.
struct Spread {
    /// Maps coordinates to the index of the worker.
    owner: Layout,
    /// The worker whose element was accessed last; -1 before the first access.
    last: VarId,
    name: String,
}

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    if !options.checks {
        return Ok(());
    }
    let mut arrays: HashMap<BufferId, Spread> = HashMap::new();
    for id in function.buffers.handles().collect::<Vec<_>>() {
        let buffer = &function.buffers[id];
        let owner = buffer.layout.owners();
        if buffer.scope != Scope::Register || owner.size().as_const() == Some(1) {
            continue;
        }
        let name = buffer.name.clone();
        let last = function.vars.push(Var { name: format!("{name}_owner"), ty: Type::I32 });
        arrays.insert(id, Spread { owner, last, name });
    }
    if arrays.is_empty() {
        return Ok(());
    }
    let constants = constants(function);
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        match function.stmts[id].clone() {
            Stmt::Store { buffer, index, .. } => {
                if let Some(array) = arrays.get(&buffer)
                    && let IntValue::Value(owner) = array.owner(function, &constants, out, span, &index)
                {
                    Emitter::new(function, out, span).push(Stmt::Assign { var: array.last, value: owner });
                }
            }
            Stmt::Let { op: Op::Load { buffer, index, .. }, .. } => {
                if let Some(array) = arrays.get(&buffer) {
                    array.check(function, &constants, out, span, &index);
                }
            }
            _ => {}
        }
        out.push(id);
        Ok(())
    })?;
    let mut head = Vec::new();
    let place = function.place;
    let mut declared: Vec<VarId> = arrays.values().map(|array| array.last).collect();
    declared.sort_unstable();
    for var in declared {
        let mut emit = Emitter::new(function, &mut head, place);
        let nobody = emit.constant_value(Const::int(Scalar::I32, -1));
        emit.push(Stmt::Declare { var, init: Some(nobody) });
    }
    function.body.0.splice(0..0, head);
    Ok(())
}

impl Spread {
    /// Emits the index of the worker that owns the element.
    fn owner(
        &self,
        function: &mut Function,
        constants: &HashMap<ValueId, i64>,
        out: &mut Vec<StmtId>,
        span: Span,
        index: &[ValueId],
    ) -> IntValue {
        let mut emit = Emitter::new(function, out, span);
        let mut coordinate = |value: &ValueId| {
            constants.get(value).map_or_else(|| emit.convert(*value), |number| IntValue::Const(*number))
        };
        let coordinates: Vec<IntValue> = index.iter().map(&mut coordinate).collect();
        self.owner.offset(&mut emit, &coordinates)
    }

    fn check(
        &self,
        function: &mut Function,
        constants: &HashMap<ValueId, i64>,
        out: &mut Vec<StmtId>,
        span: Span,
        index: &[ValueId],
    ) {
        let owner = self.owner(function, constants, out, span, index);
        let mut emit = Emitter::new(function, out, span);
        let known = matches!(owner, IntValue::Const(_));
        let owner = emit.value(owner);
        let last = emit.emit(Type::I32, Op::Read(self.last));
        let nobody = emit.constant_value(Const::int(Scalar::I32, -1));
        let first = emit.emit(Type::BOOL, Op::Compare(CompareOp::Eq, last, nobody));
        let same = emit.emit(Type::BOOL, Op::Compare(CompareOp::Eq, last, owner));
        let cond = emit.emit(Type::BOOL, Op::Binary(BinaryOp::Or, first, same));
        let message = format!(
            "`{}` is read at an element that another worker of its mapping owns: a thread only has the elements of its \
             own tasks, and would read one of these; exchange elements by shuffles or through shared memory",
            self.name
        );
        emit.push(Stmt::Assert { cond, message });
        if !known {
            emit.push(Stmt::Assign { var: self.last, value: owner });
        }
    }
}
