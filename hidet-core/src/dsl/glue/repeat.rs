//! Loops. The body is built once for a device loop, and once per iteration for a loop that runs while building.

use super::branch::Cond;
use crate::dsl::builder::{Caller, here, with};
use crate::dsl::expr::Expr;
use crate::dsl::loops::{DeviceRange, MappedRange};
use crate::dsl::tasks::{TaskPattern, Tasks, no_tasks};
use crate::ir::{Block, Handle, Loop, LoopId, Stmt, ValueId};
use crate::types::{Int, Scalar};
use std::marker::PhantomData;

/// A loop as the target of jumps.
pub trait LoopGuard {
    /// Returns true for a device loop.
    fn device(&self) -> bool;
    /// Emits a `break` of the loop.
    fn emit_break(&self);
    /// Emits a `continue` of the loop.
    fn emit_continue(&self);
}

/// A loop that runs while building.
#[derive(Debug)]
pub struct MetaLoop;

/// A device loop.
#[derive(Debug)]
pub struct DeviceLoop {
    label: LoopId,
    depth: usize,
    open: bool,
    at: Caller,
}

/// Returns a loop that runs while building.
pub fn meta_loop() -> MetaLoop {
    MetaLoop
}

impl LoopGuard for MetaLoop {
    fn device(&self) -> bool {
        false
    }
    fn emit_break(&self) {}
    fn emit_continue(&self) {}
}

impl LoopGuard for DeviceLoop {
    fn device(&self) -> bool {
        true
    }
    #[track_caller]
    fn emit_break(&self) {
        let at = here();
        with(|builder| builder.push(Stmt::Break(self.label), at));
    }
    #[track_caller]
    fn emit_continue(&self) {
        let at = here();
        with(|builder| builder.push(Stmt::Continue(self.label), at));
    }
}

fn new_label(name: &str) -> LoopId {
    with(|builder| builder.function.loops.push(Loop { name: name.to_owned() })).unwrap_or(LoopId::new(0))
}

/// `loop`: always a device loop.
#[track_caller]
pub fn device_loop(name: &str) -> DeviceLoop {
    DeviceLoop { label: new_label(name), depth: 0, open: false, at: here() }
}

impl DeviceLoop {
    /// Opens the body at the first call; closes it and ends the loop at the second.
    pub fn open(&mut self) -> bool {
        self.open = !self.open;
        if self.open {
            with(|builder| {
                self.depth = builder.depth();
                builder.open();
            });
        } else {
            with(|builder| {
                let body = builder.close(self.depth).block;
                builder.push(Stmt::Loop { label: self.label, body }, self.at);
            });
        }
        self.open
    }
}

/// The part of a `while` before its body.
#[derive(Debug)]
pub struct Header {
    label: LoopId,
    depth: usize,
    at: Caller,
}

impl Header {
    /// Moves the statements of a condition that is a meta value to the enclosing block.
    pub(crate) fn splice(&mut self) {
        with(|builder| {
            let header = builder.close(self.depth);
            builder.splice(header);
        });
    }

    /// Emits a `break` if the condition is false.
    #[track_caller]
    pub(crate) fn leave_unless(&mut self, cond: Expr<bool>) {
        let at = here();
        with(|builder| {
            let cond = cond.resolve(builder, at);
            let span = builder.span(at);
            let leave = builder.function.new_stmt(Stmt::Break(self.label), span);
            builder.push(Stmt::If { cond, then: Block::default(), otherwise: Block(vec![leave]) }, at);
        });
    }
}

/// `while`
#[derive(Debug)]
pub struct While<C> {
    header: Header,
    built: bool,
    of: PhantomData<fn() -> C>,
}

impl<C: Cond> While<C> {
    /// Begins a `while`.
    #[track_caller]
    pub fn new(name: &str) -> Self {
        let header = Header { label: new_label(name), depth: 0, at: here() };
        While { header, built: false, of: PhantomData }
    }

    /// Opens the header; returns `false` once the body of a device loop is built.
    pub fn open(&mut self) -> bool {
        if self.built {
            with(|builder| {
                let body = builder.close(self.header.depth).block;
                builder.push(Stmt::Loop { label: self.header.label, body }, self.header.at);
            });
            return false;
        }
        with(|builder| {
            self.header.depth = builder.depth();
            builder.open();
        });
        true
    }

    /// Returns true if the body is to be built.
    #[track_caller]
    pub fn test(&mut self, cond: C) -> bool {
        self.built = C::DEVICE;
        cond.test(&mut self.header)
    }
}

impl<C: Cond> LoopGuard for While<C> {
    fn device(&self) -> bool {
        C::DEVICE
    }
    #[track_caller]
    fn emit_break(&self) {
        if C::DEVICE {
            let at = here();
            with(|builder| builder.push(Stmt::Break(self.header.label), at));
        }
    }
    #[track_caller]
    fn emit_continue(&self) {
        if C::DEVICE {
            let at = here();
            with(|builder| builder.push(Stmt::Continue(self.header.label), at));
        }
    }
}

