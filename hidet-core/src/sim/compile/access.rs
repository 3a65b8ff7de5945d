//! Loads, stores and index checks.

use super::index::Emit;
use super::operation::Scalars;
use super::{Compiler, Result, TypedSrc};
use crate::ir::{BinaryOp, BufferId, CompareOp, ValueId};
use crate::sim::bytecode::{IndexCheck, Inst, Loc, MemoryAccess, MemoryBase, Src};
use crate::types::Scalar;
use hidet_mapping::IndexExpr;

/// The coordinates of an access as registers of one type.
struct Coordinates {
    index: Vec<Src>,
    wide: bool,
}

impl Coordinates {
    fn scalar(&self) -> Scalar {
        if self.wide { Scalar::I64 } else { Scalar::I32 }
    }
}

impl Compiler<'_> {
    /// Returns the coordinates of an access to a buffer of that rank.
    fn coordinates(&mut self, buffer: BufferId, index: &[ValueId], rank: usize) -> Result<Coordinates> {
        let operands = index.iter().map(|value| self.value(*value)).collect::<Result<Vec<TypedSrc>>>()?;
        let (_, size) = self.place(buffer)?;
        let wide = size > i32::MAX as u64 || operands.iter().any(|operand| operand.ty.scalar == Scalar::I64);
        if operands.len() != rank {
            let name = &self.function.buffers[buffer].name;
            return Err(self.refuse(format!("`{name}` has {rank} axes and is indexed with {}", operands.len())));
        }
        let widened = |operand: &TypedSrc| match (wide, operand.ty.scalar) {
            (true, Scalar::I64) | (false, _) => operand.src,
            (true, scalar) => self.apply(Scalars::Cast, &[(operand.src, scalar)], Scalar::I64),
        };
        let index = operands.iter().map(widened).collect();
        Ok(Coordinates { index, wide })
    }

    fn extents(&self, shape: &[IndexExpr]) -> Result<Vec<i64>> {
        let extent = |extent: &IndexExpr| extent.eval(self.fixed.dims).map_err(|why| self.refuse(why));
        shape.iter().map(extent).collect()
    }

    /// Checks `count` elements along the last axis against the shape of the buffer.
    fn check_shape(
        &mut self,
        buffer: BufferId,
        coordinates: &Coordinates,
        count: u32,
        verb: &'static str,
    ) -> Result<()> {
        let shape = self.extents(&self.function.buffers[buffer].shape)?;
        let mut tile = vec![1; shape.len()];
        if let Some(last) = tile.last_mut() {
            *last = count;
        }
        let site = self.site(Some(buffer), verb);
        let Coordinates { index, wide } = coordinates;
        self.push_check(IndexCheck { buffer, index: index.clone(), wide: *wide, tile, shape, rows: None, site });
        Ok(())
    }

    pub(super) fn check(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        tile: &[u32],
        (shape, rows): (&[IndexExpr], Option<ValueId>),
    ) -> Result<()> {
        let Coordinates { index, wide } = self.coordinates(buffer, index, shape.len())?;
        let shape = self.extents(shape)?;
        let site = self.site(Some(buffer), "accesses it");
        let rows = rows.map(|rows| self.value(rows)).transpose()?.map(|rows| rows.src);
        self.push_check(IndexCheck { buffer, index, wide, tile: tile.to_vec(), shape, rows, site });
        Ok(())
    }

    pub(super) fn align(&mut self, buffer: BufferId, index: &[ValueId], bytes: u32) -> Result<()> {
        let access = self.address(buffer, index, 1, "accesses it")?;
        let described = self.program.accesses.get(access as usize).copied();
        let described = described.ok_or_else(|| self.refuse("a table without entries is accessed"))?;
        self.emit_access(Inst::CheckAlign { access, bytes }, &described);
        Ok(())
    }

    /// Emits the condition that the coordinates, moved by `part` along the last axis, lie inside of the shape.
    fn inside(&mut self, buffer: BufferId, coordinates: &Coordinates, part: i64) -> Result<Src> {
        let scalar = coordinates.scalar();
        let mut all = self.constant(1);
        let last = coordinates.index.len().saturating_sub(1);
        for (axis, (index, extent)) in
            coordinates.index.iter().zip(self.extents(&self.function.buffers[buffer].shape)?).enumerate()
        {
            let shift = if axis == last { part } else { 0 };
            let mut number =
                |value: i64| self.constant(if coordinates.wide { value as u64 } else { value as u32 as u64 });
            let (low, high) = (number(-shift), number(extent - shift));
            let above = self.apply(Scalars::Compare(CompareOp::Ge), &[(*index, scalar), (low, scalar)], Scalar::Bool);
            let below = self.apply(Scalars::Compare(CompareOp::Lt), &[(*index, scalar), (high, scalar)], Scalar::Bool);
            for cond in [above, below] {
                let operands = [(all, Scalar::Bool), (cond, Scalar::Bool)];
                all = if self.constant_of(all) == Some(1) {
                    cond
                } else {
                    self.apply(Scalars::Binary(BinaryOp::And), &operands, Scalar::Bool)
                };
            }
        }
        Ok(all)
    }

    /// Returns the access to `count` elements at the coordinates.
    fn access(
        &mut self,
        buffer: BufferId,
        coordinates: &Coordinates,
        count: u32,
        guard: Option<Src>,
        verb: &'static str,
    ) -> Result<MemoryAccess> {
        let (place, limit) = self.place(buffer)?;
        let layout = &self.function.buffers[buffer].layout;
        let index = if self.is_flat(layout) {
            coordinates.index.first().copied().unwrap_or(Src::NONE)
        } else {
            let mut emit = Emit { compiler: self, wide: coordinates.wide, symbols: None };
            super::layout::offset(layout, &mut emit, &coordinates.index)
        };
        let site = self.site(Some(buffer), verb);
        let elem = self.function.buffers[buffer].elem;
        let entry = coordinates.index.first().copied().filter(|_| self.function.buffers[buffer].entries.is_some());
        Ok(MemoryAccess { place, buffer, limit, elem, count, index, wide: coordinates.wide, entry, guard, site })
    }

    /// Returns the accesses of a load or store of `count` elements: one per element if `guard`, else one.
    fn accesses(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        count: u32,
        guard: bool,
        verb: &'static str,
    ) -> Result<Vec<MemoryAccess>> {
        let coordinates = self.coordinates(buffer, index, self.function.buffers[buffer].shape.len())?;
        if !guard {
            // For one axis without gaps, the check against the allocation is the same.
            let memory = &self.function.buffers[buffer];
            if self.fixed.check_shape && !self.is_flat(memory.entry_layout().as_ref().unwrap_or(&memory.layout)) {
                self.check_shape(buffer, &coordinates, count, verb)?;
            }
            return Ok(vec![self.access(buffer, &coordinates, count, None, verb)?]);
        }
        let mut all = Vec::new();
        for part in 0..count {
            let inside = self.inside(buffer, &coordinates, part as i64)?;
            let mut access = self.access(buffer, &coordinates, 1, Some(inside), verb)?;
            let scalar = coordinates.scalar();
            let by = self.constant(part as u64);
            if part > 0 {
                let operands = [(access.index, scalar), (by, scalar)];
                access.index = self.apply(Scalars::Binary(BinaryOp::Add), &operands, scalar);
            }
            all.push(access);
        }
        Ok(all)
    }

    pub(super) fn load(&mut self, value: ValueId, buffer: BufferId, index: &[ValueId], guard: bool) -> Result<()> {
        let ty = self.function.ty(value);
        let accesses = self.accesses(buffer, index, ty.lanes as u32, guard, "reads it")?;
        let uniform = accesses.iter().all(|access| {
            access.index.is_uniform()
                && access.entry.is_none_or(Src::is_uniform)
                && access.guard.is_none_or(Src::is_uniform)
                && !matches!(access.place, MemoryBase::Register(_))
        });
        let to = self.define(value, uniform);
        for (part, access) in accesses.into_iter().enumerate() {
            let to = to.part(part as u32);
            let number = self.push_access(access);
            match (to.loc(), access.place) {
                (Loc::Row(d), MemoryBase::Register(base)) if access.index.is_uniform() && access.guard.is_none() => {
                    self.emit(Inst::LoadRow { d, base, index: access.index, access: number });
                }
                (Loc::Row(d), _) => self.emit_access(Inst::Load { access: number, d }, &access),
                (Loc::Scalar(d), _) => self.emit_access(Inst::LoadUniform { access: number, d }, &access),
                (Loc::Const(_), _) => {}
            }
        }
        Ok(())
    }

    pub(super) fn store(&mut self, buffer: BufferId, index: &[ValueId], value: ValueId, guard: bool) -> Result<()> {
        let from = self.value(value)?;
        let accesses = self.accesses(buffer, index, from.ty.lanes as u32, guard, "writes it")?;
        for (part, access) in accesses.into_iter().enumerate() {
            let value = from.part(part as u32);
            let number = self.push_access(access);
            match access.place {
                MemoryBase::Register(base) if access.index.is_uniform() && access.guard.is_none() => {
                    self.emit(Inst::StoreRow { value, base, index: access.index, access: number });
                }
                _ => self.emit_access(Inst::Store { access: number, value }, &access),
            }
        }
        Ok(())
    }

    /// Returns the number of the access for an address operand of `count` elements; 0 for a bulk operation, which
    /// checks the extent itself.
    pub(super) fn address(
        &mut self,
        buffer: BufferId,
        index: &[ValueId],
        count: u32,
        verb: &'static str,
    ) -> Result<u32> {
        let accesses = self.accesses(buffer, index, count.max(1), false, verb)?;
        let mut number = 0;
        for access in accesses {
            number = if count == 0 { self.push_bulk_access(access) } else { self.push_access(access) };
        }
        Ok(number)
    }
}
