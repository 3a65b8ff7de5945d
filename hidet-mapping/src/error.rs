//! Errors of mappings, as values whose text carries the numbers.
//!
//! The text is built by const functions ([`Text`]), so that a check in const context fails with the same message.

use crate::text::{Coordinates, Text};
use std::fmt;

/// An error in a mapping or in the use of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MappingError {
    /// More axes than [`MAX_RANK`](crate::MAX_RANK), or none.
    Rank {
        /// The rank.
        rank: usize,
    },
    /// Two factors of different rank.
    Ranking {
        /// The rank of the outer one.
        outer: usize,
        /// The rank of the inner one.
        inner: usize,
    },
    /// More factors than [`MAX_ATOMS`](crate::MAX_ATOMS).
    TooManyAtoms {
        /// The number of factors of the composition.
        atoms: usize,
    },
    /// An extent is 0.
    ZeroExtent {
        /// The axis.
        axis: usize,
    },
    /// Workers, tasks or the task domain exceed `i32`.
    TooLarge,
    /// An axis that does not exist.
    Axis {
        /// The axis asked for.
        axis: usize,
        /// The rank of the mapping.
        rank: usize,
    },
    /// Ranks are not a permutation of `0 .. axes`.
    Ranks {
        /// The first rank that is too large or repeated.
        rank: u8,
        /// The rank of the mapping.
        axes: usize,
    },
    /// A custom function has its own order.
    RanksOfCustom,
    /// `u0`.
    UnrollZero,
    /// `u4+`.
    UnrollFactorOfExplicit,
    /// `u+` of an extent that is not constant.
    UnrollSymbolic {
        /// The axis.
        axis: usize,
    },
    /// Not an unroll attribute.
    UnrollItem,
    /// The number of attributes is neither one nor the number of axes.
    UnrollCount {
        /// The number of attributes.
        items: usize,
        /// The rank of the mapping.
        axes: usize,
    },
    /// Only a `repeat` has loops.
    UnrollOfSpatial,
    /// `auto_map`: the workers do not divide the number of tasks.
    NotDivisible {
        /// The number of workers.
        workers: u32,
        /// The number of tasks.
        tasks: u64,
    },
    /// A custom function computes more than [`MAX_NODES`](crate::MAX_NODES) values.
    TooManyNodes {
        /// The number of values.
        nodes: usize,
    },
    /// The formulas of a custom function are longer than [`MAX_OPERATIONS`](crate::MAX_OPERATIONS) allows.
    TooManyOperations {
        /// The number of operations.
        operations: u64,
    },
    /// A custom function refers to a value that is not computed before its use.
    BadNode {
        /// The position of the referring node.
        node: usize,
    },
    /// The coordinates of a custom function do not form a positive number of tasks.
    BadTasks {
        /// The number of coordinates.
        coordinates: usize,
        /// The rank of the mapping.
        axes: usize,
    },
    /// The formula of a custom function cannot be computed.
    Formula {
        /// The worker it fails for.
        worker: u32,
        /// The reason.
        why: &'static str,
    },
    /// A custom function with too many tasks to enumerate.
    TooManyToCheck {
        /// The number of tasks.
        tasks: u64,
        /// The maximum number that is enumerated.
        most: u64,
    },
    /// The mapping uses a different number of workers than declared.
    Workers {
        /// The declared number.
        declared: u32,
        /// The number used.
        found: u32,
    },
    /// The mapping covers a different task domain than declared.
    Shape {
        /// The declared extents.
        declared: Coordinates,
        /// The covered extents.
        found: Coordinates,
    },
    /// A task that no worker does.
    Uncovered {
        /// The task.
        task: Coordinates,
        /// The extents of the task domain.
        shape: Coordinates,
    },
    /// A task that is done more than once.
    Repeated {
        /// The task.
        task: Coordinates,
        /// The first worker that does it.
        first: u32,
        /// The second one; may be the same worker.
        second: u32,
    },
    /// A task outside of the task domain.
    Outside {
        /// The worker of the task.
        worker: u32,
        /// Its coordinates.
        task: Coordinates,
        /// The extents of the task domain.
        shape: Coordinates,
    },
    /// A worker that does not exist.
    NoWorker {
        /// The worker asked for.
        worker: u32,
        /// The number of workers.
        workers: u32,
    },
    /// A worker does not do exactly one task.
    NotSingle {
        /// The number of tasks of a worker.
        tasks: u32,
    },
}

