//! Random programs: kernels launched one after the other on the same arguments, and the kinds of communication they
//! use.

use super::{ArgumentValue, RandomKernel};
use crate::ir::Function;
use std::fmt;

/// Kernels launched in order on the same arguments.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Its kernels.
    pub kernels: Vec<Function>,
    /// Their launches in order.
    pub steps: Vec<Step>,
    /// The symbolic extents, the same for every kernel.
    pub dims: Vec<i64>,
    /// The arguments of the launches; tensors keep what earlier launches wrote.
    pub arguments: Vec<ArgumentValue>,
    /// The kinds of communication between threads on which the result depends.
    pub cells: Vec<Cell>,
    /// The expected content of each argument after the last launch, bit for bit, as the host computed it. `None` if it
    /// is unknown; empty if none is known.
    pub expected: Vec<Option<Vec<u8>>>,
}

/// One launch.
#[derive(Clone, Debug)]
pub struct Step {
    /// Index into [`Program::kernels`].
    pub kernel: usize,
    /// One index into [`Program::arguments`] per parameter of the kernel.
    pub arguments: Vec<usize>,
}

/// A kind of communication: what orders the accesses of two threads, in which memory, and by which access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// The synchronization point between the accesses, for example `sync.threads` or `release/acquire device`.
    pub order: &'static str,
    /// The accessed memory, for example `shared` or `global InOut`.
    pub memory: &'static str,
    /// The kind of access, for example `scalar`, `vector`, `atomic`.
    pub access: &'static str,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {}", self.order, self.memory, self.access)
    }
}

impl From<RandomKernel> for Program {
    fn from(kernel: RandomKernel) -> Program {
        let arguments = (0..kernel.arguments.len()).collect();
        Program {
            kernels: vec![kernel.function],
            steps: vec![Step { kernel: 0, arguments }],
            dims: kernel.dims,
            arguments: kernel.arguments,
            cells: Vec::new(),
            expected: Vec::new(),
        }
    }
}
