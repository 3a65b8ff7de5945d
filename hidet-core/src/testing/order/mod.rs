//! Checks that PTX keeps the memory order of a kernel: between two synchronization points (barriers, fences), PTX
//! accesses each memory in the same ways as the lowered kernel.
//!
//! Within such a segment a compiler may merge, widen and reorder accesses. A load or a store that is missing from its
//! segment was merged with one of another segment, or dropped, as if no other thread accessed the memory meanwhile.
//! Memory that is only read may be read at any time. Only straight-line kernels are checked.

mod ptx;

use crate::codegen::{KernelParam, Source};
use crate::ir::{Access, Arg, Block, BufferId, Function, Op, Param, Scope, Stmt, StmtId};
use std::collections::BTreeSet;

/// The memories that are distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessedMemory {
    /// The tensor of a parameter of the CUDA kernel.
    Parameter(usize),
    /// Shared memory.
    Shared,
}

/// The kind of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessKind {
    /// It is read.
    Load,
    /// It is written.
    Store,
    /// It is changed by an atomic operation.
    Atomic,
}

/// An event whose order matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrderEvent {
    /// An access.
    Access(AccessKind, AccessedMemory),
    /// A synchronization point, given by the prefixes of its PTX opcodes, in order.
    Order(Vec<&'static str>),
}

/// Intrinsics that are synchronization points, with the PTX that they become.
const ORDERS: &[(&str, &[&str])] = &[
    ("sync.threads", &["bar.sync"]),
    ("bar.sync", &["bar.sync"]),
    ("sync.warp", &["bar.warp.sync"]),
    ("cluster.sync", &["barrier.cluster.arrive", "barrier.cluster.wait"]),
    ("cluster.arrive", &["barrier.cluster.arrive"]),
    ("cluster.wait", &["barrier.cluster.wait"]),
    ("grid.sync", &["bar.sync", "bar.sync"]),
    ("fence.device", &["membar"]),
    ("mbarrier.arrive", &["mbarrier.arrive"]),
    ("mbarrier.wait", &["mbarrier.try_wait"]),
];

/// Returns the events of a lowered kernel in order, or `None` if it is not straight-line code or has an unknown
/// intrinsic.
pub fn events(function: &Function, source: &Source) -> Option<Vec<OrderEvent>> {
    let place = |buffer: BufferId| match function.buffers[buffer].scope {
        Scope::Register => None,
        Scope::Shared => Some(AccessedMemory::Shared),
        Scope::Global => {
            let is_it = |parameter: &KernelParam| *parameter == KernelParam::Tensor(buffer);
            source
                .parameters
                .iter()
                .position(is_it)
                .filter(|_| is_written(function, buffer))
                .map(AccessedMemory::Parameter)
        }
    };
    let mut events = Vec::new();
    for id in &function.body.0 {
        let (kind, buffer) = match &function.stmts[*id] {
            Stmt::Let { op: Op::Load { buffer, .. }, .. } => (AccessKind::Load, *buffer),
            Stmt::Store { buffer, .. } => (AccessKind::Store, *buffer),
            Stmt::Let { .. } | Stmt::Declare { .. } | Stmt::Assign { .. } => continue,
            Stmt::Call { intrinsic, args, .. } => {
                let name = intrinsic.row().name.as_str();
                if let Some((_, opcodes)) = ORDERS.iter().find(|(order, _)| *order == name) {
                    events.push(OrderEvent::Order(opcodes.to_vec()));
                    continue;
                }
                match args.first() {
                    Some(Arg::Address { buffer, .. }) if name.starts_with("atomic.") => (AccessKind::Atomic, *buffer),
                    _ => return None,
                }
            }
            Stmt::If { .. } if accesses_nothing(function, *id) => continue,
            _ => return None,
        };
        events.extend(place(buffer).map(|place| OrderEvent::Access(kind, place)));
    }
    Some(events)
}

/// Returns true if a statement and those inside of it access none of these memories, as when one thread initialises a
/// barrier.
fn accesses_nothing(function: &Function, of: StmtId) -> bool {
    let mut nothing = true;
    function.each_stmt_in(&Block(vec![of]), &mut |_, stmt| {
        nothing &= match stmt {
            Stmt::Let { op, .. } => !matches!(op, Op::Load { .. }),
            Stmt::Call { intrinsic, .. } => intrinsic.row().name == "mbarrier.init",
            Stmt::If { .. } => true,
            _ => false,
        }
    });
    nothing
}

fn is_written(function: &Function, of: BufferId) -> bool {
    function
        .params
        .iter()
        .any(|param| matches!(param, Param::Tensor { buffer, access } if *buffer == of && *access != Access::In))
}

/// Checks that PTX keeps the events of a kernel, segment by segment, or returns the first difference.
pub fn is_kept(events: &[OrderEvent], ptx: &str) -> Result<(), String> {
    let found = ptx::events(ptx);
    let known: BTreeSet<AccessedMemory> = events.iter().filter_map(place).collect();
    let mut rest = found.as_slice();
    for (number, segment) in segments(events).into_iter().enumerate() {
        let (before, after) = match segment.order {
            None => (rest, &rest[rest.len()..]),
            Some(opcodes) => {
                cut(rest, opcodes).ok_or_else(|| format!("{opcodes:?} after segment {number} is missing"))?
            }
        };
        rest = after;
        let accesses = |events: &[OrderEvent]| -> BTreeSet<(AccessKind, AccessedMemory)> {
            let access = |event: &OrderEvent| match event {
                OrderEvent::Access(kind, place) if known.contains(place) => Some((*kind, *place)),
                _ => None,
            };
            events.iter().filter_map(access).collect()
        };
        let (wanted, there) = (accesses(segment.accesses), accesses(before));
        if let Some((kind, place)) = wanted.difference(&there).next() {
            return Err(format!("segment {number} has lost its {kind:?} of {place:?}"));
        }
        if let Some((kind, place)) = there.difference(&wanted).next() {
            return Err(format!("segment {number} has an additional {kind:?} of {place:?}"));
        }
    }
    Ok(())
}

fn place(event: &OrderEvent) -> Option<AccessedMemory> {
    match event {
        OrderEvent::Access(_, place) => Some(*place),
        OrderEvent::Order(_) => None,
    }
}

/// Accesses, and the synchronization point after them.
struct Segment<'a> {
    accesses: &'a [OrderEvent],
    order: Option<&'a [&'static str]>,
}

fn segments(events: &[OrderEvent]) -> Vec<Segment<'_>> {
    let mut segments = Vec::new();
    let mut first = 0;
    for (at, event) in events.iter().enumerate() {
        if let OrderEvent::Order(opcodes) = event {
            segments.push(Segment { accesses: &events[first..at], order: Some(opcodes) });
            first = at + 1;
        }
    }
    segments.push(Segment { accesses: &events[first..], order: None });
    segments
}

/// Returns the events before and after the next opcodes.
fn cut<'a>(events: &'a [OrderEvent], opcodes: &[&str]) -> Option<(&'a [OrderEvent], &'a [OrderEvent])> {
    let (mut first, mut next) = (None, 0);
    for opcode in opcodes {
        let is_it =
            |event: &OrderEvent| matches!(event, OrderEvent::Order(found) if found.iter().any(|found| found == opcode));
        let at = next + events[next..].iter().position(is_it)?;
        first = first.or(Some(at));
        next = at + 1;
    }
    Some((&events[..first?], &events[next..]))
}

/// Returns the opcodes that are synchronization points.
fn opcodes() -> impl Iterator<Item = &'static str> {
    ORDERS.iter().flat_map(|(_, opcodes)| opcodes.iter().copied())
}
