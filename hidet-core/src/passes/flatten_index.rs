//! Flattens every buffer to one axis.
//!
//! Precondition: no access with `guard`. Postcondition: every buffer has one axis in row-major order, whose extent is
//! the size of its former layout (a table has one more, which selects the entry, and is left as it is); if elements are accessed by `i32` indices, a constraint states that it fits. Every index is one `i32`. It
//! is an `i64` with [`LoweringOptions::wide_index`] (global buffers only), and if the author indexed with `i64` or a
//! part of an extent may exceed `i32`.
//!
//! With a row-major `@a: f32[4, n]`, `load @a[i, j]` becomes `load @a[i * n + j]`. A vector access keeps its lanes:
//! they are consecutive along the last axis, which the layout keeps contiguous. A check keeps the author's index and
//! shape for its message.

use super::LoweringOptions;
use super::bounds::needs_i64;
use crate::error::Result;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::{Buffer, BufferId, Constraint, Function, LARGEST_EXTENT, Relation, Scope, Span, Stmt, StmtId, ValueId};
use crate::layout::Layout;
use crate::types::Scalar;
use hidet_mapping::IndexExpr;
use std::collections::HashMap;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    let wide = options.wide_index;
    let mut known = HashMap::new();
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        let mut stmt = std::mem::replace(&mut function.stmts[id], Stmt::Return);
        let mut flatten = Flatten { function, out, span, stmt: id, wide, known: &mut known };
        let mut result = Ok(());
        let mut each = |buffer: BufferId, index: &mut Vec<ValueId>| {
            if result.is_ok() {
                result = flatten.index(buffer, index);
            }
        };
        match &mut stmt {
            Stmt::Align { buffer, index, .. } => each(*buffer, index),
            stmt => stmt.each_index_mut(&mut each),
        }
        function.stmts[id] = stmt;
        out.push(id);
        result
    })?;
    for buffer in function.buffers.handles() {
        let accessed = known.keys().any(|(accessed, _)| *accessed == buffer);
        let buffer = &mut function.buffers[buffer];
        let layout = buffer.entry_layout().unwrap_or_else(|| buffer.layout.clone());
        if is_flat(&layout) {
            continue;
        }
        let size = layout.size();
        if accessed && buffer.scope == Scope::Global && !wide && size.as_const().is_none() {
            let message = format!("offsets into `{}` fit 32 bits", buffer.name);
            function.constraints.extend(reaches(&layout, &size).into_iter().map(|left| {
                let (relation, right, message) = (Relation::LessEqual, LARGEST_EXTENT.into(), message.clone());
                Constraint { left, relation, right, message }
            }));
        }
        if let (Some(_), Some(entries)) = (buffer.entries, buffer.shape.first().cloned()) {
            buffer.shape = vec![entries, size];
            buffer.layout = Layout::strided(buffer.shape.clone(), [0, 1]);
            continue;
        }
        buffer.shape = vec![size.clone()];
        buffer.layout = Layout::row_major([size]);
    }
    Ok(())
}

/// Returns the formulas that the launcher guarantees to fit in 32 bits if offsets do. If strides come with the launch, these
/// are the sum that is the size, multiplied out, and for each axis the offset of its end.
fn reaches(layout: &Layout, size: &IndexExpr) -> Vec<IndexExpr> {
    let Layout::Strided { shape, strides } = layout else { return vec![size.clone()] };
    if !layout.has_strides_of_launch() {
        return vec![size.clone()];
    }
    let ends: Vec<IndexExpr> =
        shape.iter().zip(strides).map(|(extent, stride)| extent.clone() * stride.clone()).collect();
    let sum =
        ends.iter().zip(strides).fold(1.into(), |sum: IndexExpr, (end, stride)| sum + end.clone() - stride.clone());
    std::iter::once(sum).chain(ends).collect()
}

struct Flatten<'a> {
    function: &'a mut Function,
    out: &'a mut Vec<StmtId>,
    span: Span,
    stmt: StmtId,
    wide: bool,
    known: &'a mut HashMap<(BufferId, Vec<ValueId>), Known>,
}

/// An offset that was computed before: its value, and the last statement of its computation with its place in the block.
/// In unrolled loops most accesses are at the place of an earlier one.
struct Known {
    offset: ValueId,
    last: Option<(usize, StmtId)>,
}

impl Flatten<'_> {
    /// Replaces an index by its offset.
    fn index(&mut self, buffer: BufferId, index: &mut Vec<ValueId>) -> Result<()> {
        let key = (buffer, std::mem::take(index));
        let entry = usize::from(self.function.buffers[buffer].entries.is_some()).min(key.1.len());
        // It is computed in this block if that statement is still in its place.
        if let Some(Known { offset, last: Some((place, stmt)) }) = self.known.get(&key)
            && self.out.get(*place) == Some(stmt)
        {
            index.extend_from_slice(&key.1[..entry]);
            index.push(*offset);
            return Ok(());
        }
        *index = key.1.clone();
        self.flatten(buffer, index)?;
        if let Some([offset]) = index.get(entry..) {
            let last = self.out.len().checked_sub(1).map(|place| (place, self.out[place]));
            self.known.insert(key, Known { offset: *offset, last });
        }
        Ok(())
    }

    fn flatten(&mut self, buffer: BufferId, index: &mut Vec<ValueId>) -> Result<()> {
        let layout = self.layout(buffer, index)?;
        if is_flat(&layout) {
            return Ok(());
        }
        let scalar = offset_scalar(self.function, buffer, index, self.wide);
        let entry = usize::from(self.function.buffers[buffer].entries.is_some());
        let mut emit = Emitter::new(self.function, self.out, self.span).with_scalar(scalar);
        let coordinates: Vec<IntValue> = index.drain(entry..).map(|value| emit.convert(value)).collect();
        let offset = layout.offset(&mut emit, &coordinates);
        index.push(emit.value(offset));
        Ok(())
    }

    fn layout(&self, id: BufferId, index: &[ValueId]) -> Result<Layout> {
        let Some(buffer) = self.function.buffers.get(id) else {
            return Err(self.function.error_at(self.stmt, "an access to a buffer that does not exist"));
        };
        if buffer.shape.len() != index.len() {
            let message =
                format!("`{}` has {} axes and is indexed with {}", buffer.name, buffer.shape.len(), index.len());
            return Err(self.function.error_at(self.stmt, message));
        }
        Ok(buffer.entry_layout().unwrap_or_else(|| buffer.layout.clone()))
    }
}

/// Returns the type in which an offset into a buffer is computed.
pub(super) fn offset_scalar(function: &Function, buffer: BufferId, index: &[ValueId], wide: bool) -> Scalar {
    let Buffer { scope, shape, .. } = &function.buffers[buffer];
    let long = index.iter().any(|value| function.ty(*value).scalar == Scalar::I64);
    // Unless offsets are wide they fit in `i32`, but a part of an extent may not.
    let large = || *scope == Scope::Global && (wide || shape.iter().any(|extent| needs_i64(extent, true)));
    if long || large() { Scalar::I64 } else { Scalar::I32 }
}

/// Returns true if a layout is one axis of consecutive elements.
fn is_flat(layout: &Layout) -> bool {
    matches!(layout, Layout::Strided { strides, .. } if *strides == [1.into()])
}
