//! The verifier: defines which functions are valid.
//!
//! This list is the specification. For every item there is a test in `tests/filetests/verify` that violates it, or, if
//! the text form cannot express such a function, in this module.
//!
//! Structure
//! - Every handle names an item of its arena.
//! - A statement stands in one place; blocks are nested at most [`MAX_DEPTH`] deep.
//!
//! Signature
//! - The name of the kernel is an identifier.
//! - A tensor parameter is a global buffer without an alias; every global buffer is exactly one parameter, or the rows of
//!   one table.
//! - A scalar parameter is a scalar, not a vector, and only the signature defines its value.
//! - Formulas of the grid, of constraints, shapes and layouts use the symbolic extents of the signature only and do not
//!   divide by a constant 0.
//!
//! Launch
//! - A block has 1 to 1024 threads; at most 1024 along x and y, 64 along z.
//! - Constant grid extents lie within 2^31 - 1 along x and 65535 along y and z.
//! - A cluster has 1 to 16 blocks and divides a constant grid; `min_blocks` is at most 32 blocks per multiprocessor.
//! - `grid.sync` is used in cooperative launches only, the read-only data cache not in dependent ones.
//!
//! Memory
//! - The layout of a buffer is well formed and has the shape of the buffer.
//! - The extents and the layout of registers are constant; constant extents of shared memory and registers are positive.
//! - Alignment is a power of two, at least the size of an element, at most 1024 bytes.
//! - An alias is a second view of shared memory: both buffers are shared, it is not larger than the buffer it views,
//!   and aliases are not cyclic.
//! - A table is a global parameter whose first axis has stride 0 and whose other axes are contiguous; it has no tensor map,
//!   and of its entries only loads, stores, `cp.async` and atomics are possible. Its rows, if it has some, are a global
//!   buffer of `i32` that is only read; then no access is protected.
//! - Shared memory of known size is at most 227 KiB in total, the registers of a thread 512 KiB.
//! - A tensor map describes a parameter of rank 1 to 5, has one extent from 1 to 256 per axis and fits in shared
//!   memory; a row of its tile is a multiple of 16 bytes, and as wide as its swizzle, if it has one.
//!
//! Values and variables
//! - A value is a scalar or a vector of 2, 4, 8 or 16 elements, and so is a variable.
//! - A value is defined once, and used where its definition is visible: after it, in its block and the blocks nested
//!   there.
//! - A variable is declared once, used within the block of its declaration after it, and assigned on every path before
//!   it is read.
//!
//! Types of operations
//! - A constant has the type of its value and no bits beyond its size.
//! - `dim` (a symbolic extent) and the thread, block and lane indices are `i32`.
//! - Reading a variable gives its type.
//! - Unary, binary, fused and compare operations have operands of one type for which the operation is defined; the
//!   result is of that type, `bool` for comparisons and `is_nan`, `is_inf`, `is_finite`, which take scalars.
//! - `select` has a `bool` and two operands of the type of the result.
//! - `cast` keeps the number of elements; `bitcast` the size, and neither type is `bool`.
//! - `vector` has one scalar per element of the result, at least 2; `extract` takes an element that the vector has.
//!
//! Types of statements
//! - A variable is declared and assigned with values of its type.
//! - Conditions of `if` and `assert` are `bool`.
//! - Index, bounds and step of a `for` are of one type, `i32` or `i64`; a constant step is positive.
//! - `print` uses a format that the type of the value supports: floats have no hexadecimal form.
//!
//! Accesses
//! - An index has one `i32` or `i64` scalar per axis of the buffer.
//! - What is loaded and stored is an element of the buffer, or a vector of elements.
//! - The width of a vector divides the last extent if it is constant; the layout keeps its elements contiguous
//!   and aligned, and the buffer is aligned to the vector (16 bytes are enough).
//! - A check has one index and one extent of its tile per axis of its shape; the extents are positive. An alignment
//!   check is of memory other than registers, and for a power of two.
//! - An `in` parameter is not written.
//!
//! Control
//! - A label belongs to one loop; `break` and `continue` name an enclosing loop.
//! - A group of threads begins at a multiple of 32, has a positive multiple of 32 threads, and lies within the block
//!   and the enclosing group.
//! - No barrier of the block or the cluster is inside of a group. Operations of warp groups are in a group whose first
//!   thread and number of threads are multiples of 128, or outside of groups in a block of at least 128 threads.
//!
//! Mappings
//! - A mapping has factors, all of one rank, with one order and one unrolling per axis, and constant extents are
//!   positive; the order is a permutation; `projected` of a factor (the axes along which its coordinate is always 0)
//!   has one entry per axis. An unroll factor is at least 1; explicit unrolling, by hidet (`u+`), needs a constant
//!   extent. The number of workers and the task domain fit in `i32`, as far as extents are constant.
//! - Extents that are values, the worker and the task coordinates are `i32`, with one coordinate per axis.
//! - A custom mapping has workers, uses `worker` only, and its tasks lie in its shape for every worker
//!   (the first 65536 tasks are checked).
//! - A mapping of constant extents has no more workers than the worker index can reach.
//!
//! Calls
//! - The operands of an intrinsic match its row: their number, kinds, types, memory and range; so does the result.
//! - Addresses are aligned as the intrinsic requires: the buffer guarantees it. Registers hold as many elements as it
//!   uses; in other memory the layout keeps elements contiguous that it moves together.
//! - Memory read through the read-only data cache (`load.nc`) is an `in` parameter.
//! - A copy through a tensor map has as many coordinates as the map has axes, and shared memory of its element type; it
//!   does not store to an `in` parameter.
//! - A named barrier counts a multiple of 32 threads of the block; if constant, its number is 0 to 15.
//! - The template of `asm` uses only operands that exist; its values are scalars.

