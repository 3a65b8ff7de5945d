//! Operations: folded if all operands are constants, on scalar slots if all are uniform, else over lanes.

use super::{Compiler, Result, TypedSrc, liveness, rows};
use crate::ir::{BinaryOp, Block, CompareOp, Op, Special, Stmt, UnaryOp, ValueId, VarId, eval};
use crate::sim::bytecode::{Inst, Loc, Src, slot};
use crate::sim::lanes;
use crate::types::{Scalar, Type};

/// An operation on scalar parts.
#[derive(Clone, Copy)]
pub(super) enum Scalars {
    Unary(UnaryOp),
    Binary(BinaryOp),
    Compare(CompareOp),
    Fma,
    Select,
    Cast,
}

impl Compiler<'_> {
    pub(super) fn let_value(&mut self, value: ValueId, op: &Op) -> Result<()> {
        let ty = self.function.ty(value);
        match op {
            Op::Const(constant) => {
                let src = self.constant(constant.bits);
                return self.name(value, src);
            }
            Op::Dim(dim) => {
                use crate::ir::Handle;
                let extent = self.fixed.dims.get(dim.index()).copied().unwrap_or(0);
                let src = self.constant(extent as u32 as u64);
                return self.name(value, src);
            }
            Op::Special(special) => {
                let src = self.special(*special);
                return self.name(value, src);
            }
            Op::Extract(of, part) => {
                let of = self.value(*of)?;
                return self.name(value, of.part(*part as u32));
            }
            _ => {}
        }
        self.pending += 1;
        match op {
            Op::Read(var) => {
                let from = self.var(*var)?;
                if self.unchanged_while_used(*var, value) {
                    self.pending -= 1;
                    return self.name(value, from.src);
                }
                let to = self.define(value, from.src.is_uniform());
                self.copy_all(to, from);
                Ok(())
            }
            Op::Load { buffer, index, guard } => self.load(value, *buffer, index, *guard),
            Op::Unary(op, a) => self.by_parts(value, Scalars::Unary(*op), &[*a]),
            Op::Binary(op, a, b) => self.by_parts(value, Scalars::Binary(*op), &[*a, *b]),
            Op::Compare(op, a, b) => self.by_parts(value, Scalars::Compare(*op), &[*a, *b]),
            Op::Select(cond, a, b) => self.by_parts(value, Scalars::Select, &[*cond, *a, *b]),
            Op::Fma(a, b, c) => self.by_parts(value, Scalars::Fma, &[*a, *b, *c]),
            Op::Cast(a) => self.by_parts(value, Scalars::Cast, &[*a]),
            Op::Bitcast(a) => {
                let from = self.value(*a)?;
                if liveness::shares(self.function, op, value) {
                    return self.name(value, from.src);
                }
                self.regroup(value, from)
            }
            Op::Vector(parts) => {
                let parts = parts.iter().map(|part| self.value(*part)).collect::<Result<Vec<_>>>()?;
                let to = self.define(value, parts.iter().all(|part| part.src.is_uniform()));
                for (index, part) in parts.iter().enumerate() {
                    self.copy(to.part(index as u32), part.src, ty.scalar);
                }
                Ok(())
            }
            Op::Const(_) | Op::Dim(_) | Op::Special(_) | Op::Extract(..) => Ok(()),
        }
    }

    /// Makes a value refer to registers that exist already.
    fn name(&mut self, value: ValueId, src: Src) -> Result<()> {
        use crate::ir::Handle;
        let ty = self.function.ty(value);
        self.values[value.index()] = Some(TypedSrc { src, ty });
        Ok(())
    }

    /// Returns true if a value just read from a variable can share its registers: in the rest of the block, the last
    /// use of the value comes before the variable changes.
    fn unchanged_while_used(&self, var: VarId, value: ValueId) -> bool {
        let Some(block) = self.current else { return false };
        let mut started = false;
        for id in &block.0 {
            if *id == self.at {
                started = true;
                continue;
            }
            if !started {
                continue;
            }
            let stmt = &self.function.stmts[*id];
            let last = self.liveness.dying(*id).contains(&value);
            match stmt {
                Stmt::Assign { var: assigned, .. } if *assigned == var => return last,
                _ if stmt.blocks().next().is_some() && self.assigns_within(stmt, var) => return false,
                _ => {}
            }
            if last {
                return true;
            }
        }
        true
    }

    fn assigns_within(&self, stmt: &Stmt, var: VarId) -> bool {
        let within = |block: &Block| {
            block.0.iter().any(|id| match &self.function.stmts[*id] {
                Stmt::Assign { var: assigned, .. } => *assigned == var,
                stmt => self.assigns_within(stmt, var),
            })
        };
        stmt.blocks().any(within)
    }

    fn special(&mut self, special: Special) -> Src {
        let [x, y, z] = self.program.block;
        let [grid_x, grid_y, grid_z] = self.program.grid;
        let cluster = self.program.cluster.iter().product::<u32>();
        let number = match special {
            Special::BlockDimX => x,
            Special::BlockDimY => y,
            Special::BlockDimZ => z,
            Special::GridX => grid_x,
            Special::GridY => grid_y,
            Special::GridZ => grid_z,
            Special::ClusterSize => cluster,
            Special::ThreadX => return Src::row(slot::THREAD_X),
            Special::ThreadY if y == 1 => 0,
            Special::ThreadZ if z == 1 => 0,
            Special::ThreadY if x % 32 != 0 => return Src::row(slot::THREAD_Y),
            Special::ThreadZ if x * y % 32 != 0 => return Src::row(slot::THREAD_Z),
            Special::ThreadY => return Src::scalar(slot::WARP_Y),
            Special::ThreadZ => return Src::scalar(slot::WARP_Z),
            Special::BlockX => return Src::scalar(slot::BLOCK_X),
            Special::BlockY => return Src::scalar(slot::BLOCK_Y),
            Special::BlockZ => return Src::scalar(slot::BLOCK_Z),
            Special::Thread => return Src::row(slot::THREAD),
            Special::Lane => return Src::row(slot::LANE),
            Special::Warp => return Src::scalar(slot::WARP),
            Special::ClusterRank => return Src::scalar(slot::CLUSTER_RANK),
        };
        self.constant(number as u64)
    }

    /// Applies an operation part by part.
    fn by_parts(&mut self, value: ValueId, op: Scalars, operands: &[ValueId]) -> Result<()> {
        let ty = self.function.ty(value);
        let operands = operands.iter().map(|operand| self.value(*operand)).collect::<Result<Vec<_>>>()?;
        let parts = ty.lanes as u32;
        let part = |index: u32| -> Vec<(Src, Scalar)> {
            operands
                .iter()
                .map(|operand| {
                    let index = if operand.ty.lanes == 1 { 0 } else { index };
                    (operand.part(index), operand.ty.scalar)
                })
                .collect()
        };
        self.pending += parts - 1;
        if parts == 1 {
            if let Some(bits) = self.folded(op, &part(0), ty.scalar) {
                self.pending -= 1;
                let src = self.constant(bits);
                return self.name(value, src);
            }
        }
        let uniform = operands.iter().all(|operand| operand.src.is_uniform());
        let to = self.define(value, uniform);
        for index in 0..parts {
            self.apply_to(op, &part(index), to.part(index), ty.scalar)?;
        }
        Ok(())
    }

    /// Applies an operation on scalars for an intermediate result.
    pub(super) fn apply(&mut self, op: Scalars, operands: &[(Src, Scalar)], result: Scalar) -> Src {
        if let Some(bits) = self.folded(op, operands, result) {
            return self.constant(bits);
        }
        let uniform = operands.iter().all(|(src, _)| src.is_uniform());
        let to = self.temp(uniform, result, 1);
        // Index arithmetic is defined for every type that occurs here.
        let _ = self.apply_to(op, operands, to, result);
        to
    }

    fn folded(&self, op: Scalars, operands: &[(Src, Scalar)], result: Scalar) -> Option<u64> {
        let bits: Vec<u64> = operands.iter().map(|(src, _)| self.constant_of(*src)).collect::<Option<_>>()?;
        let of = operands.first()?.1;
        match (op, bits.as_slice()) {
            (Scalars::Unary(op), [a]) => Some(eval::unary(op, of)?(*a)),
            (Scalars::Binary(op), [a, b]) if eval::fault(op, of, *b).is_none() => Some(eval::binary(op, of)?(*a, *b)),
            (Scalars::Compare(op), [a, b]) => Some(eval::compare(op, of)?(*a, *b)),
            (Scalars::Fma, [a, b, c]) => Some(eval::fma(of)?(*a, *b, *c)),
            (Scalars::Select, [cond, a, b]) => Some(if *cond != 0 { *a } else { *b }),
            (Scalars::Cast, [a]) => Some(eval::cast(of, result, *a)),
            _ => None,
        }
    }

    pub(super) fn apply_to(&mut self, op: Scalars, operands: &[(Src, Scalar)], to: Src, result: Scalar) -> Result<()> {
        let of = operands.first().map_or(result, |operand| operand.1);
        let src = |index: usize| operands.get(index).map_or(Src::NONE, |operand| operand.0);
        let (a, b, c) = (src(0), src(1), src(2));
        let mut wide = 0u8;
        for (index, (_, scalar)) in operands.iter().enumerate() {
            wide |= ((rows(*scalar) == 2) as u8) << index;
        }
        wide |= ((rows(result) == 2) as u8) << 3;
        if let Scalars::Binary(op) = op {
            let harmless = self.constant_of(b).is_some_and(|b| eval::fault(op, of, b).is_none());
            let may = matches!(op, BinaryOp::Div | BinaryOp::Rem | BinaryOp::Shl | BinaryOp::Shr);
            if may && of.is_int() && !harmless {
                let site = self.site(None, "computes");
                self.emit(Inst::CheckOperand { op, scalar: of, b, site });
            }
        }
        let undefined = || self.refuse(format!("this operation is not defined for {of}"));
        let inst = match to.loc() {
            Loc::Const(_) => return Ok(()),
            Loc::Scalar(d) => match op {
                Scalars::Unary(op) => Inst::Uniform1 { f: eval::unary(op, of).ok_or_else(undefined)?, d, a },
                Scalars::Binary(op) => Inst::Uniform2 { f: eval::binary(op, of).ok_or_else(undefined)?, d, a, b },
                Scalars::Compare(op) => Inst::Uniform2 { f: eval::compare(op, of).ok_or_else(undefined)?, d, a, b },
                Scalars::Fma => Inst::Uniform3 { f: eval::fma(of).ok_or_else(undefined)?, d, a, b, c },
                Scalars::Select => Inst::UniformSelect { d, cond: a, a: b, b: c },
                Scalars::Cast => Inst::UniformCast { from: of, to: result, d, a },
            },
            Loc::Row(d) => {
                let kernel = match op {
                    Scalars::Unary(op) => lanes::unary(op, of),
                    Scalars::Binary(op) => lanes::binary(op, of),
                    Scalars::Compare(op) => lanes::compare(op, of),
                    Scalars::Fma => lanes::fma(of),
                    Scalars::Select => Some(lanes::select(rows(result) == 2)),
                    Scalars::Cast => lanes::cast(of, result),
                };
                match (kernel, op) {
                    (Some(run), _) => Inst::Lanes { run, d, a, b, c, wide },
                    (None, Scalars::Unary(op)) => {
                        Inst::Map1 { f: eval::unary(op, of).ok_or_else(undefined)?, d, a, wide }
                    }
                    (None, Scalars::Binary(op)) => {
                        Inst::Map2 { f: eval::binary(op, of).ok_or_else(undefined)?, d, a, b, wide }
                    }
                    (None, Scalars::Compare(op)) => {
                        Inst::Map2 { f: eval::compare(op, of).ok_or_else(undefined)?, d, a, b, wide }
                    }
                    (None, Scalars::Fma) => Inst::Map3 { f: eval::fma(of).ok_or_else(undefined)?, d, a, b, c, wide },
                    (None, _) => Inst::Cast { from: of, to: result, d, a },
                }
            }
        };
        self.emit(inst);
        Ok(())
    }

    /// Compiles a bitcast between different numbers of parts: little-endian, by unsigned integers of the sizes.
    fn regroup(&mut self, value: ValueId, from: TypedSrc) -> Result<()> {
        let ty = self.function.ty(value);
        let to = self.define(value, from.src.is_uniform());
        let unsigned = |ty: Type| match ty.scalar.bytes() {
            1 => Scalar::U8,
            2 => Scalar::U16,
            4 => Scalar::U32,
            _ => Scalar::U64,
        };
        let (small, large) = (unsigned(from.ty), unsigned(ty));
        let (of, into) = (from.ty.scalar.bytes() as u32, ty.scalar.bytes() as u32);
        let wide = Scalar::U64;
        for part in 0..ty.lanes as u32 {
            let mut sum = self.constant(0);
            let (first, pieces) = if into >= of { (part * (into / of), into / of) } else { (part / (of / into), 1) };
            for piece in 0..pieces {
                let bits = self.apply(Scalars::Cast, &[(from.part(first + piece), small)], wide);
                let (op, by) = if into >= of {
                    (BinaryOp::Shl, piece * of * 8)
                } else {
                    (BinaryOp::Shr, part % (of / into) * into * 8)
                };
                let by = self.constant(by as u64);
                let moved = self.apply(Scalars::Binary(op), &[(bits, wide), (by, wide)], wide);
                sum = self.apply(Scalars::Binary(BinaryOp::Or), &[(sum, wide), (moved, wide)], wide);
            }
            self.apply_to(Scalars::Cast, &[(sum, wide)], to.part(part), large)?;
        }
        Ok(())
    }
}
