//! The kernel for arguments that are not contiguous: a copy of the function in which the strides of some parameters are
//! symbolic extents of the launch. Not a pass of the pipeline: the launcher calls it, before the first launch with such
//! arguments, so a kernel for contiguous ones never pays for it.
//!
//! Every access has coordinates, and the layout of a parameter makes offsets of them, so only the layout changes. With it
//! changes what was derived from it: the alignment of rows, which becomes a constraint, and tensor maps.
//!
//! `@x: in f32[m, n]` becomes `@x: in f32[m, n] layout strided([m, n], [x_stride_0, 1])`.

use super::bounds::together;
use crate::error::{Error, Result};
use crate::intrinsics::{Meaning, Reach};
use crate::ir::{
    Arg, AsmOperand, BufferId, Constraint, Dim, Function, Handle, MapAxis, MapId, Op, Relation, Stmt, StmtId,
};
use crate::layout::{Layout, same_product};
use hidet_mapping::IndexExpr;

/// Returns the kernel for arguments of which these are not contiguous: parameters in row-major order. Returns an error
/// that names the parameter if the kernel needs it to be contiguous.
pub fn strided(function: &Function, tensors: &[BufferId]) -> Result<Function> {
    let mut result = function.clone();
    for buffer in tensors {
        change(&mut result, *buffer).map_err(|why| Error::Launch {
            kernel: function.name.clone(),
            message: format!(
                "argument `{}` is not contiguous, and the kernel needs it to be, because {why}: pass a contiguous copy, \
                 by `to_device`",
                function.buffers[*buffer].name
            ),
        })?;
    }
    Ok(result)
}

/// Makes the strides of a parameter symbolic extents, or returns the reason why the kernel needs them to be contiguous.
fn change(function: &mut Function, id: BufferId) -> Result<(), String> {
    if function.buffers[id].entries.is_some() {
        return Err("it is a table of tensors".to_owned());
    }
    rows_are_apart(function, id)?;
    let buffer = function.buffers[id].clone();
    let mut strides: Vec<IndexExpr> = Vec::new();
    for axis in 1..buffer.shape.len() {
        let mut name = format!("{}_stride_{}", buffer.name, axis - 1);
        while function.dims.iter().any(|(_, dim)| dim.name == name) {
            name.push('_');
        }
        strides.push(IndexExpr::Symbol(function.dims.push(Dim { name }).index() as u32));
    }
    let elements = i64::from(buffer.align) / buffer.elem.bytes() as i64;
    if elements > 1 {
        let message = format!(
            "the kernel accesses rows of `{}` in units of {} bytes; pass a tensor with such a stride, or a contiguous copy, \
             by `to_device`",
            buffer.name, buffer.align
        );
        function.constraints.extend(strides.iter().map(|stride| Constraint {
            left: stride.clone(),
            relation: Relation::MultipleOf,
            right: elements.into(),
            message: message.clone(),
        }));
    }
    strides.push(1.into());
    let maps: Vec<MapId> = function.maps.iter().filter(|(_, map)| map.buffer == id).map(|(map, _)| map).collect();
    for map in maps {
        change_map(function, map, &buffer.layout, &strides)?;
    }
    function.buffers[id].layout = Layout::Strided { shape: buffer.shape, strides };
    Ok(())
}