impl MappingError {
    /// Returns the message: the error with its numbers, and what to do.
    pub const fn text(&self) -> Text {
        use crate::{MAX_ATOMS, MAX_CHECKED, MAX_NODES, MAX_OPERATIONS, MAX_RANK};
        let t = Text::new();
        match self {
            MappingError::Rank { rank } => {
                t.str("a mapping has 1 to ").num(MAX_RANK as i64).str(" axes, not ").num(*rank as i64)
            }
            MappingError::Ranking { outer, inner } => {
                let t = t.str("a mapping with ").num(*outer as i64).str(" axes is composed with one with ");
                t.num(*inner as i64).str(": the factors need the same number of axes")
            }
            MappingError::TooManyAtoms { atoms } => {
                let t = t.str("the mapping has ").num(*atoms as i64);
                t.str(" factors, at most ").num(MAX_ATOMS as i64).str(" are allowed")
            }
            MappingError::ZeroExtent { axis } => {
                t.str("the extent of axis ").num(*axis as i64).str(" is 0: every extent must be at least 1")
            }
            MappingError::TooLarge => t.str("workers, tasks of a worker and task domain must each fit in i32"),
            MappingError::Axis { axis, rank } => {
                let t = t.str("axis ").num(*axis as i64).str(" does not exist: the mapping has ");
                t.num(*rank as i64).str(" axes, counted from 0")
            }
            MappingError::Ranks { rank, axes } => {
                let t = t.str("ranks must be each of 0 to ").num(*axes as i64 - 1).str(" once: ");
                t.num(*rank as i64).str(" is too large or repeated")
            }
            MappingError::RanksOfCustom => t.str("a custom mapping has no ranks: its function gives the order"),
            MappingError::UnrollZero => t.str("unroll attribute `u0`: the factor must be at least 1"),
            MappingError::UnrollFactorOfExplicit => {
                t.str("unroll attribute `uN+`: explicit unrolling is complete, write `u+`")
            }
            MappingError::UnrollSymbolic { axis } => {
                let t =
                    t.str("`u+` along axis ").num(*axis as i64).str(" needs a constant extent: leave the unrolling");
                t.str(" to the compiler with `u`")
            }
            MappingError::UnrollItem => t.str("an unroll attribute is `.`, `u`, `uN` or `u+`"),
            MappingError::UnrollCount { items, axes } => {
                let t = t.num(*items as i64).str(" unroll attributes for ").num(*axes as i64);
                t.str(" axes: write one for all, or one per axis")
            }
            MappingError::UnrollOfSpatial => {
                t.str("only `repeat` has loops to unroll: put the attributes behind a `repeat`")
            }
            MappingError::NotDivisible { workers, tasks } => {
                let t = t.num(*workers as i64).str(" workers do not divide ").num(*tasks as i64);
                t.str(" tasks: choose a divisor, or `predicated_auto_map`")
            }
            MappingError::TooManyNodes { nodes } => {
                let t = t.str("the custom function computes ").num(*nodes as i64);
                t.str(" values, at most ").num(MAX_NODES as i64).str(" are allowed")
            }
            MappingError::TooManyOperations { operations } => {
                let t = t.str("the formulas of the custom function have ");
                let most = i64::MAX as u64;
                let t = t.num(if *operations < most { *operations } else { most } as i64);
                let t = t.str(" operations where each is written out, at most ").num(MAX_OPERATIONS as i64);
                t.str(" are allowed: use a value less often, or compose smaller functions")
            }
            MappingError::BadNode { node } => {
                let t = t.str("value ").num(*node as i64);
                t.str(" of the custom function uses one that is not computed before")
            }
            MappingError::BadTasks { coordinates, axes } => {
                let t = t.str("the custom function gives ").num(*coordinates as i64);
                t.str(" coordinates: a task has ").num(*axes as i64)
            }
            MappingError::Formula { worker, why } => {
                t.str("the tasks of worker ").num(*worker as i64).str(" cannot be computed: ").str(why)
            }
            MappingError::TooManyToCheck { tasks, most } => {
                let t = t.str("the custom function has ").num(*tasks as i64).str(" tasks, at most ");
                let t = t.num(*most as i64).str(" can be checked here: compose a smaller function");
                let t = t.str(" with `spatial` and `repeat`");
                if *most < MAX_CHECKED { t.str(", or write its numbers as literals") } else { t }
            }
            MappingError::Workers { declared, found } => {
                let t = t.str("declared workers = ").num(*declared as i64).str(", but the mapping uses ");
                t.num(*found as i64)
            }
            MappingError::Shape { declared, found } => t.shapes(declared, found),
            MappingError::Uncovered { task, shape } => {
                t.str("task ").list(task).str(" of ").list(shape).str(" is done by nobody")
            }
            MappingError::Repeated { task, first, second } => {
                let t = t.str("task ").list(task).str(" is done more than once, by worker ").num(*first as i64);
                let t = if *first == *second { t } else { t.str(" and by worker ").num(*second as i64) };
                t.str(": if that is meant, write `#[task_mapping(.., overlap)]`")
            }
            MappingError::Outside { worker, task, shape } => {
                let t = t.str("worker ").num(*worker as i64).str(" does task ").list(task);
                t.str(", which is outside of ").list(shape)
            }
            MappingError::NoWorker { worker, workers } => {
                let t = t.str("worker ").num(*worker as i64).str(" does not exist: the mapping has ");
                t.num(*workers as i64).str(" workers, counted from 0")
            }
            MappingError::NotSingle { tasks } => {
                t.str("each worker does ").num(*tasks as i64).str(" tasks, not one: loop over them")
            }
        }
    }
}

impl fmt::Display for MappingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text().as_str())
    }
}

impl std::error::Error for MappingError {}
