//! The passes: they lower the IR that a kernel is written in to the smaller IR that devices run.
//!
//! A pass is a file with its purpose, precondition, postcondition and an example. [`pipeline`] lists them in order.
//! After the last one there is no `ForTask`, no `Group`, no guarded access and no explicitly unrolled loop, and every
//! buffer has one axis in row-major order.

pub(crate) mod bounds;
mod check_owners;
mod contract;
mod describe_matrices;
mod eliminate_dead;
mod exact;
mod flatten_index;
mod fold;
mod insert_checks;
mod lower_group;
mod lower_guard;
mod lower_task_mapping;
pub mod pipeline;
mod promote_registers;
mod register_need;
mod report;
mod simplify;
mod split_offset;
mod strided;
mod unroll_explicit;
mod unroll_registers;
mod wait_for_ahead;

pub use exact::{Exact, exact_arithmetic};
pub use pipeline::PIPELINE;
pub use register_need::registers_at_least;
pub use report::{BoundsReport, Conditions, Kept, bounds_report, specialise};
pub use strided::strided;

use crate::error::Result;
use crate::ir::Function;

/// What the passes may and must do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LoweringOptions {
    /// Offsets into global memory are `i64`, for tensors whose offsets do not fit in `i32`.
    pub wide_index: bool,
    /// Every access that is not proved to be within its buffer is checked at run time.
    pub checks: bool,
    /// FMA contraction: `a * b + c` becomes a fused multiply-add, which rounds once.
    pub contract: bool,
}

impl Default for LoweringOptions {
    fn default() -> Self {
        LoweringOptions { wide_index: false, checks: false, contract: true }
    }
}

/// A pass.
pub struct Pass {
    /// Its name, which is that of its file.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Runs it on a function.
    pub run: fn(&mut Function, &LoweringOptions) -> Result<()>,
}

/// Lowers a kernel by all passes in order.
pub fn lower(function: &Function, options: &LoweringOptions) -> Result<Function> {
    lower_with(function, options, &mut |_, _| {})
}

/// Lowers a kernel and calls `after` with the result of each pass.
pub fn lower_with(
    function: &Function,
    options: &LoweringOptions,
    after: &mut dyn FnMut(&Pass, &Function),
) -> Result<Function> {
    let mut function = function.clone();
    for pass in PIPELINE {
        (pass.run)(&mut function, options)?;
        after(pass, &function);
    }
    Ok(function)
}
