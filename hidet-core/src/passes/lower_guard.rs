//! Lowers protected accesses to branches.
//!
//! Precondition: a valid function. Postcondition: no access with `guard`.
//!
//! `let v = load a[i] guard` becomes
//!
//! ```text
//! var t = 0; if 0 <= i && i < extent { let u = load a[i]; t = u } let v = t
//! ```
//!
//! and a store becomes just the branch. There is no branch if the bounds prove the access. Each element of a vector
//! is protected by itself: if the vector does not fit as a whole, its elements are accessed one by one.

use super::LoweringOptions;
use super::bounds::{Proofs, needs_i64, proved_statements};
use crate::error::Result;
use crate::ir::emit::{Emitter, IntValue};
use crate::ir::{Block, BufferId, CompareOp, Function, Op, Stmt, ValueId, Var, VarId};
use crate::types::{Const, Scalar, Type};
use hidet_mapping::Arith;

pub(super) fn run(function: &mut Function, options: &LoweringOptions) -> Result<()> {
    let inside = proved_statements(&Proofs::of(function));
    function.rewrite(&mut |function, id, out| {
        let span = function.spans[id];
        match function.stmts[id].clone() {
            Stmt::Let { value, op: Op::Load { buffer, index, guard: true } } => {
                let load = Op::Load { buffer, index: index.clone(), guard: false };
                if inside.contains(&id) {
                    function.stmts[id] = Stmt::Let { value, op: load };
                    out.push(id);
                    return Ok(());
                }
                let ty = function.ty(value);
                let var = function.vars.push(Var { name: function.values[value].name.clone(), ty });
                let mut emit = Emitter::new(function, out, span);
                let zero = zero(&mut emit, ty);
                emit.push(Stmt::Declare { var, init: Some(zero) });
                let access = Access { buffer, index, wide: options.wide_index };
                let whole = access.condition(&mut emit, ty.lanes);
                let then = access.load(&mut emit, ty, var);
                let otherwise = if ty.lanes > 1 { access.load_lanes(&mut emit, ty, var) } else { Block::default() };
                branch(&mut emit, whole, then, otherwise);
                emit.push(Stmt::Let { value, op: Op::Read(var) });
            }
            Stmt::Store { buffer, index, value, guard: true } => {
                if inside.contains(&id) {
                    function.stmts[id] = Stmt::Store { buffer, index, value, guard: false };
                    out.push(id);
                    return Ok(());
                }
                let ty = function.ty(value);
                let mut emit = Emitter::new(function, out, span);
                let access = Access { buffer, index: index.clone(), wide: options.wide_index };
                let whole = access.condition(&mut emit, ty.lanes);
                let store = Stmt::Store { buffer, index, value, guard: false };
                let then = Block(vec![emit.function.new_stmt(store, span)]);
                let otherwise = if ty.lanes > 1 { access.store_lanes(&mut emit, ty, value) } else { Block::default() };
                branch(&mut emit, whole, then, otherwise);
            }
            _ => out.push(id),
        }
        Ok(())
    })
}

/// An element of a buffer.
struct Access {
    buffer: BufferId,
    index: Vec<ValueId>,
    /// [`LoweringOptions::wide_index`].
    wide: bool,
}

impl Access {
    /// Emits the condition that `lanes` elements from the index on are within the shape, or returns it if it is known.
    fn condition(&self, emit: &mut Emitter, lanes: u8) -> Result<ValueId, bool> {
        let shape = emit.function.buffers[self.buffer].shape.clone();
        let mut all = Err(true);
        for (axis, (extent, index)) in shape.iter().zip(&self.index).enumerate() {
            // Without wide offsets every extent fits in `i32`.
            let long = needs_i64(extent, !self.wide);
            let scalar = if long { Scalar::I64 } else { emit.function.ty(*index).scalar };
            let mut emit = emit.again(scalar);
            let index = emit.convert(*index);
            let extent = emit.index(extent);
            let first = emit.compare(CompareOp::Le, IntValue::Const(0), index);
            all = emit.both(all, first);
            let beyond = if axis + 1 == shape.len() { i64::from(lanes) - 1 } else { 0 };
            // Subtracted from the extent, which cannot wrap.
            let extent = emit.sub(&extent, &IntValue::Const(beyond));
            let last = emit.compare(CompareOp::Lt, index, extent);
            all = emit.both(all, last);
        }
        all
    }

