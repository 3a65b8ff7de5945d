//! Asynchronous copies of a thread from global to shared memory (PTX `cp.async`).

use super::{Effect, Meaning, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

/// A copy counts elements of one byte: operands are addresses of any element type.
const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);

pub(super) fn rows() -> Vec<Row> {
    let copy = |bytes: u32, doc: &str| {
        row(
            format!("cp.async.{bytes}"),
            format!("hidet_cp_async_{bytes}($0, $1, $2);"),
            Meaning::CpAsync { bytes },
            doc,
        )
        .since(80, false)
        .address(Space::Shared, Effect::Write, ANY, 0)
        .address(Space::Global, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32)
    };
    let barrier = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });
    vec![
        copy(4, "Copies 4 bytes while the thread goes on; of the source only the given number of bytes is read, the rest is zero."),
        copy(8, "Copies 8 bytes while the thread goes on; of the source only the given number of bytes is read, the rest is zero."),
        copy(16, "Copies 16 bytes while the thread goes on; of the source only the given number of bytes is read, the rest is zero."),
        row("cp.async.commit", "hidet_cp_async_commit();", Meaning::CpAsyncCommit, "Ends a group of this thread's asynchronous copies.").since(80, false),
        row("cp.async.wait", "hidet_cp_async_wait<$0>();", Meaning::CpAsyncWait, "Waits until at most that many of this thread's groups are unfinished.")
            .since(80, false)
            .imm(0, 9),
        row("cp.async.wait.all", "hidet_cp_async_wait_all();", Meaning::CpAsyncWaitAll, "Waits for all of this thread's asynchronous copies.").since(80, false),
        row("cp.async.mbarrier.arrive", "hidet_cp_async_mbarrier_arrive($0);", Meaning::CpAsyncMbarrierArrive, "Arrives at an mbarrier once this thread's asynchronous copies so far are done; does not count as one of the expected arrivals.")
            .since(80, false)
            .address(Space::Shared, Effect::Barrier, barrier, 1),
    ]
}
