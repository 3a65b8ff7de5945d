//! Loads and stores of the elements of a buffer, emitted as IR, and what a vector of them requires.

use super::access::Guard;
use super::builder::{Builder, Caller, with};
use super::expr::Expr;
use crate::intrinsics::Intrinsic;
use crate::ir::{Arg, BufferId, Op, Stmt};
use crate::layout::Layout;
use crate::types::{Scalar, Type};
use hidet_mapping::IndexExpr;

pub(super) fn load_memory(buffer: BufferId, place: &[Expr<i32>], ty: Type, guard: Guard, at: Caller) -> Expr<()> {
    with(|builder| {
        let index = place.iter().map(|coordinate| coordinate.resolve(builder, at)).collect();
        let value = builder.emit(Op::Load { buffer, index, guard: guard == Guard::Yes }, ty, at);
        Expr::new(builder, value)
    })
    .unwrap_or_else(Expr::dead)
}

pub(super) fn store_memory(buffer: BufferId, place: &[Expr<i32>], value: Expr<()>, guard: Guard, at: Caller) {
    with(|builder| {
        let index = place.iter().map(|coordinate| coordinate.resolve(builder, at)).collect();
        let value = value.raw(builder, at);
        builder.push(Stmt::Store { buffer, index, value, guard: guard == Guard::Yes }, at);
    });
}

pub(super) fn load_peer(buffer: BufferId, rank: Expr<i32>, place: &[Expr<i32>], elem: Scalar, at: Caller) -> Expr<()> {
    with(|builder| {
        let intrinsic = Intrinsic::named("cluster.load")?;
        let address = address(builder, buffer, place, at);
        let args = vec![address, Arg::Value(rank.resolve(builder, at))];
        let value = builder.value(elem);
        builder.push(Stmt::Call { intrinsic, args, result: Some(value) }, at);
        Some(Expr::new(builder, value))
    })
    .flatten()
    .unwrap_or_else(Expr::dead)
}

pub(super) fn store_peer(buffer: BufferId, rank: Expr<i32>, place: &[Expr<i32>], value: Expr<()>, at: Caller) {
    with(|builder| {
        let Some(intrinsic) = Intrinsic::named("cluster.store") else { return };
        let address = address(builder, buffer, place, at);
        let args = vec![address, Arg::Value(value.raw(builder, at)), Arg::Value(rank.resolve(builder, at))];
        builder.push(Stmt::Call { intrinsic, args, result: None }, at);
    });
}

/// Returns the address of an element as an operand of a call.
pub(super) fn address(builder: &mut Builder, buffer: BufferId, place: &[Expr<i32>], at: Caller) -> Arg {
    Arg::Address { buffer, index: place.iter().map(|coordinate| coordinate.resolve(builder, at)).collect() }
}

/// Requires what a vector access needs: the alignment of the memory, and rows that preserve it.
pub(super) fn align(buffer: BufferId, ty: Type, at: Caller) {
    with(|builder| {
        let lanes = ty.lanes;
        let reason = |name: &str| format!("rows of `{name}` are read in vectors of {lanes} elements");
        align_rows(builder, buffer, ty.bytes() as u32, reason, at);
    });
}

/// Requires that the memory and its rows begin at multiples of that many bytes, for that reason.
pub(super) fn align_rows(
    builder: &mut Builder,
    buffer: BufferId,
    bytes: u32,
    reason: impl Fn(&str) -> String,
    at: Caller,
) {
    let found = &mut builder.function.buffers[buffer];
    found.align = found.align.max(bytes);
    let elements = i64::from(bytes) / found.elem.bytes() as i64;
    let name = found.name.clone();
    let Layout::Strided { strides, .. } = &found.layout else { return };
    let rows: Vec<IndexExpr> = strides.iter().rev().skip(1).cloned().collect();
    for stride in rows {
        match stride.as_const() {
            Some(stride) if stride % elements == 0 => {}
            Some(stride) => {
                let reason = reason(&name);
                builder.problem(format!("{reason}, but they are {stride} elements apart, which is not aligned"), at)
            }
            None => builder.require_multiple(stride, elements, reason(&name)),
        }
    }
}
