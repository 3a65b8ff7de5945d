//! Task mappings.

use super::{Checker, bounds};
use crate::ir::{Mapping, ValueId};
use crate::types::Type;

pub(super) fn check(c: &mut Checker<'_>, mapping: &Mapping, worker: ValueId, task: &[ValueId]) {
    if let Err(why) = mapping.check() {
        return c.problem(why.to_string());
    }
    let (f, rank) = (c.f, mapping.rank());
    c.require(task.len() == rank, || format!("a mapping of rank {rank} gives tasks of {} coordinates", task.len()));
    for value in task.iter().chain([&worker]) {
        let (ty, name) = (f.ty(*value), c.value(*value));
        c.require(ty == Type::I32, || format!("{name} is {ty}; the worker and the tasks of a mapping are i32"));
    }
    for value in mapping.extents() {
        let (ty, name) = (f.ty(value), c.value(value));
        c.require(ty == Type::I32, || format!("the extent {name} of a mapping is {ty}; it must be i32"));
    }
    if let (Some(workers), Some(limit)) = (mapping.const_workers(), bounds::limit(c, worker)) {
        let (block, name) = (f.launch.threads(), c.value(worker));
        c.require(i128::from(workers) <= limit, || {
            let who = match limit == i128::from(block) {
                true => format!("the block has {block} threads"),
                false => format!("its worker {name} is less than {limit} (the block has {block} threads)"),
            };
            format!("the mapping has {workers} workers, but {who}: tasks of workers from {limit} on are never done")
        });
    }
}