#[diagnostic::on_unimplemented(
    message = "a `for` of a kernel cannot run over `{Self}`",
    label = "not a range of integers, tasks of a mapping, or a host iterator"
)]
/// Anything that `for` can iterate over: ranges, `lanes(n)` and mappings on the device, any iterator while building.
pub trait ForOver {
    /// The iterator of the generated Rust `for`.
    type Iter: Iterator;
    /// The loop as a target of jumps.
    type Guard: LoopGuard;
    /// Begins the loop.
    fn begin(self, name: &str) -> (Self::Iter, Self::Guard);
}

/// Begins a `for`.
#[track_caller]
pub fn for_over<I: ForOver>(items: I, name: &str) -> (I::Iter, I::Guard) {
    items.begin(name)
}

#[diagnostic::do_not_recommend]
impl<I: IntoIterator> ForOver for I {
    type Iter = I::IntoIter;
    type Guard = MetaLoop;
    fn begin(self, _: &str) -> (I::IntoIter, MetaLoop) {
        (self.into_iter(), MetaLoop)
    }
}

/// An iterator of one item, which builds the body of a device loop once.
pub struct Once<V> {
    item: Option<V>,
    close: Option<Box<dyn FnOnce(Block) -> Stmt>>,
    depth: usize,
    at: Caller,
}

impl<V> Iterator for Once<V> {
    type Item = V;
    fn next(&mut self) -> Option<V> {
        if let Some(item) = self.item.take() {
            return Some(item);
        }
        if let Some(close) = self.close.take() {
            with(|builder| {
                let body = builder.close(self.depth).block;
                builder.push(close(body), self.at);
            });
        }
        None
    }
}

/// Opens the body of a device loop: `open` returns the item and the constructor of the statement from the body.
fn once<V>(
    name: &str,
    at: Caller,
    open: impl FnOnce(&mut crate::dsl::builder::Builder, LoopId) -> (V, Box<dyn FnOnce(Block) -> Stmt>),
) -> (Once<V>, DeviceLoop) {
    let label = new_label(name);
    let guard = DeviceLoop { label, depth: 0, open: false, at };
    let made = with(|builder| {
        let depth = builder.depth();
        builder.open();
        (open(builder, label), depth)
    });
    match made {
        Some(((item, close), depth)) => (Once { item: Some(item), close: Some(close), depth, at }, guard),
        None => (Once { item: None, close: None, depth: 0, at }, guard),
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int> ForOver for DeviceRange<T> {
    type Iter = Once<Expr<T>>;
    type Guard = DeviceLoop;
    fn begin(self, name: &str) -> (Once<Expr<T>>, DeviceLoop) {
        let DeviceRange { start, end, inclusive, step, unroll, at } = self;
        let ends = with(|builder| [start, end, step].map(|value| value.resolve(builder, at)));
        once(name, at, move |builder, label| {
            let index = builder.value(T::SCALAR);
            let item = Expr::new(builder, index);
            let [start, end, step] = ends.unwrap_or([index; 3]);
            (item, Box::new(move |body| Stmt::For { label, index, start, end, inclusive, step, unroll, body }))
        })
    }
}

#[diagnostic::do_not_recommend]
impl<T: Int, V, F: FnMut(Expr<T>) -> V> ForOver for MappedRange<T, F> {
    // The function runs when the item is taken, which is inside of the body.
    type Iter = std::iter::Map<Once<Expr<T>>, F>;
    type Guard = DeviceLoop;
    fn begin(self, name: &str) -> (Self::Iter, DeviceLoop) {
        let (once, guard) = self.range.begin(name);
        (once.map(self.f), guard)
    }
}

#[diagnostic::do_not_recommend]
impl<const R: usize> ForOver for Tasks<R>
where
    [(); R]: TaskPattern,
{
    type Iter = Once<<[(); R] as TaskPattern>::Item>;
    type Guard = DeviceLoop;
    fn begin(self, name: &str) -> (Self::Iter, DeviceLoop) {
        let Tasks { mapping, worker, at } = self;
        let mapping = mapping.unwrap_or_else(|| no_tasks(R));
        let worker = with(|builder| worker.resolve(builder, at));
        once(name, at, move |builder, label| {
            let task: Vec<ValueId> = (0..R).map(|_| builder.value(Scalar::I32)).collect();
            let values: Vec<Expr<i32>> = task.iter().map(|value| Expr::new(builder, *value)).collect();
            let worker = worker.unwrap_or(ValueId::new(0));
            let close = Box::new(move |body| Stmt::ForTask { label, mapping, worker, task, body });
            (<[(); R]>::item(&values), close)
        })
    }
}
