//! Random kernels with their inputs: valid, free of races, terminating, and the same for a seed on every machine.
//!
//! Each has a loop, a branch, shared memory and a barrier. A kernel is a sequence of phases: the threads fill the
//! shared tile (each element by one thread), meet at a barrier, compute from any elements in nested control flow, and
//! wait at a barrier again. At the end each thread stores its results to its own row of the outputs. Barriers and
//! exchanges between lanes are in uniform control flow; everything else may diverge.
//!
//! Faults are avoided by construction: divisors and shifts are masked, indices wrapped into their extents, variables
//! and memory set before they are read.

mod builder;
mod expr;
mod inputs;
mod kernel;
mod mapping;
mod minima;
mod numbers;
mod program;
pub(in crate::testing) mod rng;
mod stmts;
mod strides;
mod tables;
mod talk;
mod tma;

pub use numbers::numbers_program;
pub use program::{Cell, Program, Step};
pub use strides::strided_program;
pub use tables::tables_program;
pub use talk::{talking_cells, talking_program};
pub use tma::tma_program;

use crate::ir::Function;
use crate::types::Const;
use builder::KernelBuilder;
use rng::Rng;
use std::ops::Range;

/// A kernel and its arguments.
#[derive(Clone, Debug)]
pub struct RandomKernel {
    /// The kernel.
    pub function: Function,
    /// The values of the symbolic extents.
    pub dims: Vec<i64>,
    /// One argument per parameter, in order.
    pub arguments: Vec<ArgumentValue>,
}

/// The argument of a parameter.
#[derive(Clone, Debug)]
pub enum ArgumentValue {
    /// The initial content of a tensor.
    Tensor(Vec<u8>),
    /// A number.
    Scalar(Const),
    /// A table of tensors.
    Table {
        /// The initial content of the memory that its entries are in.
        memory: Vec<u8>,
        /// The bytes of each entry.
        entries: Vec<Range<usize>>,
    },
}

impl ArgumentValue {
    /// Returns the initial content of its memory, or `None` for a number.
    pub fn memory(&self) -> Option<&[u8]> {
        match self {
            ArgumentValue::Tensor(memory) | ArgumentValue::Table { memory, .. } => Some(memory),
            ArgumentValue::Scalar(_) => None,
        }
    }
}

/// Returns the kernel of a seed.
pub fn random_kernel(seed: u64) -> RandomKernel {
    kernel::kernel(KernelBuilder::new(Rng::new(seed)))
}

/// Returns a kernel with only operations whose results are the same on all devices: without functions that are accurate
/// to some ulps.
pub fn exact_kernel(seed: u64) -> RandomKernel {
    let mut builder = KernelBuilder::new(Rng::new(seed));
    builder.exact = true;
    kernel::kernel(builder)
}

#[cfg(test)]
mod tests {
    use super::{RandomKernel, exact_kernel, random_kernel};
    use crate::ir::{Stmt, text, verify};

    #[test]
    fn random_kernels_are_valid_and_have_all_required_parts() {
        for seed in 0..500 {
            let kernel = random_kernel(seed);
            if let Err(problems) = verify::verify(&kernel.function) {
                panic!("seed {seed}: {problems:?}\n{}", text::print_with_spans(&kernel.function));
            }
            let (mut loops, mut branches, mut barriers) = (0, 0, 0);
            kernel.function.each_stmt(&mut |_, stmt| match stmt {
                Stmt::For { .. } | Stmt::Loop { .. } => loops += 1,
                Stmt::If { .. } => branches += 1,
                Stmt::Call { intrinsic, .. }
                    if ["sync.threads", "bar.sync"].contains(&intrinsic.row().name.as_str()) =>
                {
                    barriers += 1;
                }
                _ => {}
            });
            assert!(loops > 0 && branches > 0 && barriers > 0, "seed {seed}");
        }
    }

    #[test]
    fn random_kernels_survive_the_text_form() {
        for seed in 0..500 {
            let function = random_kernel(seed).function;
            let printed = text::print(&function);
            let read = text::parse(&printed).unwrap();
            assert!(read.structurally_equals(&function), "seed {seed}");
            assert_eq!(text::print(&read), printed, "seed {seed}");
        }
    }

    #[test]
    fn exact_kernels_have_no_approximate_functions() {
        let inexact = |kernel: RandomKernel| {
            let printed = text::print(&kernel.function);
            ["= sin ", "= exp ", "= log2 ", "= pow ", "= rsqrt ", "= atan2 "].iter().any(|op| printed.contains(op))
        };
        assert!((0..200).any(|seed| inexact(random_kernel(seed))));
        assert!(!(0..200).any(|seed| inexact(exact_kernel(seed))));
    }

    #[test]
    fn a_seed_gives_one_kernel() {
        assert_eq!(text::print(&random_kernel(7).function), text::print(&random_kernel(7).function));
        assert_ne!(text::print(&random_kernel(7).function), text::print(&random_kernel(8).function));
    }
}
