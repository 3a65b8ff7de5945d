//! Task mappings.

use super::{Checker, bounds};
use crate::ir::{Extent, Mapping, MappingAtom, ValueId};
use crate::types::Type;
use hidet_mapping::IndexExpr;

/// A custom mapping with more tasks of all workers than this is not enumerated.
const MAX_TASKS: usize = 1 << 16;

pub(super) fn check(c: &mut Checker<'_>, mapping: &Mapping, worker: ValueId, task: &[ValueId]) {
    let f = c.f;
    let Some(rank) = mapping.atoms.first().map(rank) else {
        return c.problem("a mapping without factors");
    };
    if let Some(other) = mapping.atoms.iter().map(self::rank).find(|other| *other != rank) {
        return c.problem(format!("a mapping of factors of ranks {rank} and {other}"));
    }
    c.require(task.len() == rank, || format!("a mapping of rank {rank} gives tasks of {} coordinates", task.len()));
    for value in task.iter().chain([&worker]) {
        let (ty, name) = (f.ty(*value), c.value(*value));
        c.require(ty == Type::I32, || format!("{name} is {ty}; the worker and the tasks of a mapping are i32"));
    }
    mapping.atoms.iter().for_each(|atom| self::atom(c, atom));
    if let (Some(workers), Some(limit)) = (workers(mapping), bounds::limit(c, worker)) {
        let (block, name) = (f.launch.threads(), c.value(worker));
        c.require(workers <= limit, || {
            let who = match limit == i64::from(block) {
                true => format!("the block has {block} threads"),
                false => format!("its worker {name} stays below {limit} (the block has {block} threads)"),
            };
            format!("the mapping has {workers} workers, but {who}: tasks of workers from {limit} on are never done")
        });
    }
}

fn rank(atom: &MappingAtom) -> usize {
    match atom {
        MappingAtom::Spatial { shape, .. } | MappingAtom::Repeat { shape, .. } => shape.len(),
        MappingAtom::Custom { shape, .. } => shape.len(),
    }
}

/// The number of workers, where it is constant.
fn workers(mapping: &Mapping) -> Option<i64> {
    mapping.atoms.iter().try_fold(1i64, |product, atom| match atom {
        MappingAtom::Spatial { shape, .. } => shape.iter().try_fold(product, |product, extent| match extent {
            Extent::Const(extent) => product.checked_mul(i64::from(*extent)),
            Extent::Value(_) => None,
        }),
        MappingAtom::Repeat { .. } => Some(product),
        MappingAtom::Custom { workers, .. } => product.checked_mul(i64::from(*workers)),
    })
}

fn atom(c: &mut Checker<'_>, atom: &MappingAtom) {
    match atom {
        MappingAtom::Spatial { shape, ranks, projected } => extents(c, shape, ranks, projected),
        MappingAtom::Repeat { shape, ranks, unroll, projected } => {
            extents(c, shape, ranks, projected);
            c.require(unroll.len() == shape.len(), || {
                format!("a repeat of {} axes says of {} how they are unrolled", shape.len(), unroll.len())
            });
        }
        MappingAtom::Custom { workers, shape, tasks } => custom(c, *workers, shape, tasks),
    }
}

fn extents(c: &mut Checker<'_>, shape: &[Extent], ranks: &[u8], projected: &[bool]) {
    c.require(projected.len() == shape.len(), || {
        format!("a factor of {} axes says of {} whether they are projected", shape.len(), projected.len())
    });
    for extent in shape {
        match extent {
            Extent::Const(extent) => c.require(*extent > 0, || "a mapping has an extent of 0".to_owned()),
            Extent::Value(value) => {
                let (ty, name) = (c.f.ty(*value), c.value(*value));
                c.require(ty == Type::I32, || format!("the extent {name} of a mapping is {ty}; it must be i32"));
            }
        }
    }
    let mut sorted = ranks.to_vec();
    sorted.sort_unstable();
    let permutation = sorted.iter().map(|rank| *rank as usize).eq(0..shape.len());
    c.require(permutation, || format!("the ranks {ranks:?} of a mapping are no order of its {} axes", shape.len()));
}

fn custom(c: &mut Checker<'_>, workers: u32, shape: &[u32], tasks: &[Vec<IndexExpr>]) {
    c.require(workers > 0, || "a custom mapping has no workers".to_owned());
    if let Some(task) = tasks.iter().find(|task| task.len() != shape.len()) {
        return c.problem(format!("a custom mapping of rank {} has a task of {} coordinates", shape.len(), task.len()));
    }
    if tasks.is_empty() || tasks.len().saturating_mul(workers as usize) > MAX_TASKS {
        return;
    }
    for worker in 0..workers {
        for task in tasks {
            for (axis, coordinate) in task.iter().enumerate() {
                let message = match coordinate.eval(&[i64::from(worker)]) {
                    Err(why) => format!("a task of worker {worker} of a custom mapping has no value: {why}"),
                    Ok(at) if at < 0 || at >= i64::from(shape[axis]) => format!(
                        "worker {worker} of a custom mapping has a task at {at} along axis {axis}, which has extent {}",
                        shape[axis]
                    ),
                    Ok(_) => continue,
                };
                return c.problem(message);
            }
        }
    }
}
