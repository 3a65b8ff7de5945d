//! Replaces register arrays that are only indexed with constants by variables.
//!
//! Precondition: every buffer has one axis, constants are folded. Postcondition: with checks off, every remaining
//! register buffer is indexed with a value that is not constant, has its address taken, or is very large. With checks
//! on nothing changes, so that reading an element before writing it is still detected.
//!
//! `register @a: f32[2]; store @a[0] = x; let y = load @a[1]` becomes
//! `var a0 = 0; var a1 = 0; a0 = x; let y = read a1`. A vector access becomes one access per lane. The variables begin
//! as 0, because an array may be written on only some paths.

use super::LoweringOptions;
use crate::error::Result;
use crate::ir::emit::Emitter;
use crate::ir::{BufferId, Function, Handle, Mention, Op, Scope, Span, Stmt, ValueId, Var, VarId};
use crate::types::{Const, Type};
use std::collections::HashMap;

/// Maximum number of elements of an array that is replaced.
const MAX_ELEMENTS: i64 = 1024;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    if options.checks {
        return Ok(());
    }
    let constants = constants(function);
    let mut elements: HashMap<BufferId, Vec<VarId>> = HashMap::new();
    let mut declared = Vec::new();
    for buffer in promotable(function, &constants) {
        let (name, ty) = (function.buffers[buffer].name.clone(), Type::from(function.buffers[buffer].elem));
        let count = function.buffers[buffer].shape[0].as_const().unwrap_or(0);
        let vars: Vec<VarId> =
            (0..count).map(|element| function.vars.push(Var { name: format!("{name}{element}"), ty })).collect();
        let mut emit = Emitter::new(function, &mut declared, Span::default());
        let zero = emit.constant_value(Const::zero(ty.scalar));
        for var in &vars {
            emit.push(Stmt::Declare { var: *var, init: Some(zero) });
        }
        elements.insert(buffer, vars);
    }
    if elements.is_empty() {
        return Ok(());
    }
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        let place = |buffer: &BufferId, index: &[ValueId]| {
            let vars = elements.get(buffer)?;
            Some(vars.get(*constants.get(index.first()?)? as usize..)?.to_vec())
        };
        match function.stmts[id].clone() {
            Stmt::Let { value, op: Op::Load { buffer, index, .. } } => {
                if let Some(vars) = place(&buffer, &index) {
                    let ty = function.ty(value);
                    let op = if ty.lanes == 1 {
                        Op::Read(vars[0])
                    } else {
                        let mut emit = Emitter::new(function, out, span);
                        let lanes = vars.iter().take(usize::from(ty.lanes));
                        Op::Vector(lanes.map(|var| emit.emit(ty.scalar, Op::Read(*var))).collect())
                    };
                    function.stmts[id] = Stmt::Let { value, op };
                }
                out.push(id);
            }
            Stmt::Store { buffer, index, value, .. } => match place(&buffer, &index) {
                Some(vars) => {
                    let ty = function.ty(value);
                    let mut emit = Emitter::new(function, out, span);
                    for (lane, var) in (0..ty.lanes).zip(vars) {
                        let one = if ty.lanes == 1 { value } else { emit.emit(ty.scalar, Op::Extract(value, lane)) };
                        emit.push(Stmt::Assign { var, value: one });
                    }
                }
                None => out.push(id),
            },
            _ => out.push(id),
        }
        Ok(())
    })?;
    declared.append(&mut function.body.0);
    function.body.0 = declared;
    Ok(())
}

/// Returns the values that are integer constants.
pub(super) fn constants(function: &Function) -> HashMap<ValueId, i64> {
    let mut constants = HashMap::new();
    function.each_stmt(&mut |_, stmt| {
        if let Stmt::Let { value, op: Op::Const(constant) } = stmt
            && let Some(number) = constant.as_int()
        {
            constants.insert(*value, number);
        }
    });
    constants
}

/// Returns the buffers all of whose accesses are loads and stores at constant indices within them.
fn promotable(function: &Function, constants: &HashMap<ValueId, i64>) -> Vec<BufferId> {
    let size = |buffer: BufferId| {
        let buffer = &function.buffers[buffer];
        let [extent] = buffer.shape.as_slice() else { return None };
        extent
            .as_const()
            .filter(|size| buffer.scope == Scope::Register && buffer.alias.is_none() && *size <= MAX_ELEMENTS)
    };
    let mut good: Vec<bool> = function.buffers.handles().map(|buffer| size(buffer).is_some()).collect();
    for (_, buffer) in function.buffers.iter() {
        if let Some(other) = buffer.alias {
            good[other.index()] = false;
        }
    }
    let mut used = vec![false; good.len()];
    function.each_stmt(&mut |_, stmt| {
        let access = match stmt {
            Stmt::Let { value, op: Op::Load { buffer, index, guard: false } }
            | Stmt::Store { buffer, index, value, guard: false } => Some((*buffer, index, *value)),
            _ => None,
        };
        if let Some((buffer, index, value)) = access {
            used[buffer.index()] = true;
            let ty = function.ty(value);
            let first = if index.len() == 1 { constants.get(&index[0]).copied() } else { None };
            let inside = match (first, size(buffer)) {
                (Some(first), Some(size)) => first >= 0 && first + i64::from(ty.lanes) <= size,
                _ => false,
            };
            // An access of another type than that of the elements would be a reinterpretation.
            if !inside || ty.scalar != function.buffers[buffer].elem {
                good[buffer.index()] = false;
            }
        } else {
            stmt.each_mention(&mut |mention| {
                if let Mention::Buffer(buffer) = mention {
                    good[buffer.index()] = false;
                }
            });
        }
    });
    function.buffers.handles().filter(|buffer| good[buffer.index()] && used[buffer.index()]).collect()
}
