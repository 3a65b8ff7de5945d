//! Statements: the actions of a thread, in order.

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
        /// The operation that computes it.
        op: Op,
    },
    /// Declares a variable, initialised or unset. It lives until the end of the block.
    Declare {
        /// The variable.
        var: VarId,
        /// Its initial value.
        init: Option<ValueId>,
    },
    /// Assigns to a variable.
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
        /// One `i32` or `i64` value per axis.
        index: Vec<ValueId>,
        /// The value written.
        value: ValueId,
        /// Protected: stores outside of the shape do nothing.
        guard: bool,
    },
    /// Runs one of two blocks.
    If {
        /// A `bool`.
        cond: ValueId,
        /// Runs if the condition is true.
        then: Block,
        /// Runs otherwise.
        otherwise: Block,
    },
    /// Runs the body for `index` from `start` up to `end`, in steps. The index never overflows: the loop ends if the
    /// next index would lie beyond the end, even if the type cannot represent it.
    For {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// The loop index, an integer.
        index: ValueId,
        /// First index, of the same type.
        start: ValueId,
        /// End, of the same type.
        end: ValueId,
        /// True if `end` is included.
        inclusive: bool,
        /// The step, of the same type; a step that is not positive is a fault.
        step: ValueId,
        /// How the loop is unrolled.
        unroll: Unroll,
        /// The loop body.
        body: Block,
    },
    /// Runs the body for each task that a mapping assigns to a worker, in order. A worker that is negative, or not less
    /// than the number of workers of the mapping, has no tasks.
    ForTask {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// The task mapping.
        mapping: Mapping,
        /// The worker, an `i32`.
        worker: ValueId,
        /// The coordinates of the task, `i32`, one per axis of the mapping.
        task: Vec<ValueId>,
        /// The loop body.
        body: Block,
    },
    /// Runs the body repeatedly, until a `break` or `return`.
    Loop {
        /// The loop, as a target of jumps.
        label: LoopId,
        /// The loop body.
        body: Block,
    },
    /// Leaves an enclosing loop.
    Break(LoopId),
    /// Continues with the next iteration of an enclosing loop.
    Continue(LoopId),
    /// Ends the thread.
    Return,
    /// Warp specialisation: only the threads `first .. first + threads` (linear index) run the body. Both numbers are
    /// multiples of 32. A barrier of the whole block inside of it is invalid.
    Group {
        /// First thread.
        first: u32,
        /// The number of threads.
        threads: u32,
        /// The code they run.
        body: Block,
    },
    /// Calls an intrinsic: barriers, shuffles, atomics, asynchronous copies, tensor cores.
    Call {
        /// The intrinsic.
        intrinsic: Intrinsic,
        /// Its operands, as listed in its row of the table.
        args: Vec<Arg>,
        /// Its result, if it has one.
        result: Option<ValueId>,
    },
    /// Checks that the elements starting at an index lie within a shape; a fault otherwise. Inserted by a pass, so that
    /// every device checks the same; index and shape are the author's at every stage of lowering.
    Check {
        /// The buffer that is about to be accessed.
        buffer: BufferId,
        /// The index: one `i32` or `i64` value per axis.
        index: Vec<ValueId>,
        /// The number of elements along each axis, starting at the index; at least 1.
        tile: Vec<u32>,
        /// The shape, as formulas of the dims.
        shape: Vec<IndexExpr>,
        /// In a table, the extent of axis 1 in the entry, an `i32`, if entries differ there.
        rows: Option<ValueId>,
    },
    /// Checks that the address of an element is a multiple of `bytes`; a fault otherwise. Inserted by a pass.
    Align {
        /// The buffer, not in registers, that is about to be accessed.
        buffer: BufferId,
        /// One value per axis.
        index: Vec<ValueId>,
        /// A power of two.
        bytes: u32,
    },
    /// Checks a condition; a fault with the message if it is false.
    Assert {
        /// A `bool`.
        cond: ValueId,
        /// The message of the fault.
        message: String,
    },
    /// Prints one line per thread.
    Print {
        /// Text and values in order.
        pieces: Vec<PrintPiece>,
    },
    /// Inline PTX, for instructions without an intrinsic.
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
    /// The address of an element. In registers: of the first element the intrinsic uses.
    Address {
        /// The memory.
        buffer: BufferId,
        /// One value per axis.
        index: Vec<ValueId>,
    },
    /// An immediate: a constant number.
    Imm(i64),
    /// A tensor map.
    Map(MapId),
}

/// An operand of [`Stmt::Asm`].
#[derive(Clone, Debug, PartialEq)]
pub enum AsmOperand {
    /// An input.
    In(ValueId),
    /// An output; the value is defined by the statement.
    Out(ValueId),
    /// The address of an element.
    Address {
        /// The memory.
        buffer: BufferId,
        /// One value per axis.
        index: Vec<ValueId>,
    },
}

/// A piece of the text that [`Stmt::Print`] prints.
#[derive(Clone, Debug, PartialEq)]
pub enum PrintPiece {
    /// Literal text.
    Text(String),
    /// A value.
    Value {
        /// The value.
        value: ValueId,
        /// Its format.
        format: Format,
    },
}

/// How a loop is unrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Unroll {
    /// The device's compiler decides.
    #[default]
    Auto,
    /// Not unrolled.
    Never,
    /// Completely, by the device's compiler.
    Full,
    /// By that factor, by the device's compiler.
    By(u32),
    /// Completely, by a pass of hidet: the trip count must become constant.
    Explicit,
}

/// A task mapping in the IR: atoms composed from outer to inner, whose extents may be values.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    /// The factors of the composition, outermost first. All have the same rank.
    pub atoms: Vec<MappingAtom>,
}

/// A factor of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum MappingAtom {
    /// One worker per task.
    Spatial {
        /// Extents.
        shape: Vec<MappingExtent>,
        /// Order of the axes: rank 0 varies slowest.
        ranks: Vec<u8>,
        /// Axes that are projected away: the coordinate is 0 and the task domain has extent 1 there, for the same
        /// workers.
        projected: Vec<bool>,
    },
    /// One worker does all tasks.
    Repeat {
        /// Extents.
        shape: Vec<MappingExtent>,
        /// Order of the axes: rank 0 is the outermost loop.
        ranks: Vec<u8>,
        /// One per axis.
        unroll: Vec<Unroll>,
        /// Axes that are projected away: the coordinate is 0 and the task domain has extent 1 there, for the same
        /// loops.
        projected: Vec<bool>,
    },
    /// A function from the worker (symbol 0) to its tasks.
    Custom {
        /// Number of workers.
        workers: u32,
        /// Extents of the task domain.
        shape: Vec<u32>,
        /// The tasks in order, each with one coordinate per axis.
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