/// Replaces the strides of a tensor map, each of whose axes must be one of the parameter, perhaps in part.
fn change_map(function: &mut Function, id: MapId, dense: &Layout, strides: &[IndexExpr]) -> Result<(), String> {
    let (map, name) = (function.maps[id].clone(), function.buffers[function.maps[id].buffer].name.clone());
    let Layout::Strided { shape, strides: old } = dense else { return Err("its layout has no strides".to_owned()) };
    if map.offset.as_const() != Some(0) {
        return Err("a tensor map begins inside of it".to_owned());
    }
    let mut free: Vec<usize> = (0..shape.len()).collect();
    let mut axes = Vec::new();
    for axis in map.axes {
        let of = |whole: bool| {
            free.iter().rposition(|own| {
                same_product(&old[*own], &axis.stride) && (!whole || same_product(&shape[*own], &axis.extent))
            })
        };
        match of(true).or_else(|| of(false)).map(|place| free.remove(place)) {
            Some(own) => {
                if axis.extent != shape[own] {
                    let message = format!(
                        "`{name}` is not contiguous, so an axis of a tensor map must be within its axis {own}; pass a \
                         contiguous copy, by `to_device`"
                    );
                    let (left, right) = (axis.extent.clone(), shape[own].clone());
                    function.constraints.push(Constraint { left, relation: Relation::LessEqual, right, message });
                }
                axes.push(MapAxis { stride: strides[own].clone(), ..axis });
            }
            // An axis of one element, whose stride does not matter.
            None if axis.extent.as_const() == Some(1) => axes.push(axis),
            None => return Err("a tensor map merges or splits its axes".to_owned()),
        }
    }
    if axes.last().is_none_or(|axis| axis.stride.as_const() != Some(1)) {
        return Err("the last axis of a tensor map is not its last axis".to_owned());
    }
    function.maps[id].axes = axes;
    Ok(())
}

/// Returns an error if an access may take elements of several rows together.
fn rows_are_apart(function: &Function, id: BufferId) -> Result<(), String> {
    let mut why = None;
    function.each_stmt(&mut |at, stmt| {
        if why.is_none() {
            why = several_rows(function, id, at, stmt);
        }
    });
    why.map_or(Ok(()), Err)
}

/// Returns the number that an operand of a call is, if it is known.
fn constant(function: &Function, arg: Option<&Arg>) -> Option<u32> {
    let Some(Arg::Value(wanted)) = arg else { return None };
    let mut found = None;
    function.each_stmt(&mut |_, stmt| {
        if let Stmt::Let { value, op: Op::Const(number) } = stmt
            && value == wanted
        {
            found = number.as_int();
        }
    });
    u32::try_from(found?).ok()
}

fn several_rows(function: &Function, id: BufferId, at: StmtId, stmt: &Stmt) -> Option<String> {
    let place = || function.place(at);
    let in_row = |count: u32| {
        let tile = together(&function.buffers[id].shape, count);
        tile.is_some_and(|tile| tile.iter().rev().skip(1).all(|extent| *extent == 1))
    };
    // A copy of more elements than a row has, or of a number that is known only at launch, may be of several rows.
    let is_part = |count: u32| {
        let last = function.buffers[id].shape.last().and_then(IndexExpr::as_const);
        last.is_some_and(|extent| i64::from(count) <= extent)
    };
    let together = |count: u32| {
        (!in_row(count)).then(|| format!("{} accesses {count} elements together, which are more than a row", place()))
    };
    match stmt {
        Stmt::Let { value, op: Op::Load { buffer, .. } } | Stmt::Store { buffer, value, .. } if *buffer == id => {
            together(function.ty(*value).lanes.into())
        }
        Stmt::Call { intrinsic, args, .. } => args.iter().enumerate().find_map(|(position, arg)| {
            let (Arg::Address { buffer, .. }, row) = (arg, intrinsic.row()) else { return None };
            if *buffer != id {
                return None;
            }
            let elements = |bytes: u32| bytes.div_ceil(function.buffers[id].elem.bytes() as u32);
            match (row.reach(position)?, row.meaning) {
                (Reach::Elements(count), _) => together(count),
                (Reach::Bytes(bytes), _) | (Reach::BytesOf(_), Meaning::CpAsync { bytes }) => together(elements(bytes)),
                (Reach::BytesOf(of), _) if constant(function, args.get(of)).is_some_and(|n| is_part(elements(n))) => {
                    None
                }
                _ => Some(format!("{} copies it by `{}`, perhaps several rows at once", place(), row.name)),
            }
        }),
        Stmt::Asm { operands, .. } => {
            let is_it = |operand: &AsmOperand| matches!(operand, AsmOperand::Address { buffer, .. } if *buffer == id);
            operands.iter().any(is_it).then(|| format!("{} passes its address to inline PTX", place()))
        }
        _ => None,
    }
}
