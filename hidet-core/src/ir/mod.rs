//! The IR: the meaning of a kernel, independent of the language it was written in and of the device that runs it.
//!
//! # Shape
//!
//! A [`Function`] is one kernel. Everything in it lives in typed arenas and is named by a handle: [`ValueId`],
//! [`VarId`], [`BufferId`], [`StmtId`], [`LoopId`], [`DimId`], [`MapId`]. The body is a tree of [`Block`]s, each a list
//! of statements. Source positions are kept beside the statements, never in them, so two functions that differ only
//! in positions are the same function.
//!
//! # Evaluation
//!
//! Every thread of every block runs the body in order. A *value* is defined once, by [`Stmt::Let`], by a loop (its
//! index), by [`Stmt::Call`] (its result) or by the signature (a scalar parameter). It is visible in the statements
//! after its definition in the same block and in the blocks nested in those. An operation has no effect but its value.
//! Mutable state is a *variable* (one scalar or vector per thread, written by [`Stmt::Declare`] and [`Stmt::Assign`],
//! read by [`Op::Read`]) or a *buffer* (memory: global, shared by the block, or the registers of one thread), written
//! by [`Stmt::Store`] and by calls, read by [`Op::Load`] and by calls. A `Let` with a `Read` or `Load` is evaluated
//! where it stands: it may not be moved across a statement that may write what it reads.
//!
//! Integers wrap, whatever they are used for; a division by zero and a shift by at least the width are faults. Faults,
//! and who detects them:
//!
//! | fault | simulated device | GPU | GPU with `CompileOptions::checks` |
//! |---|---|---|---|
//! | failed `assert!` | reported | reported | reported |
//! | access out of bounds | reported | undefined | reported |
//! | integer division by zero, shift by at least the width | reported | unspecified result | unspecified result |
//! | race, uninitialised read, misused barrier and the others | reported | undefined | undefined |
//!
//! Every floating-point operation rounds once, to nearest even; nothing is contracted, reassociated or flushed unless
//! the IR says so ([`Op::Fma`]).
//!
//! # Memory model
//!
//! Threads communicate through global and shared memory. The model is that of PTX (PTX ISA, "Memory Consistency Model"),
//! with fewer forms:
//!
//! - The accesses of one thread happen in program order, as far as that thread can observe.
//! - A *synchronization point* is an operation that *synchronizes with* another, in the words of PTX and C++
//!   ([`Meaning::orders_memory`](crate::intrinsics::Meaning)): a barrier of the warp, the block, a group of warps, the
//!   cluster or the grid; the end of an mbarrier's phase; a release and the acquire that reads from it; a fence, which
//!   turns later relaxed atomic stores into releases, and earlier relaxed atomic loads into acquires; `grid.wait` and
//!   the end of the kernels ahead; the waits of asynchronous copies and of wgmma. What precedes the point in one
//!   thread then *happens before* what follows it in the other, and so on transitively. Shuffles, votes and relaxed
//!   atomics order nothing.
//! - A read returns the last write among those that happen before it. Two accesses of different threads to one
//!   location, at least one of them a write, of which neither happens before the other, are a *race*. A function with a
//!   race has undefined results; atomic accesses do not race with each other.
//! - No thread writes an input while the kernel runs. In a dependent launch this holds only after `grid.wait`, which a
//!   pass puts if there is none: before it, the kernels ahead may still write the input.
//!
//! hidet's passes never move or merge loads and stores. NVRTC may do so between two synchronization points: merge and
//! move a thread's loads, keep them in registers, and delay its stores. It may not move a load or store across a
//! synchronization point, nor merge accesses on its two sides. The exception is memory for which no other thread can
//! observe that: an input, registers, or memory that is accessed on one side of all synchronization points only. What
//! code generation declares to NVRTC about parameters is stated in `codegen/restrict.rs`.
//!
//! # Memory
//!
//! A [`Buffer`] is indexed with one `i32` or `i64` value per axis; its [`Layout`](crate::layout::Layout) maps the
//! coordinates to an element offset. A load or store of a vector type covers as many consecutive elements as the
//! vector has, along the last axis, which the layout keeps contiguous and aligned to the vector. `guard` makes an
//! access protected: outside of the shape a load gives zero and a store does nothing.
//!
//! A buffer with [`Entries`] is a table of tensors, each with an address of its own. Its first axis selects the entry, and
//! an access must be within that entry. Two threads may access one entry through different values; what holds for two
//! accesses of one tensor holds for two of one entry.
//!
//! # What is valid
//!
//! See [`verify`], whose list is the specification.

mod arena;
mod compact;
mod constraint;
mod dependent;
pub mod descriptor;
pub mod emit;
pub mod eval;
pub mod fault;
mod format;
mod function;
mod handles;
pub(crate) mod hash;
mod im2col;
mod mapping;
mod multiprocessor;
mod name;
mod nest;
mod op;
mod places;
mod shared_memory;
mod stmt;
mod tensor_map;
pub mod text;
pub mod typing;
pub mod verify;
pub mod walk;

pub use arena::{Arena, Handle, SecondaryMap};
pub use constraint::{Constraint, Relation};
pub use format::Format;
pub use function::{
    Access, Arch, Buffer, BufferId, Dim, DimId, Entries, Function, LARGEST_EXTENT, Launch, Loop, LoopId, MapId, Param,
    Scope, Span, Swizzle, Value, ValueId, Var, VarId,
};
pub use handles::{Mention, MentionMut};
pub use im2col::Im2col;
pub use multiprocessor::Multiprocessor;
pub use nest::{Nest, NestLoop, NestStep, Partial};
pub use op::{BinaryOp, CompareOp, Op, Special, UnaryOp};
pub use places::Places;
pub use shared_memory::{SharedArea, SharedMemory, aligned};
pub use stmt::{Arg, AsmOperand, Block, Mapping, MappingAtom, MappingExtent, PrintPiece, Stmt, StmtId, Unroll};
pub use tensor_map::{MAX_STEP, MapAxis, TensorMap, TensorMapShape};
