//! Task mappings in kernels: `for (i, j) in map.on(worker)` iterates over the tasks of a worker.

use super::builder::{Caller, here, with};
use super::expr::{Expr, IntoExpr};
use super::index::IndexValue;
use super::memory::MemoryShape;
use crate::ir::{self, Mapping, ValueId};
use crate::layout::Layout;
use hidet_mapping::{IndexExpr, MappingError, TaskMapping};
use std::ops::Mul;

/// The tasks of a worker, in order.
#[derive(Clone, Debug)]
pub struct Tasks<const R: usize> {
    pub(crate) mapping: Option<Mapping>,
    pub(crate) worker: Expr<i32>,
    pub(crate) at: Caller,
}

/// The device operations of a task mapping.
pub trait OnDevice<const R: usize> {
    /// Returns the tasks of a worker: `for (i, j) in map.on(thread_id())`. Workers that the mapping lacks have no
    /// tasks.
    fn on(&self, worker: impl IntoExpr<i32>) -> Tasks<R>;
}

/// Records the error of an invalid mapping.
fn checked<M>(mapping: Result<M, MappingError>, at: Caller) -> Option<M> {
    mapping.map_err(|error| with(|builder| builder.problem(error.to_string(), at))).ok()
}

impl<const R: usize> OnDevice<R> for TaskMapping<R> {
    #[track_caller]
    fn on(&self, worker: impl IntoExpr<i32>) -> Tasks<R> {
        let at = here();
        Tasks { mapping: checked(Mapping::try_from(*self), at), worker: worker.into_expr(), at }
    }
}

/// A task mapping whose extents may be device values: `symbolic_spatial([rows, cols])`.
#[derive(Clone, Debug)]
pub struct SymbolicMapping<const R: usize> {
    mapping: Option<Mapping>,
}

#[track_caller]
fn extents<E: IndexValue, const R: usize>(shape: [E; R]) -> Vec<ValueId> {
    let at = here();
    let shape = shape.map(IndexValue::coordinate);
    with(|builder| shape.iter().map(|extent| extent.resolve(builder, at)).collect()).unwrap_or_default()
}

/// One worker per task, in row-major order; extents may be device values.
#[track_caller]
pub fn symbolic_spatial<E: IndexValue, const R: usize>(shape: [E; R]) -> SymbolicMapping<R> {
    SymbolicMapping { mapping: Some(Mapping::spatial(extents(shape))) }
}

/// One worker does all tasks, in row-major order; extents may be device values.
#[track_caller]
pub fn symbolic_repeat<E: IndexValue, const R: usize>(shape: [E; R]) -> SymbolicMapping<R> {
    SymbolicMapping { mapping: Some(Mapping::repeat(extents(shape))) }
}

impl<const R: usize> From<TaskMapping<R>> for SymbolicMapping<R> {
    #[track_caller]
    fn from(mapping: TaskMapping<R>) -> Self {
        SymbolicMapping { mapping: checked(Mapping::try_from(mapping), here()) }
    }
}

impl<const R: usize, M: Into<SymbolicMapping<R>>> Mul<M> for SymbolicMapping<R> {
    type Output = SymbolicMapping<R>;
    #[track_caller]
    fn mul(self, inner: M) -> SymbolicMapping<R> {
        let at = here();
        let both = self.mapping.zip(inner.into().mapping);
        SymbolicMapping { mapping: both.and_then(|(outer, inner)| checked(outer.then(inner), at)) }
    }
}

impl<const R: usize> OnDevice<R> for SymbolicMapping<R> {
    #[track_caller]
    fn on(&self, worker: impl IntoExpr<i32>) -> Tasks<R> {
        Tasks { mapping: self.mapping.clone(), worker: worker.into_expr(), at: here() }
    }
}

/// The layout of the registers in which a worker keeps the results of its tasks.
#[derive(Clone, Debug)]
pub struct RegisterLayout<const R: usize> {
    layout: Result<Layout, String>,
}

/// The duality of mappings and layouts.
pub trait Registers<const R: usize> {
    /// Returns the layout of a register array with one element per task of a worker, indexed by the task's coordinates:
    /// `registers::<f32>(map.register_layout())`.
    fn register_layout(&self) -> RegisterLayout<R>;
}

impl<const R: usize> Registers<R> for TaskMapping<R> {
    fn register_layout(&self) -> RegisterLayout<R> {
        RegisterLayout { layout: Layout::registers(self).map_err(|error| error.to_string()) }
    }
}

impl<const R: usize> MemoryShape<R> for RegisterLayout<R> {
    fn memory(self) -> Result<(Vec<IndexExpr>, Option<Layout>), String> {
        self.layout.map(|layout| (layout.shape(), Some(layout)))
    }
}

impl<const R: usize> MemoryShape<R> for Layout {
    fn memory(self) -> Result<(Vec<IndexExpr>, Option<Layout>), String> {
        self.check().map_err(|error| error.to_string())?;
        Ok((self.shape(), Some(self)))
    }
}

/// The pattern of a `for` that binds the coordinates of a task.
pub trait TaskPattern {
    /// `Expr<i32>` for one axis, a tuple for more.
    type Item;
    /// Converts the coordinates.
    fn item(values: &[Expr<i32>]) -> Self::Item;
}

macro_rules! patterns {
    ($($rank:literal $item:ty: $($axis:literal)*;)*) => {$(
        impl TaskPattern for [(); $rank] {
            type Item = $item;
            fn item(values: &[Expr<i32>]) -> Self::Item {
                let get = |axis: usize| values.get(axis).copied().unwrap_or_else(Expr::dead);
                patterns!(@item get $($axis)*)
            }
        }
    )*};
    (@item $get:ident $axis:literal) => { $get($axis) };
    (@item $get:ident $($axis:literal)*) => { ($($get($axis),)*) };
}
patterns! {
    1 Expr<i32>: 0;
    2 (Expr<i32>, Expr<i32>): 0 1;
    3 (Expr<i32>, Expr<i32>, Expr<i32>): 0 1 2;
    4 (Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>): 0 1 2 3;
    5 (Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>): 0 1 2 3 4;
    6 (Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>, Expr<i32>): 0 1 2 3 4 5;
}

/// Returns a mapping without tasks, the replacement of an invalid one, so that the body can still be built.
pub(crate) fn no_tasks(rank: usize) -> Mapping {
    Mapping::spatial(vec![ir::MappingExtent::Const(1); rank])
}
