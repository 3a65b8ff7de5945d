//! Loads, stores and checks: indices, element types, vectors, write access.

use super::Checker;
use super::layouts;
use crate::ir::{Access, BufferId, Op, Param, Stmt, ValueId};
use crate::types::{Scalar, Type};

pub(super) fn check(c: &mut Checker<'_>, stmt: &Stmt) {
    match stmt {
        Stmt::Let { value, op: Op::Load { buffer, index, guard } } => {
            protectable(c, *buffer, *guard);
            index_fits(c, *buffer, index);
            element_fits(c, "loaded from", *buffer, c.f.ty(*value));
        }
        Stmt::Store { buffer, index, value, guard } => {
            protectable(c, *buffer, *guard);
            index_fits(c, *buffer, index);
            element_fits(c, "stored to", *buffer, c.f.ty(*value));
            writable(c, *buffer, "a store");
        }
        Stmt::Check { buffer, index, tile, shape, rows } => {
            let name = c.buffer(*buffer);
            c.require(index.len() == shape.len() && tile.len() == shape.len(), || {
                let (rank, tile, index) = (shape.len(), tile.len(), index.len());
                format!("a check of {name} in {rank} axes has {index} indices and a tile of {tile} axes")
            });
            c.require(tile.iter().all(|extent| *extent > 0), || format!("a check of zero elements of {name}"));
            index_types(c, *buffer, index);
            c.require(rows.is_none_or(|rows| shape.len() > 1 && c.f.ty(rows) == Scalar::I32.into()), || {
                format!("the rows in a check of {name} must be an i32, for an axis 1")
            });
            for extent in shape {
                layouts::formula(c, "the shape of a check", extent);
            }
        }
        Stmt::Align { buffer, index, bytes } => {
            index_fits(c, *buffer, index);
            let name = c.buffer(*buffer);
            c.require(bytes.is_power_of_two(), || {
                format!("{name} must be checked for an alignment of {bytes} bytes, which is not a power of two")
            });
            let registers = c.f.buffers[*buffer].scope == crate::ir::Scope::Register;
            c.require(!registers, || format!("the alignment of {name} is checked, but it is in registers"));
        }
        _ => {}
    }
}

/// Requires that a protected access is of memory whose shape says all: not of a table whose entries have their own rows.
fn protectable(c: &mut Checker<'_>, buffer: BufferId, guard: bool) {
    let has_rows = c.f.buffers[buffer].entries.is_some_and(|entries| entries.rows.is_some());
    let name = c.buffer(buffer);
    c.require(!guard || !has_rows, || {
        format!("a protected access of {name}, a table whose entries have rows of their own; use a condition")
    });
}

/// Requires one integer per axis. Whether the index lies inside is checked at run time: the access may be in a branch
/// that is never taken.
pub(super) fn index_fits(c: &mut Checker<'_>, buffer: BufferId, index: &[ValueId]) {
    let shape = &c.f.buffers[buffer].shape;
    let name = c.buffer(buffer);
    c.require(index.len() == shape.len(), || {
        format!("{name} has rank {}, but the index has {}", shape.len(), index.len())
    });
    index_types(c, buffer, index);
}

fn index_types(c: &mut Checker<'_>, buffer: BufferId, index: &[ValueId]) {
    let name = c.buffer(buffer);
    for (axis, value) in index.iter().enumerate() {
        let ty = c.f.ty(*value);
        c.require(ty.lanes == 1 && matches!(ty.scalar, Scalar::I32 | Scalar::I64), || {
            format!("the index of {name} along axis {axis} is {ty}; it must be i32 or i64")
        });
    }
}

/// Requires an element of the buffer, or a vector of contiguous elements.
fn element_fits(c: &mut Checker<'_>, what: &str, buffer: BufferId, ty: Type) {
    let memory = &c.f.buffers[buffer];
    let name = c.buffer(buffer);
    c.require(ty.scalar == memory.elem, || format!("{ty} is {what} {name}, which holds {}", memory.elem));
    if ty.lanes <= 1 {
        return;
    }
    let lanes = i64::from(ty.lanes);
    if let Some(extent) = memory.shape.last().and_then(|extent| extent.as_const()) {
        c.require(extent % lanes == 0, || {
            format!("{ty} is {what} {name}: {lanes} lanes do not divide its last extent, {extent}")
        });
    }
    if let Some(why) = layouts::vector_fault(&memory.layout, lanes) {
        c.problem(format!("{ty} is {what} {name}, whose layout does not keep {lanes} elements together: {why}"));
    }
    let needed = ty.bytes().min(16);
    c.require(memory.align as usize >= needed, || {
        format!("{ty} is {what} {name}, which is aligned to {} bytes; align it to {needed}", memory.align)
    });
}

/// Requires that the buffer is not an input, nor what belongs to a table.
pub(super) fn writable(c: &mut Checker<'_>, buffer: BufferId, what: &str) {
    let read_only =
        c.f.params
            .iter()
            .any(|param| matches!(param, Param::Tensor { buffer: id, access: Access::In } if *id == buffer));
    let name = c.buffer(buffer);
    if read_only {
        c.problem(format!("{what} to {name}, which is an input (`in`); declare it `out` or `inout`"));
    }
    let is_rows =
        c.f.buffers.iter().any(|(_, other)| other.entries.is_some_and(|entries| entries.rows == Some(buffer)));
    c.require(!is_rows, || format!("{what} to {name}, the rows of a table"));
}
