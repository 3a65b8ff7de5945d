//! Inserts run-time checks of accesses that are not proved.
//!
//! Precondition: no access with `guard`. Postcondition: with [`LoweringOptions::checks`], a `check` stands before every
//! access that is not proved to be within its buffer, and an `align` before every access that must be aligned to more
//! than its element. Without checks, nothing changes.
//!
//! `store a[i], v` becomes `check a[i] in [n]; store a[i], v`. An address in inline PTX is checked for one element.

use super::LoweringOptions;
use super::bounds::{Proofs, tile, together};
use super::flatten_index::offset_scalar;
use crate::error::Result;
use crate::intrinsics::Reach;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::{
    Arg, AsmOperand, Block, Buffer, BufferId, CompareOp, Function, Op, Scope, Span, Stmt, StmtId, ValueId,
};
use crate::types::{Const, Scalar, Type};
use hidet_mapping::Arith;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    if !options.checks {
        return Ok(());
    }
    let proofs = Proofs::of(function);
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        let mut checks = Checks { proofs: &proofs, wide: options.wide_index, function, out, span, id };
        match checks.function.stmts[id].clone() {
            Stmt::Let { value, op: Op::Load { buffer, index, .. } } | Stmt::Store { buffer, index, value, .. } => {
                checks.vector(buffer, &index, checks.function.ty(value));
            }
            Stmt::Call { args, .. } => (0..args.len()).for_each(|position| checks.operand(&args, position)),
            Stmt::Asm { operands, .. } => {
                for operand in &operands {
                    if let AsmOperand::Address { buffer, index } = operand {
                        checks.tile(*buffer, index, vec![1; index.len()]);
                    }
                }
            }
            _ => {}
        }
        out.push(id);
        Ok(())
    })
}

/// The checks before one statement.
struct Checks<'a> {
    proofs: &'a Proofs,
    wide: bool,
    function: &'a mut Function,
    out: &'a mut Vec<StmtId>,
    span: Span,
    id: StmtId,
}