    /// Returns the element `lane` elements further along the last axis.
    fn lane(&self, emit: &mut Emitter, lane: u8) -> Access {
        let mut index = self.index.clone();
        if let Some(last) = index.last_mut().filter(|_| lane > 0) {
            let mut emit = emit.again(emit.function.ty(*last).scalar);
            let moved = emit.add(&IntValue::Value(*last), &IntValue::Const(i64::from(lane)));
            *last = emit.value(moved);
        }
        Access { buffer: self.buffer, index, wide: self.wide }
    }

    /// Emits a load into a variable.
    fn load(&self, emit: &mut Emitter, ty: Type, var: VarId) -> Block {
        let mut then = Vec::new();
        let mut inner = Emitter::new(emit.function, &mut then, emit.span);
        let value = inner.emit(ty, Op::Load { buffer: self.buffer, index: self.index.clone(), guard: false });
        inner.push(Stmt::Assign { var, value });
        Block(then)
    }

    /// Emits loads of single lanes into a variable, with zero for lanes that are outside.
    fn load_lanes(&self, emit: &mut Emitter, ty: Type, var: VarId) -> Block {
        let mut block = Vec::new();
        let mut inner = Emitter::new(emit.function, &mut block, emit.span);
        let lanes = (0..ty.lanes).map(|lane| {
            let scalar = Type::from(ty.scalar);
            let one = inner.function.vars.push(Var { name: String::new(), ty: scalar });
            let zero = zero(&mut inner, scalar);
            inner.push(Stmt::Declare { var: one, init: Some(zero) });
            let access = self.lane(&mut inner, lane);
            let condition = access.condition(&mut inner, 1);
            let then = access.load(&mut inner, scalar, one);
            branch(&mut inner, condition, then, Block::default());
            inner.emit(scalar, Op::Read(one))
        });
        let lanes = lanes.collect();
        let value = inner.emit(ty, Op::Vector(lanes));
        inner.push(Stmt::Assign { var, value });
        Block(block)
    }

    /// Emits stores of the lanes that are inside.
    fn store_lanes(&self, emit: &mut Emitter, ty: Type, value: ValueId) -> Block {
        let mut block = Vec::new();
        let mut inner = Emitter::new(emit.function, &mut block, emit.span);
        for lane in 0..ty.lanes {
            let access = self.lane(&mut inner, lane);
            let condition = access.condition(&mut inner, 1);
            let mut then = Vec::new();
            let mut innermost = Emitter::new(inner.function, &mut then, inner.span);
            let value = innermost.emit(ty.scalar, Op::Extract(value, lane));
            innermost.push(Stmt::Store { buffer: access.buffer, index: access.index, value, guard: false });
            branch(&mut inner, condition, Block(then), Block::default());
        }
        Block(block)
    }
}

/// Emits the zero of a scalar or vector type.
fn zero(emit: &mut Emitter, ty: Type) -> ValueId {
    let zero = emit.constant_value(Const::zero(ty.scalar));
    if ty.lanes == 1 { zero } else { emit.emit(ty, Op::Vector(vec![zero; usize::from(ty.lanes)])) }
}

/// Emits a branch on a condition, or only the taken block if the condition is known.
fn branch(emit: &mut Emitter, condition: Result<ValueId, bool>, then: Block, otherwise: Block) {
    let cond = match condition {
        Ok(cond) => cond,
        Err(known) => emit.constant_value(Const::bool(known)),
    };
    emit.push(Stmt::If { cond, then, otherwise });
}
