//! Atomic read-modify-write operations on global and shared memory, including that of other blocks of the cluster.
//!
//! Plain names are relaxed at device scope, as in CUDA; `.acq_rel`, `.acquire` and `.release` order other accesses.

use super::{AtomicOp, Effect, Meaning, Operand, Order, ResultRule, Row, Space, TypeRule, row};
use crate::types::Scalar;

fn atomic(name: &str, op: AtomicOp, types: &'static [Scalar], doc: &str) -> Vec<Row> {
    let orders = [
        ("", "relaxed", Order::Relaxed, ""),
        (".acquire", "acquire", Order::Acquire, " Acquire: later accesses happen after the release it reads from."),
        (".release", "release", Order::Release, " Release: earlier accesses happen before an acquire that reads it."),
        (".acq_rel", "acq_rel", Order::AcqRel, " Acquire and release."),
    ];
    let make = |(suffix, c_name, order, more): (&str, &str, Order, &str)| {
        let operands = if op == AtomicOp::CompareExchange { "$0, $1, $2" } else { "$0, $1" };
        let cuda = format!("hidet_atomic_{}_{c_name}({operands})", name.replace('.', "_"));
        let row = row(format!("atomic.{name}{suffix}"), cuda, Meaning::Atomic(op, order), format!("{doc}{more}"))
            .address(Space::GlobalOrShared, Effect::Atomic, TypeRule::OneOf(types), 1)
            .operand(Operand::Value(TypeRule::SameAs(0)))
            .gives(ResultRule::SameAs(0));
        if op == AtomicOp::CompareExchange { row.operand(Operand::Value(TypeRule::SameAs(0))) } else { row }
    };
    let rows: Vec<Row> = orders.into_iter().map(make).collect();
    let peers = rows.clone().into_iter().map(at_peer);
    rows.into_iter().chain(peers).collect()
}

/// The same operation on the shared memory of another block of the cluster, whose rank is the last operand.
fn at_peer(mut row: Row) -> Row {
    let rank = row.operands.len();
    row.name = format!("cluster.{}", row.name);
    row.cuda = row.cuda.replace("$0", &format!("hidet_peer($0, ${rank})"));
    row.doc = format!("{} In the shared memory of the block of the cluster whose rank is the last operand.", row.doc);
    if let Some(Operand::Address { space, .. }) = row.operands.first_mut() {
        *space = Space::Shared;
    }
    row.since(90, false).at_peer()
}

pub(super) fn rows() -> Vec<Row> {
    use Scalar::*;
    const NUMBERS: &[Scalar] = &[I32, U32, I64, U64, F32, F64];
    const INTS: &[Scalar] = &[I32, U32, I64, U64];
    [
        atomic(
            "add",
            AtomicOp::Add,
            NUMBERS,
            "Adds; returns the old value. In global memory `f32` flushes subnormal operands and sums to zero.",
        ),
        atomic("min", AtomicOp::Min, INTS, "Stores the minimum; returns the old value."),
        atomic("max", AtomicOp::Max, INTS, "Stores the maximum; returns the old value."),
        atomic("and", AtomicOp::And, INTS, "Stores the bitwise and; returns the old value."),
        atomic("or", AtomicOp::Or, INTS, "Stores the bitwise or; returns the old value."),
        atomic("xor", AtomicOp::Xor, INTS, "Stores the bitwise exclusive or; returns the old value."),
        atomic("exchange", AtomicOp::Exchange, INTS, "Stores the operand; returns the old value."),
        atomic(
            "cas",
            AtomicOp::CompareExchange,
            INTS,
            "Stores the second operand if the old value equals the first; returns the old value.",
        ),
    ]
    .concat()
}
