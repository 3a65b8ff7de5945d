//! Asynchronous copies of a thread from global to shared memory (PTX `cp.async`).

use super::{Effect, Meaning, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

/// A copy counts elements of one byte: operands are addresses of any element type.
const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);

/// How many bytes around what is copied come to the second-level cache; 0: no more than that.
pub const PREFETCHES: [u32; 4] = [0, 64, 128, 256];

/// The name of the row. 4 and 8 bytes go through the first-level cache, 16 where `first_level`.
pub fn copy_name(bytes: u32, first_level: bool, prefetch: u32) -> String {
    let cache = if first_level && bytes == 16 { ".ca" } else { "" };
    let prefetch = if prefetch > 0 { format!(".l2_{prefetch}") } else { String::new() };
    format!("cp.async.{bytes}{cache}{prefetch}")
}

fn copy(bytes: u32, first_level: bool, prefetch: u32) -> Row {
    let name = copy_name(bytes, first_level, prefetch);
    let cuda = format!("hidet_{}($0, $1, $2);", name.replace('.', "_"));
    let through = if first_level { "both caches" } else { "the second-level cache" };
    let more = if prefetch > 0 { format!(", which fetches {prefetch} bytes") } else { String::new() };
    let doc = format!(
        "Copies {bytes} bytes through {through}{more}, while the thread goes on; of the source only the given number of bytes is read, the rest is zero."
    );
    row(name, cuda, Meaning::CpAsync { bytes }, doc)
        .since(80, false)
        .address(Space::Shared, Effect::Write, ANY, 0)
        .address(Space::Global, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32)
}

pub(super) fn rows() -> Vec<Row> {
    let kinds = [(4, true), (8, true), (16, false), (16, true)];
    let copies = kinds
        .into_iter()
        .flat_map(|(bytes, first_level)| PREFETCHES.map(|prefetch| copy(bytes, first_level, prefetch)));
    let barrier = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });
    let others = [
        row("cp.async.commit", "hidet_cp_async_commit();", Meaning::CpAsyncCommit, "Ends a group of this thread's asynchronous copies."),
        row("cp.async.wait", "hidet_cp_async_wait<$0>();", Meaning::CpAsyncWait, "Waits until at most that many of this thread's groups are unfinished.").imm(0, 9),
        row("cp.async.wait.all", "hidet_cp_async_wait_all();", Meaning::CpAsyncWaitAll, "Waits for all of this thread's asynchronous copies."),
        row("cp.async.mbarrier.arrive", "hidet_cp_async_mbarrier_arrive($0);", Meaning::CpAsyncMbarrierArrive, "Arrives at an mbarrier once this thread's asynchronous copies so far are done; does not count as one of the expected arrivals.")
            .address(Space::Shared, Effect::Barrier, barrier, 1),
    ];
    copies.chain(others.map(|row| row.since(80, false))).collect()
}
