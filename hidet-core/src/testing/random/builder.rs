//! A random kernel under construction: open blocks, and the values that the next statement may use.

use super::rng::Rng;
use crate::intrinsics::Intrinsic;
use crate::ir::{Arg, BinaryOp, Block, BufferId, DimId, Function, LoopId, Op, Span, Stmt, ValueId, VarId};
use crate::types::{Const, Scalar, Type};

/// An extent of memory and its value at launch.
#[derive(Clone, Copy)]
pub(super) enum KnownExtent {
    Const(i64),
    Dim(DimId, i64),
}

impl KnownExtent {
    pub fn at_launch(self) -> i64 {
        match self {
            KnownExtent::Const(extent) | KnownExtent::Dim(_, extent) => extent,
        }
    }
}

/// Memory that may be read at any index.
#[derive(Clone)]
pub(super) struct ReadableBuffer {
    pub buffer: BufferId,
    pub elem: Scalar,
    pub extents: Vec<KnownExtent>,
    /// Four elements along the last axis may be read at once.
    pub vectors: bool,
}

pub(super) struct KernelBuilder {
    pub rng: Rng,
    pub f: Function,
    /// The open blocks, innermost last.
    open: Vec<Block>,
    /// The values that may be used.
    pub values: Vec<ValueId>,
    /// Values from 0 to below a number.
    pub bounded: Vec<(ValueId, i64)>,
    /// The variables that may be used; all of them are assigned.
    pub vars: Vec<VarId>,
    /// The memory that may be read.
    pub sources: Vec<ReadableBuffer>,
    /// Register arrays that may be written.
    pub registers: Vec<ReadableBuffer>,
    /// The loops that a `break` or `continue` may target.
    pub loops: Vec<LoopId>,
    /// Number of statements that may still be added.
    pub budget: i64,
    /// A global array for atomics.
    pub histogram: Option<ReadableBuffer>,
    /// Threads per block.
    pub threads: i64,
    /// Use only operations whose results are the same on all devices.
    pub exact: bool,
}

/// The usable values when a block was opened.
pub(super) struct Mark {
    values: usize,
    bounded: usize,
    vars: usize,
}

impl KernelBuilder {
    pub fn new(rng: Rng) -> KernelBuilder {
        KernelBuilder {
            rng,
            f: Function { name: "random".to_owned(), files: vec!["random".to_owned()], ..Function::default() },
            open: vec![Block::default()],
            values: Vec::new(),
            bounded: Vec::new(),
            vars: Vec::new(),
            sources: Vec::new(),
            registers: Vec::new(),
            loops: Vec::new(),
            budget: 0,
            histogram: None,
            threads: 32,
            exact: false,
        }
    }

    /// Returns the finished function.
    pub fn finish(mut self) -> Function {
        self.f.body = self.open.pop().unwrap_or_default();
        self.f
    }

    pub fn stmt(&mut self, stmt: Stmt) {
        self.budget -= 1;
        // The line is the number of the statement, so that reports name it.
        let span = Span { file: 0, line: self.f.stmts.len() as u32 + 1, column: 1 };
        let id = self.f.new_stmt(stmt, span);
        if let Some(block) = self.open.last_mut() {
            block.0.push(id);
        }
    }

    pub fn emit(&mut self, ty: impl Into<Type>, op: Op) -> ValueId {
        let value = self.f.new_value(ty, "");
        self.stmt(Stmt::Let { value, op });
        self.values.push(value);
        value
    }

    pub fn call(&mut self, name: &str, args: Vec<Arg>, result: Option<Type>) -> Option<ValueId> {
        let intrinsic = Intrinsic::named(name)?;
        let result = result.map(|ty| self.f.new_value(ty, ""));
        self.stmt(Stmt::Call { intrinsic, args, result });
        self.values.extend(result);
        result
    }

    pub fn constant(&mut self, scalar: Scalar, bits: u64) -> ValueId {
        let mask = u64::MAX >> (64 - 8 * scalar.bytes() as u32);
        self.emit(scalar, Op::Const(Const { scalar, bits: bits & mask }))
    }

    pub fn int(&mut self, value: i64) -> ValueId {
        self.constant(Scalar::I32, value as u64)
    }

    pub fn binary(&mut self, op: BinaryOp, a: ValueId, b: ValueId) -> ValueId {
        let ty = self.f.ty(a);
        self.emit(ty, Op::Binary(op, a, b))
    }

    pub fn declare(&mut self, ty: Type, init: Option<ValueId>) -> VarId {
        let var = self.f.vars.push(crate::ir::Var { name: String::new(), ty });
        self.stmt(Stmt::Declare { var, init });
        var
    }

    /// Opens a block for the following statements.
    pub fn enter(&mut self) -> Mark {
        self.open.push(Block::default());
        Mark { values: self.values.len(), bounded: self.bounded.len(), vars: self.vars.len() }
    }

    /// Closes the block; its definitions can no longer be used.
    pub fn leave(&mut self, mark: Mark) -> Block {
        self.values.truncate(mark.values);
        self.bounded.truncate(mark.bounded);
        self.vars.truncate(mark.vars);
        self.open.pop().unwrap_or_default()
    }

    /// Emits an extent as an `i32` value.
    pub fn extent(&mut self, extent: KnownExtent) -> ValueId {
        match extent {
            KnownExtent::Const(extent) => self.int(extent),
            KnownExtent::Dim(dim, _) => self.emit(Type::I32, Op::Dim(dim)),
        }
    }
}