mod access;
mod bounds;
mod calls;
mod control;
mod layouts;
mod mapping;
mod memory;
mod ops;
mod scope;
mod signature;
mod statements;
mod structure;

use super::{Block, BufferId, Function, Op, Span, Stmt, StmtId, ValueId, VarId};
use crate::{Error, Result};

/// The maximum nesting depth of blocks.
pub const MAX_DEPTH: u32 = 200;

/// A problem that makes a function invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The message: what is wrong and what to do.
    pub message: String,
    /// The statement; unknown for problems of the signature.
    pub span: Span,
}

/// Checks a function against the whole list. The error contains all problems, in order of the text.
pub fn verify(function: &Function) -> Result<(), Vec<Problem>> {
    let mut checker = Checker::new(function);
    structure::check(&mut checker);
    // The other rules follow handles and blocks, so they run only if those are sound.
    if checker.problems.is_empty() {
        checker.definitions();
        signature::check(&mut checker);
        memory::check(&mut checker);
        scope::check(&mut checker);
        checker.block(&function.body);
    }
    if checker.problems.is_empty() {
        return Ok(());
    }
    checker.problems.sort_by_key(|problem| (problem.span.file, problem.span.line));
    checker.problems.dedup();
    Err(checker.problems)
}

/// Same as [`verify`], but returns the first problem as an error that names the kernel and the place.
pub fn check(function: &Function) -> Result<()> {
    verify(function).map_err(|problems| {
        let (message, span) = problems.into_iter().next().map(|p| (p.message, p.span)).unwrap_or_default();
        Error::Kernel { kernel: function.name.clone(), message, place: function.place_of(span) }
    })
}

/// The function being verified, and the problems found.
struct Checker<'a> {
    f: &'a Function,
    problems: Vec<Problem>,
    /// The span of the statement being checked.
    span: Span,
    /// The operation that defines each value, if any.
    ops: Vec<Option<&'a Op>>,
    /// The thread group being checked: first thread and number of threads.
    group: Option<(u32, u32)>,
}

impl<'a> Checker<'a> {
    fn new(f: &'a Function) -> Self {
        Checker { f, problems: Vec::new(), span: Span::default(), ops: Vec::new(), group: None }
    }

    fn problem(&mut self, message: impl Into<String>) {
        self.problems.push(Problem { message: message.into(), span: self.span });
    }

    /// Reports the message unless the condition holds.
    fn require(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.problem(message());
        }
    }

    fn definitions(&mut self) {
        let mut ops = vec![None; self.f.values.len()];
        self.f.each_stmt(&mut |id, _| {
            if let Stmt::Let { value, op } = &self.f.stmts[id] {
                ops[super::Handle::index(*value)] = Some(op);
            }
        });
        self.ops = ops;
    }

    /// Returns the operation that defines a value.
    fn op_of(&self, value: ValueId) -> Option<&'a Op> {
        self.ops.get(super::Handle::index(value)).copied().flatten()
    }

    /// Returns the number if the value is a constant integer.
    fn constant(&self, value: ValueId) -> Option<i64> {
        match self.op_of(value)? {
            Op::Const(constant) if constant.scalar.is_int() => {
                let unused = 64 - 8 * constant.scalar.bytes() as u32;
                Some(match constant.scalar.is_signed_int() {
                    true => (constant.bits << unused) as i64 >> unused,
                    false => i64::try_from(constant.bits).ok()?,
                })
            }
            _ => None,
        }
    }

    /// Returns `%name`, for messages.
    fn value(&self, value: ValueId) -> String {
        match self.f.values.get(value) {
            Some(known) if !known.name.is_empty() => format!("%{}", known.name),
            _ => value.to_string(),
        }
    }

    fn var(&self, var: VarId) -> String {
        match self.f.vars.get(var) {
            Some(known) if !known.name.is_empty() => format!("${}", known.name),
            _ => var.to_string(),
        }
    }

    fn buffer(&self, buffer: BufferId) -> String {
        match self.f.buffers.get(buffer) {
            Some(known) if !known.name.is_empty() => format!("@{}", known.name),
            _ => buffer.to_string(),
        }
    }

    fn block(&mut self, block: &'a Block) {
        block.0.iter().for_each(|id| self.stmt(*id));
    }

    /// Checks the rules about one statement and its enclosing group.
    fn stmt(&mut self, id: StmtId) {
        let stmt = &self.f.stmts[id];
        self.span = self.f.spans[id];
        if let Stmt::Let { value, op } = stmt {
            ops::check(self, *value, op);
        }
        statements::check(self, stmt);
        access::check(self, stmt);
        control::check(self, stmt);
        calls::check(self, stmt);
        if let Stmt::ForTask { mapping, worker, task, .. } = stmt {
            mapping::check(self, mapping, *worker, task);
        }
        let around = self.group;
        if let Stmt::Group { first, threads, .. } = stmt {
            self.group = Some((*first, *threads));
        }
        stmt.blocks().for_each(|block| self.block(block));
        self.group = around;
    }
}

#[cfg(test)]
mod tests;
