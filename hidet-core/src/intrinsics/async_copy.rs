//! Asynchronous copies of a thread from global to shared memory (PTX `cp.async`).

use super::{Effect, Meaning, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

/// The element types of a copy, which counts bytes: any.
const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);

/// The number of bytes to prefetch to L2 around the copied ones; 0: no prefetch.
pub const PREFETCHES: [u32; 4] = [0, 64, 128, 256];

/// Returns the name of the row. Copies of 4 and 8 bytes are cached in L1, those of 16 bytes if `cache_l1`.
pub fn copy_name(bytes: u32, cache_l1: bool, prefetch: u32) -> String {
    let cache = if cache_l1 && bytes == 16 { ".ca" } else { "" };
    let prefetch = if prefetch > 0 { format!(".l2_{prefetch}") } else { String::new() };
    format!("cp.async.{bytes}{cache}{prefetch}")
}

fn copy(bytes: u32, cache_l1: bool, prefetch: u32) -> Row {
    let name = copy_name(bytes, cache_l1, prefetch);
    let cuda = format!("hidet_{}($0, $1, $2);", name.replace('.', "_"));
    let through = if cache_l1 { "L1 and L2" } else { "L2 only" };
    let more = if prefetch > 0 { format!(", with a prefetch of {prefetch} bytes to L2") } else { String::new() };
    let doc = format!(
        "Copies {bytes} bytes asynchronously, cached in {through}{more}; only the given number of bytes of the source is read, the rest is filled with zeros."
    );
    row(name, cuda, Meaning::CpAsync { bytes }, doc)
        .since(80, false)
        .address(Space::Shared, Effect::Write, ANY, 0)
        .address(Space::Global, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32)
}

pub(super) fn rows() -> Vec<Row> {
    let kinds = [(4, true), (8, true), (16, false), (16, true)];
    let copies =
        kinds.into_iter().flat_map(|(bytes, cache_l1)| PREFETCHES.map(|prefetch| copy(bytes, cache_l1, prefetch)));
    let barrier = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });
    let others = [
        row("cp.async.commit", "hidet_cp_async_commit();", Meaning::CpAsyncCommit, "Commits this thread's asynchronous copies so far as a group."),
        row("cp.async.wait", "hidet_cp_async_wait<$0>();", Meaning::CpAsyncWait, "Waits until at most as many of this thread's groups as the operand gives are incomplete (PTX `cp.async.wait_group`).").imm(0, 9),
        row("cp.async.wait.all", "hidet_cp_async_wait_all();", Meaning::CpAsyncWaitAll, "Waits for all of this thread's asynchronous copies."),
        row("cp.async.mbarrier.arrive", "hidet_cp_async_mbarrier_arrive($0);", Meaning::CpAsyncMbarrierArrive { expected: false }, "Arrives at an mbarrier once this thread's asynchronous copies so far are complete; does not count as one of the expected arrivals.")
            .address(Space::Shared, Effect::Barrier, barrier, 1),
        row("cp.async.mbarrier.arrive.noinc", "hidet_cp_async_mbarrier_arrive_noinc($0);", Meaning::CpAsyncMbarrierArrive { expected: true }, "Arrives at an mbarrier once this thread's asynchronous copies so far are complete, as one of the expected arrivals.")
            .address(Space::Shared, Effect::Barrier, barrier, 1),
    ];
    copies.chain(others.map(|row| row.since(80, false))).collect()
}
