//! Statements: what a thread does, in order.

use super::arena::handle;
use super::format::Format;
use super::function::{BufferId, LoopId, MapId, ValueId, VarId};
use super::op::Op;
use crate::intrinsics::Intrinsic;
use hidet_mapping::IndexExpr;

handle!(StmtId, "stmt", "A statement.");

/// Statements in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block(pub Vec<StmtId>);

/// A statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// Defines a value.
    Let {
        /// The value defined.
        value: ValueId,
        /// What it is.
        op: Op,
    },
    /// Brings a variable into being, with a first value or unset. It lives until the end of the block.
    Declare {
        /// The variable.
        var: VarId,
        /// Its first value.
        init: Option<ValueId>,
    },
    /// Changes a variable.
    Assign {
        /// The variable.
        var: VarId,
        /// Its new value.
        value: ValueId,
    },
    /// Writes an element of a buffer; a vector writes consecutive elements along the last axis.
    Store {
        /// The memory written.
        buffer: BufferId,
        /// One `i32` or `i64` value an axis.
        index: Vec<ValueId>,
        /// What is written.
        value: ValueId,
        /// Protected: nothing happens outside of the shape.
        guard: bool,
    },
    /// Runs one of two blocks.
    If {
        /// A `bool`.
        cond: ValueId,
        /// Where it holds.
        then: Block,
        /// Where it does not.
        otherwise: Block,
    },
    /// Runs the body for `index` from `start` up to `end`, in steps. The index never overflows: the loop ends where the
    /// next one would lie beyond the end, whether the type holds it or not.
    For {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// The value that counts; an integer.
        index: ValueId,
        /// First index, of the same type.
        start: ValueId,
        /// End, of the same type.
        end: ValueId,
        /// Whether the index may be the end itself.
        inclusive: bool,
        /// What is added each time, of the same type; one that is not positive is a fault.
        step: ValueId,
        /// How far it is unrolled.
        unroll: Unroll,
        /// What is repeated.
        body: Block,
    },
    /// Runs the body for each task that a mapping gives a worker, in its order. A worker that is negative, or at or
    /// beyond the number of workers of the mapping, has no task.
    ForTask {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// Who does which tasks.
        mapping: Mapping,
        /// The worker, an `i32`.
        worker: ValueId,
        /// The coordinates of the task, `i32`, one an axis of the mapping.
        task: Vec<ValueId>,
        /// What is done for each task.
        body: Block,
    },
    /// Runs the body again and again, until a `break` or `return`.
    Loop {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// What is repeated.
        body: Block,
    },
    /// Leaves a loop around it.
    Break(LoopId),
    /// Goes on with the next turn of a loop around it.
    Continue(LoopId),
    /// Ends the thread's work.
    Return,
    /// Only the threads `first .. first + threads` (linear index) run the body: warp specialisation. Both are
    /// multiples of 32. A barrier of the whole block inside of it is invalid.
    Group {
        /// First thread.
        first: u32,
        /// How many.
        threads: u32,
        /// What they do.
        body: Block,
    },
    /// Calls an intrinsic: barriers, shuffles, atomics, asynchronous copies, tensor cores.
    Call {
        /// Which.
        intrinsic: Intrinsic,
        /// Its operands, as its row in the table says.
        args: Vec<Arg>,
        /// Its result, where it has one.
        result: Option<ValueId>,
    },
    /// Checks that the elements from an index on lie within a shape; a fault otherwise. Added by a pass, so that every
    /// device checks the same; index and shape are the author's at every stage of lowering.
    Check {
        /// The buffer that is about to be accessed.
        buffer: BufferId,
        /// The index: one `i32` or `i64` value an axis.
        index: Vec<ValueId>,
        /// How many elements from the index on, an axis; at least 1.
        tile: Vec<u32>,
        /// The shape, formulas of the dims.
        shape: Vec<IndexExpr>,
    },
    /// Checks that an element lies at a multiple of so many bytes; a fault otherwise. Added by a pass.
    Align {
        /// The buffer, not in registers, that is about to be accessed.
        buffer: BufferId,
        /// One value an axis.
        index: Vec<ValueId>,
        /// A power of two.
        bytes: u32,
    },
    /// A condition that must hold; a fault with that message otherwise.
    Assert {
        /// A `bool`.
        cond: ValueId,
        /// What to say.
        message: String,
    },
    /// Prints, one line a thread.
    Print {
        /// Text and values in order.
        pieces: Vec<PrintPiece>,
    },
    /// PTX, for what has no intrinsic.
    Asm {
        /// The instruction; `$0`, `$1`, ... stand for the operands.
        template: String,
        /// The operands in order.
        operands: Vec<AsmOperand>,
    },
}

/// An operand of an intrinsic.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// A value.
    Value(ValueId),
    /// The address of an element. In registers: of the first of the elements the intrinsic uses.
    Address {
        /// The memory.
        buffer: BufferId,
        /// One value an axis.
        index: Vec<ValueId>,
    },
    /// A number known while compiling.
    Imm(i64),
    /// A tensor map.
    Map(MapId),
}

/// An operand of [`Stmt::Asm`].
#[derive(Clone, Debug, PartialEq)]
pub enum AsmOperand {
    /// Read.
    In(ValueId),
    /// Written; the value is defined by the statement.
    Out(ValueId),
    /// The address of an element.
    Address {
        /// The memory.
        buffer: BufferId,
        /// One value an axis.
        index: Vec<ValueId>,
    },
}

/// A piece of what [`Stmt::Print`] prints.
#[derive(Clone, Debug, PartialEq)]
pub enum PrintPiece {
    /// Text as it is.
    Text(String),
    /// A value.
    Value {
        /// Which.
        value: ValueId,
        /// How it looks.
        format: Format,
    },
}

/// How far a loop is unrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Unroll {
    /// As the device's compiler likes.
    #[default]
    Auto,
    /// Not at all.
    Never,
    /// By the device's compiler, completely.
    Full,
    /// By the device's compiler, that many times.
    By(u32),
    /// By our own pass, completely: the trip count must become constant.
    Explicit,
}

/// A task mapping in the IR: atoms composed from outer to inner, extents possibly values.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The factors of the composition, outermost first. All have the same rank.
    pub atoms: Vec<MappingAtom>,
}

/// A factor of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum MappingAtom {
    /// One worker a task.
    Spatial {
        /// Extents.
        shape: Vec<MappingExtent>,
        /// Order of the axes: rank 0 varies slowest.
        ranks: Vec<u8>,
        /// Axes projected away: there the coordinate is 0 and the task domain has extent 1, for the same workers.
        projected: Vec<bool>,
    },
    /// One worker does all tasks.
    Repeat {
        /// Extents.
        shape: Vec<MappingExtent>,
        /// Order of the axes: rank 0 is the outermost loop.
        ranks: Vec<u8>,
        /// One an axis.
        unroll: Vec<Unroll>,
        /// Axes projected away: there the coordinate is 0 and the task domain has extent 1, for the same loops.
        projected: Vec<bool>,
    },
    /// A function from the worker (symbol 0) to its tasks.
    Custom {
        /// Number of workers.
        workers: u32,
        /// Extents of the task domain.
        shape: Vec<u32>,
        /// The tasks in order, each one coordinate an axis.
        tasks: Vec<Vec<IndexExpr>>,
    },
}

/// An extent of a mapping: a number, or an `i32` value.
#[derive(Clone, Debug, PartialEq)]
pub enum MappingExtent {
    /// A number.
    Const(u32),
    /// A value.
    Value(ValueId),
}
