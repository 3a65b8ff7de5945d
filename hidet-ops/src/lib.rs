//! Operators on tensors for hidet: what is written operator by operator runs as few fused kernels.
//!
//! A [`Tensor`] has its type and shape at run time. Its methods are the operators; each is described by a [`Task`], which
//! says what is computed, in [expressions](expr) that are data. [Fusion](fuse) puts tasks together, an
//! [implementation](schedule::Implementation) makes a kernel of the result, and the kernel is compiled and launched when
//! elements are asked for.

mod buckets;
mod composed;
mod error;
pub mod expr;
pub mod file;
pub mod fuse;
pub mod graph;
mod independence;
mod memory;
mod ops;
mod plans;
mod program;
mod replay;
mod run;
pub mod safetensors;
mod saved;
pub mod schedule;
mod shared;
mod task;
mod templates;
mod tensor;
pub mod testing;

pub use buckets::{Buckets, Extent, Traced};
pub use error::{Error, Result, TensorType};
pub use expr::Precision;
pub use memory::ReplayMemory;
pub use ops::{
    Attention, Coordinates, Direction, Input, Operand, PadMode, Recurrent, Resize, ResizeMode, ResizeTo, Rounding,
    ScatterMode, Window,
};
pub use replay::Replay;
pub use task::{Compute, ReduceOp, Task, TaskKernel};
pub use tensor::{Boundary, FusedKernel, FusedLaunch, Fusion, Tensor, TensorLaunch};
