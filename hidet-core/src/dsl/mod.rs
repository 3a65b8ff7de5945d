//! The kernel language at run time: the target of `kernel!`, also usable directly.
//!
//! A device value is an [`Expr`]: a small `Copy` handle to a value already emitted into the open statement block of
//! the function being built. A device variable is a [`Var`]. Everything else is an ordinary Rust value, a *meta
//! value*. Every operation records the Rust line it was called from.
//!
//! The functions being built form a thread-local stack, so helper functions need no builder argument. Mistakes that
//! rustc cannot detect (a value of another kernel, a value used outside of its branch) are recorded and reported by
//! [`Template::build`]; nothing here panics.
//!
//! Depends on the IR and the layers below it, not on passes or devices.

mod access;
mod address;
mod any;
mod argument;
mod buffer;
mod builder;
mod dispatch;
mod epilogue;
mod expr;
#[doc(hidden)]
pub mod foreign;
mod fuse;
mod geometry;
pub mod glue;
mod index;
mod index_sum;
mod integer;
pub mod intrinsics;
mod literal;
mod loops;
mod mapped;
mod math;
mod memory;
mod ops;
mod plain;
mod prologue;
mod reach;
mod rich;
mod signature;
mod table;
mod tasks;
mod template;
mod var;
mod vector;
mod view;

pub use address::Address;
pub use any::{AnyExpr, AnyOperand, AnyView};
pub use argument::{Argument, Arguments, Binding, Mode};
#[doc(hidden)]
pub use dispatch::not_dispatched;
pub use epilogue::Epilogue;
pub use expr::{DeviceType, Expr, IntoExpr};
pub use index::{IndexTuple, IndexValue};
pub use literal::{Lit, lit};
pub use loops::{DeviceRange, Lanes, MappedRange, lanes, unroll};
pub use mapped::{Along, MapOperands, OperandView};
pub use memory::{Extent, MemoryShape, registers, shared};
pub use prologue::Prologue;
pub use rich::computed_view;
pub use signature::Signature;
pub use table::{InOutTable, InTable, OutTable, Table};
pub use tasks::{
    OnDevice, RegisterLayout, Registers, SymbolicMapping, TaskPattern, Tasks, symbolic_repeat, symbolic_spatial,
};
pub use template::Template;
pub use var::Var;
pub use vector::{Vector, splat, vector, vector2, vector4, vector8};
pub use view::{In, InOut, Out, Read, ReadWrite, View, Write};
