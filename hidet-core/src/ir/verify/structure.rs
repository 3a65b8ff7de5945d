//! Handles and the tree of statements.

use super::{Checker, MAX_DEPTH};
use crate::ir::{Block, Handle, Mention, Param, Stmt, StmtId};

pub(super) fn check(c: &mut Checker<'_>) {
    signature_handles(c);
    let mut seen = vec![false; c.f.stmts.len()];
    // An explicit stack that enters each statement once, so that this walk ends whatever the arena contains.
    let mut stack: Vec<(&Block, u32)> = vec![(&c.f.body, 1)];
    while let Some((block, depth)) = stack.pop() {
        if depth > MAX_DEPTH {
            c.problem(format!("blocks are nested deeper than {MAX_DEPTH}"));
            continue;
        }
        for &id in &block.0 {
            c.span = c.f.spans[id];
            match seen.get_mut(id.index()) {
                None => c.problem(format!("{id} is not a statement of the function")),
                Some(true) => c.problem(format!("{id} is used in more than one place")),
                Some(seen) => {
                    *seen = true;
                    let stmt = &c.f.stmts[id];
                    handles(c, id, stmt);
                    stack.extend(stmt.blocks().map(|block| (block, depth + 1)));
                }
            }
        }
    }
    c.span = Default::default();
}

fn handles(c: &mut Checker<'_>, id: StmtId, stmt: &Stmt) {
    let f = c.f;
    let mut unknown = Vec::new();
    stmt.each_mention(&mut |mention| {
        let known = match mention {
            Mention::Define(value) | Mention::Use(value) => value.index() < f.values.len(),
            Mention::Var(var) => var.index() < f.vars.len(),
            Mention::Buffer(buffer) => buffer.index() < f.buffers.len(),
            Mention::Loop(label) => label.index() < f.loops.len(),
            Mention::Dim(dim) => dim.index() < f.dims.len(),
            Mention::Map(map) => map.index() < f.maps.len(),
        };
        if !known {
            unknown.push(mention);
        }
    });
    for mention in unknown {
        c.problem(format!("{id} mentions {mention:?}, which the function does not have"));
    }
}

fn signature_handles(c: &mut Checker<'_>) {
    for param in &c.f.params {
        let known = match param {
            Param::Tensor { buffer, .. } => buffer.index() < c.f.buffers.len(),
            Param::Scalar { value, .. } => value.index() < c.f.values.len(),
        };
        c.require(known, || format!("the parameter {param:?} names nothing in the function"));
    }
    for (id, buffer) in c.f.buffers.iter() {
        let known = buffer.alias.is_none_or(|alias| alias.index() < c.f.buffers.len());
        c.require(known, || format!("{id} is an alias of a buffer the function does not have"));
        let rows = buffer.entries.and_then(|entries| entries.rows);
        let known = rows.is_none_or(|rows| rows.index() < c.f.buffers.len());
        c.require(known, || format!("the rows of {id} are a buffer the function does not have"));
    }
    for (id, map) in c.f.maps.iter() {
        c.require(map.buffer.index() < c.f.buffers.len(), || format!("{id} is of a buffer the function does not have"));
    }
}
