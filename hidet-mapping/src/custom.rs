//! Custom mappings: any integer function from the worker to its tasks.
//!
//! The function is a list of nodes, each computed from earlier ones, so that const context, the host and the device
//! evaluate the same description.

use crate::error::MappingError;
use crate::index::{IndexExpr, IndexOp};
use crate::mapping::{Atom, AtomKind, TaskMapping};
use crate::text::Coordinates;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::{LazyLock, Mutex, PoisonError};

/// The number of a worker, in the signature of a custom `#[task_mapping]` function.
pub type Worker = u32;

/// A coordinate of a task, in the signature of a custom `#[task_mapping]` function.
pub type Index = u32;

/// The maximum number of values a custom function may compute.
pub const MAX_NODES: usize = 128;

/// The maximum number of operations in the coordinates of all tasks of a worker, each written out: shared values are
/// computed once here, but again in every formula.
pub const MAX_OPERATIONS: u64 = 1 << 14;

/// A value that a custom function computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// A number.
    Const(i64),
    /// The worker.
    Worker,
    /// An operation on two earlier values, given by position.
    Binary(IndexOp, u16, u16),
}

/// A function from the worker to its tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CustomFunction {
    /// Number of workers.
    pub workers: u32,
    /// The values computed, in order.
    pub nodes: &'static [Node],
    /// The positions of the coordinates of the first task, then of the second, and so on.
    pub tasks: &'static [u16],
}

impl CustomFunction {
    /// Returns the number of tasks per worker in a domain of that rank.
    pub const fn tasks_per_worker(&self, rank: usize) -> u32 {
        match self.tasks.len().checked_div(rank) {
            Some(tasks) => tasks as u32,
            None => 0,
        }
    }

    /// Returns all values for one worker.
    pub(crate) const fn values(&self, worker: u32) -> Result<[i64; MAX_NODES], MappingError> {
        let mut values = [0i64; MAX_NODES];
        let mut i = 0;
        while i < self.nodes.len() {
            values[i] = match self.nodes[i] {
                Node::Const(value) => value,
                Node::Worker => worker as i64,
                Node::Binary(op, a, b) => match apply(op, values[a as usize], values[b as usize]) {
                    Ok(value) => value,
                    Err(why) => return Err(MappingError::Formula { worker, why }),
                },
            };
            i += 1;
        }
        Ok(values)
    }

    /// Returns the task with number `k` of a worker, from its values, or an error if it lies outside of `shape`.
    pub(crate) const fn task<const R: usize>(
        &self,
        values: &[i64; MAX_NODES],
        worker: u32,
        k: u32,
        shape: &[u32; R],
    ) -> Result<[u32; R], MappingError> {
        let mut wide = [0; R];
        let mut task = [0; R];
        let (mut axis, mut inside) = (0, true);
        while axis < R {
            let value = values[self.tasks[k as usize * R + axis] as usize];
            wide[axis] = value;
            task[axis] = value as u32;
            inside = inside && value >= 0 && value < shape[axis] as i64;
            axis += 1;
        }
        if inside {
            return Ok(task);
        }
        Err(MappingError::Outside { worker, task: Coordinates::new(wide), shape: Coordinates::of(*shape) })
    }

    /// Returns the formula of each coordinate, where symbol 0 is the worker; projected axes are 0.
    pub fn formulas(&self, projected: &[bool]) -> Vec<Vec<IndexExpr>> {
        let mut values: Vec<IndexExpr> = Vec::with_capacity(self.nodes.len());
        for node in self.nodes {
            let value = match node {
                Node::Const(value) => IndexExpr::Const(*value),
                Node::Worker => IndexExpr::Symbol(0),
                Node::Binary(op, a, b) => {
                    IndexExpr::binary(*op, values[*a as usize].clone(), values[*b as usize].clone())
                }
            };
            values.push(value);
        }
        let coordinate = |(axis, position): (usize, &u16)| {
            if projected[axis] { IndexExpr::Const(0) } else { values[*position as usize].clone() }
        };
        self.tasks.chunks_exact(projected.len()).map(|task| task.iter().enumerate().map(coordinate).collect()).collect()
    }
}

const fn apply(op: IndexOp, a: i64, b: i64) -> Result<i64, &'static str> {
    let value = match op {
        IndexOp::Add => a.checked_add(b),
        IndexOp::Sub => a.checked_sub(b),
        IndexOp::Mul => a.checked_mul(b),
        IndexOp::Div if b <= 0 => return Err("division by a number that is not positive"),
        IndexOp::Rem if b <= 0 => return Err("remainder by a number that is not positive"),
        // Host and device agree on the rounding of quotients only for non-negative numbers.
        IndexOp::Div | IndexOp::Rem if a < 0 => return Err("division of a negative number"),
        IndexOp::Div => Some(a / b),
        IndexOp::Rem => Some(a % b),
        IndexOp::Xor => Some(a ^ b),
        IndexOp::And => Some(a & b),
        IndexOp::Min => Some(if a < b { a } else { b }),
        IndexOp::Max => Some(if a > b { a } else { b }),
    };
    match value {
        // Indices on the device are `i32`.
        Some(value) if value >= i32::MIN as i64 && value <= i32::MAX as i64 => Ok(value),
        _ => Err("overflow of i32"),
    }
}