impl Checks<'_> {
    fn emit(&mut self) -> Emitter<'_> {
        Emitter::new(self.function, self.out, self.span)
    }

    fn tile(&mut self, buffer: BufferId, index: &[ValueId], tile: Vec<u32>) {
        let Buffer { shape, entries, .. } = self.function.buffers[buffer].clone();
        let rows = entries.and_then(|entries| entries.rows).zip(index.first()).map(|(rows, entry)| {
            let (index, entries) = (vec![*entry], self.function.buffers[rows].shape.clone());
            let mut emit = self.emit();
            // The rows of an entry that there is not must not be read.
            emit.push(Stmt::Check { buffer, index: index.clone(), tile: vec![1], shape: entries, rows: None });
            emit.emit(Type::from(Scalar::I32), Op::Load { buffer: rows, index, guard: false })
        });
        self.emit().push(Stmt::Check { buffer, index: index.to_vec(), tile, shape, rows });
    }

    fn align(&mut self, buffer: BufferId, index: &[ValueId], bytes: u32) {
        let memory = &self.function.buffers[buffer];
        if memory.scope != Scope::Register && bytes > memory.elem.bytes() as u32 {
            self.emit().push(Stmt::Align { buffer, index: index.to_vec(), bytes });
        }
    }

    fn vector(&mut self, buffer: BufferId, index: &[ValueId], ty: Type) {
        if !self.proofs.inside.contains(&(self.id, 0)) {
            let lanes = u32::from(ty.lanes);
            match together(&self.function.buffers[buffer].shape, lanes) {
                Some(tile) => self.tile(buffer, index, tile),
                None => self.stretch(buffer, index, IntValue::Const(lanes.into())),
            }
        }
        if ty.lanes > 1 {
            self.align(buffer, index, ty.bytes().min(16) as u32);
        }
    }

    fn operand(&mut self, args: &[Arg], position: usize) {
        let Stmt::Call { intrinsic, .. } = self.function.stmts[self.id] else { return };
        let Arg::Address { buffer, index } = &args[position] else { return };
        let (buffer, row) = (*buffer, intrinsic.row());
        let elem = self.function.buffers[buffer].elem.bytes() as u32;
        let bytes = row.alignment(position, elem);
        let reach = row.reach(position);
        if let Some(Reach::BytesOf(of)) = reach
            && let Some(Arg::Value(given)) = args.get(of)
        {
            return self.some_bytes(buffer, index, *given, bytes);
        }
        if !self.proofs.inside.contains(&(self.id, position)) {
            match (tile(self.function, intrinsic, args, position), reach) {
                (Some(tile), _) => self.tile(buffer, index, tile),
                // The buffer of a matrix has fewer than two axes: only the first element is checked.
                (None, Some(Reach::Matrix { .. })) => self.tile(buffer, index, vec![1; index.len()]),
                (None, Some(Reach::Bytes(bytes))) => {
                    self.stretch(buffer, index, IntValue::Const(bytes.div_ceil(elem).into()))
                }
                (None, Some(Reach::Elements(count))) => self.stretch(buffer, index, IntValue::Const(count.into())),
                (None, _) => {
                    let boxes = args.iter().find_map(|arg| match arg {
                        Arg::Map(map) => Some(self.function.maps[*map].elements()),
                        _ => None,
                    });
                    self.stretch(buffer, index, IntValue::Const(boxes.unwrap_or(1).into()));
                }
            }
        }
        self.align(buffer, index, bytes);
    }

    /// Checks an access of as many bytes as a value says; an access of no bytes may be anywhere.
    fn some_bytes(&mut self, buffer: BufferId, index: &[ValueId], bytes: ValueId, align: u32) {
        let elem = self.function.buffers[buffer].elem.bytes() as i64;
        let mut emit = self.emit();
        let none = emit.constant_value(Const::int(Scalar::I32, 0));
        let cond = emit.emit(Type::BOOL, Op::Compare(CompareOp::Gt, bytes, none));
        let mut body = Vec::new();
        let mut inner = Checks { out: &mut body, proofs: self.proofs, function: self.function, ..*self };
        let mut emit = inner.emit();
        let rounded = emit.add(&IntValue::Value(bytes), &IntValue::Const(elem - 1));
        let count = emit.div(&rounded, &IntValue::Const(elem));
        inner.stretch(buffer, index, count);
        inner.align(buffer, index, align);
        self.emit().push(Stmt::If { cond, then: Block(body), otherwise: Block::default() });
    }

    /// Checks consecutive elements, which may extend over the ends of rows: the first must be within the shape, the
    /// last within the memory. The count is an `i32`. Where rows are apart, and in tables, the last must be within the same row.
    fn stretch(&mut self, buffer: BufferId, index: &[ValueId], count: IntValue) {
        self.tile(buffer, index, vec![1; index.len()]);
        if count == IntValue::Const(1) {
            return;
        }
        let layout = self.function.buffers[buffer].layout.clone();
        if layout.has_strides_of_launch() || self.function.buffers[buffer].entries.is_some() {
            return self.along_row(buffer, index, count);
        }
        let scalar = offset_scalar(self.function, buffer, index, self.wide);
        let mut emit = self.emit().with_scalar(scalar);
        let coordinates: Vec<IntValue> = index.iter().map(|value| emit.convert(*value)).collect();
        let first = layout.offset(&mut emit, &coordinates);
        let count = match count {
            IntValue::Value(count) => emit.convert(count),
            count => count,
        };
        let end = emit.add(&first, &count);
        let last = emit.sub(&end, &IntValue::Const(1));
        let last = emit.value(last);
        emit.push(Stmt::Check { buffer, index: vec![last], tile: vec![1], shape: vec![layout.size()], rows: None });
    }

    /// Checks that the last of consecutive elements is within the shape.
    fn along_row(&mut self, buffer: BufferId, index: &[ValueId], count: IntValue) {
        let Some((column, rows)) = index.split_last() else { return };
        let scalar = self.function.ty(*column).scalar;
        let mut emit = self.emit().with_scalar(scalar);
        let count = match count {
            IntValue::Value(count) => emit.convert(count),
            count => count,
        };
        let end = emit.add(&IntValue::Value(*column), &count);
        let last = emit.sub(&end, &IntValue::Const(1));
        let last = emit.value(last);
        let index = [rows, &[last]].concat();
        self.tile(buffer, &index, vec![1; index.len()]);
    }
}