/// Returns the mapping of a custom function given by nodes, in const context: `tasks` lists the positions of the
/// coordinates of all tasks of a worker. The macro `#[task_mapping]` generates such calls; by hand, use [`custom`].
pub const fn custom_static<const R: usize>(
    workers: u32,
    shape: [u32; R],
    nodes: &'static [Node],
    tasks: &'static [u16],
) -> TaskMapping<R> {
    if nodes.len() > MAX_NODES {
        return TaskMapping::faulty(MappingError::TooManyNodes { nodes: nodes.len() });
    }
    if workers == 0 {
        return TaskMapping::faulty(MappingError::NoWorker { worker: 0, workers });
    }
    let mut i = 0;
    while i < nodes.len() {
        if let Node::Binary(_, a, b) = nodes[i]
            && (a as usize >= i || b as usize >= i)
        {
            return TaskMapping::faulty(MappingError::BadNode { node: i });
        }
        i += 1;
    }
    if tasks.is_empty() || R == 0 || !tasks.len().is_multiple_of(R) {
        return TaskMapping::faulty(MappingError::BadTasks { coordinates: tasks.len(), axes: R });
    }
    let mut i = 0;
    while i < tasks.len() {
        if tasks[i] as usize >= nodes.len() {
            return TaskMapping::faulty(MappingError::BadNode { node: tasks[i] as usize });
        }
        i += 1;
    }
    let operations = written_out(nodes, tasks);
    if operations > MAX_OPERATIONS {
        return TaskMapping::faulty(MappingError::TooManyOperations { operations });
    }
    let kind = AtomKind::Custom(CustomFunction { workers, nodes, tasks });
    TaskMapping::from_atom(Atom { kind, shape, projected: [false; R] })
}

/// Returns the number of operations in all coordinates, each written out as a formula of its own.
const fn written_out(nodes: &[Node], tasks: &[u16]) -> u64 {
    let mut operations = [0u64; MAX_NODES];
    let mut i = 0;
    while i < nodes.len() {
        if let Node::Binary(_, a, b) = nodes[i] {
            operations[i] = operations[a as usize].saturating_add(operations[b as usize]).saturating_add(1);
        }
        i += 1;
    }
    let (mut total, mut i) = (0u64, 0);
    while i < tasks.len() {
        total = total.saturating_add(operations[tasks[i] as usize]);
        i += 1;
    }
    total
}

/// Returns the mapping of a custom function: each worker (symbol 0) does the `tasks` in order, each with one formula
/// per axis. Every task must lie inside of `shape`.
///
/// The description is leaked and interned, so equal descriptions take memory once.
pub fn custom<const R: usize>(workers: u32, shape: [u32; R], tasks: &[[IndexExpr; R]]) -> TaskMapping<R> {
    let mut builder = NodeBuilder::default();
    let mut positions = Vec::new();
    for coordinate in tasks.iter().flatten() {
        match builder.add(coordinate) {
            Ok(position) => positions.push(position),
            Err(error) => return TaskMapping::faulty(error),
        }
    }
    static NODES: LazyLock<Mutex<HashSet<&'static [Node]>>> = LazyLock::new(Mutex::default);
    static TASKS: LazyLock<Mutex<HashSet<&'static [u16]>>> = LazyLock::new(Mutex::default);
    let mapping = custom_static(workers, shape, intern(&NODES, builder.nodes), intern(&TASKS, positions));
    match mapping.check_cover(true) {
        Err(error @ (MappingError::Outside { .. } | MappingError::Formula { .. })) => TaskMapping::faulty(error),
        _ => mapping,
    }
}

/// Returns the interned slice that equals `items`. `TaskMapping` is `Copy`, so what it refers to must be `'static`.
fn intern<T: Eq + Hash>(kept: &Mutex<HashSet<&'static [T]>>, items: Vec<T>) -> &'static [T] {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = kept.get(items.as_slice()) {
        return found;
    }
    let items: &'static [T] = Box::leak(items.into_boxed_slice());
    kept.insert(items);
    items
}

#[derive(Default)]
struct NodeBuilder {
    nodes: Vec<Node>,
    known: HashMap<Node, u16>,
}

impl NodeBuilder {
    fn add(&mut self, formula: &IndexExpr) -> Result<u16, MappingError> {
        let node = match formula {
            IndexExpr::Const(value) => Node::Const(*value),
            IndexExpr::Symbol(0) => Node::Worker,
            IndexExpr::Symbol(_) => {
                return Err(MappingError::Formula { worker: 0, why: "the only symbol is the worker, symbol 0" });
            }
            IndexExpr::Binary(op, a, b) => Node::Binary(*op, self.add(a)?, self.add(b)?),
        };
        if let Some(&position) = self.known.get(&node) {
            return Ok(position);
        }
        if self.nodes.len() >= MAX_NODES {
            return Err(MappingError::TooManyNodes { nodes: self.nodes.len() + 1 });
        }
        let position = self.nodes.len() as u16;
        self.nodes.push(node);
        self.known.insert(node, position);
        Ok(position)
    }
}
