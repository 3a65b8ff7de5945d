//! Bulk copies by TMA (`sm_90`): of boxes of a tensor, or of contiguous bytes.
//!
//! Coordinates count elements, in the order of the tensor's axes. A load is complete when its bytes have arrived at an
//! mbarrier that expects them; stores are waited for in groups.

use super::{AtomicOp, Effect, Meaning, Operand, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);
const MBARRIER: TypeRule = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });

/// Returns operands `first .. first + rank` in the order of TMA: fastest axis first.
fn coordinates(first: usize, rank: usize) -> String {
    (first..first + rank).rev().map(|index| format!("${index}")).collect::<Vec<_>>().join(", ")
}

fn with_coordinates(mut row: Row, rank: usize) -> Row {
    for _ in 0..rank {
        row = row.value(Type::I32);
    }
    row
}

fn bulk(name: impl Into<String>, cuda: impl Into<String>, meaning: Meaning, doc: impl Into<String>) -> Row {
    row(name, cuda, meaning, doc).since(90, false)
}

/// The reductions of bulk stores: name, meaning, element types (PTX ISA, `cp.reduce.async.bulk`). Sums of `f32` flush
/// subnormals to zero.
const REDUCTIONS: [(&str, AtomicOp, &[Scalar], &str); 6] = {
    use Scalar::*;
    const ORDERED: &[Scalar] = &[U32, I32, U64, I64, F16, BF16];
    const BITS: &[Scalar] = &[U32, I32, U64, I64];
    [
        ("add", AtomicOp::Add, &[U32, I32, U64, F32, F64, F16, BF16], "Adds shared memory to"),
        ("min", AtomicOp::Min, ORDERED, "Takes the minimum of shared memory and"),
        ("max", AtomicOp::Max, ORDERED, "Takes the maximum of shared memory and"),
        ("and", AtomicOp::And, BITS, "Combines shared memory by bitwise and with"),
        ("or", AtomicOp::Or, BITS, "Combines shared memory by bitwise or with"),
        ("xor", AtomicOp::Xor, BITS, "Combines shared memory by bitwise exclusive or with"),
    ]
};

fn tensor(rank: usize) -> Vec<Row> {
    let load = bulk(
        format!("tma.load.{rank}d"),
        format!("hidet_tma_load_{rank}d($0, $1, ${}, {});", 2 + rank, coordinates(2, rank)),
        Meaning::TensorLoad { im2col: false },
        format!("Copies the box at {rank} coordinates to shared memory; its bytes arrive at the mbarrier (PTX `cp.async.bulk.tensor`, which completes by `complete_tx`). Elements outside of the tensor are zero."),
    )
    .address(Space::Shared, Effect::Write, ANY, 0)
    .operand(Operand::Map);
    let load = with_coordinates(load, rank).address(Space::Shared, Effect::Barrier, MBARRIER, 1);
    let multicast = bulk(
        format!("tma.load.{rank}d.multicast"),
        format!("hidet_tma_load_{rank}d_multicast($0, $1, ${}, ${}, {});", 2 + rank, 3 + rank, coordinates(2, rank)),
        Meaning::TensorMulticast { im2col: false },
        format!("Copies the box at {rank} coordinates to the same address in the shared memory of each block of the cluster in the mask; its bytes arrive at the mbarrier of each block (PTX `cp.async.bulk.tensor` with `.multicast::cluster`)."),
    )
    .address(Space::Shared, Effect::Write, ANY, 0)
    .operand(Operand::Map);
    let multicast =
        with_coordinates(multicast, rank).address(Space::Shared, Effect::Barrier, MBARRIER, 1).value(Type::U32);
    let store = |name: &str, op: Option<AtomicOp>, types: &'static [Scalar], doc: &str| {
        let cuda =
            format!("hidet_tma_{}_{rank}d($0, ${}, {});", name.replace('.', "_"), 1 + rank, coordinates(1, rank));
        let doc =
            format!("{doc} the box at {rank} coordinates of a tensor; elements outside of the tensor are dropped.");
        let row = bulk(format!("tma.{name}.{rank}d"), cuda, Meaning::TensorStore(op), doc).operand(Operand::Map);
        with_coordinates(row, rank).address(Space::Shared, Effect::Read, TypeRule::OneOf(types), 0)
    };
    let prefetch = bulk(
        format!("tma.prefetch.{rank}d"),
        format!("hidet_tma_prefetch_{rank}d($0, {});", coordinates(1, rank)),
        Meaning::Prefetch,
        format!("Prefetches the box at {rank} coordinates of a tensor to L2."),
    )
    .operand(Operand::Map);
    let mut rows = vec![load, multicast, store("store", None, &Scalar::ALL, "Copies shared memory to")];
    rows.extend(REDUCTIONS.map(|(name, op, types, doc)| {
        // With signed 64-bit elements, a bitwise operation raises an illegal instruction error (seen on sm_90).
        let types = if matches!(op, AtomicOp::And | AtomicOp::Or | AtomicOp::Xor) { &types[..3] } else { types };
        store(&format!("reduce.{name}"), Some(op), types, doc)
    }));
    rows.push(with_coordinates(prefetch, rank));
    rows
}

/// The loads of columns of pixels of a tensor of that rank: coordinates, then offsets for all axes but the first and the
/// last.
fn im2col(rank: usize) -> [Row; 2] {
    let offsets = rank - 2;
    let bar = 2 + rank + offsets;
    let numbers = format!("{}, {}", coordinates(2, rank), coordinates(2 + rank, offsets));
    let what =
        format!("the column of pixels that begins at {rank} coordinates of a tensor, each moved by the offsets,");
    let rows = [
        bulk(
            format!("tma.load.im2col.{rank}d"),
            format!("hidet_tma_load_im2col_{rank}d($0, $1, ${bar}, {numbers});"),
            Meaning::TensorLoad { im2col: true },
            format!(
                "Copies {what} to shared memory; its bytes arrive at the mbarrier (PTX `cp.async.bulk.tensor` with `.im2col`). Elements outside of the tensor are zero."
            ),
        ),
        bulk(
            format!("tma.load.im2col.{rank}d.multicast"),
            format!("hidet_tma_load_im2col_{rank}d_multicast($0, $1, ${bar}, ${}, {numbers});", bar + 1),
            Meaning::TensorMulticast { im2col: true },
            format!(
                "Copies {what} to the same address in the shared memory of each block of the cluster in the mask; its bytes arrive at the mbarrier of each block."
            ),
        ),
    ];
    let [load, multicast] = rows.map(|row| {
        let row = row.address(Space::Shared, Effect::Write, ANY, 0).operand(Operand::Map);
        with_coordinates(row, rank + offsets).address(Space::Shared, Effect::Barrier, MBARRIER, 1)
    });
    [load, multicast.value(Type::U32)]
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = (1..=5).flat_map(tensor).chain((3..=5).flat_map(im2col)).collect();
    let store = |name: String, op: Option<AtomicOp>, types: &'static [Scalar], doc: String| {
        bulk(&name, format!("hidet_{}($0, $1, $2);", name.replace('.', "_")), Meaning::BulkStore(op), doc)
            .address(Space::Global, Effect::Write, TypeRule::OneOf(types), 0)
            .address(Space::Shared, Effect::Read, TypeRule::SameAs(0), 0)
            .value(Type::I32)
    };
    rows.extend([
        bulk("tma.prefetch.map", "hidet_tma_prefetch_map($0);", Meaning::Prefetch, "Prefetches a tensor map.")
            .operand(Operand::Map),
        bulk(
            "bulk.load",
            "hidet_bulk_load($0, $1, $2, $3);",
            Meaning::BulkLoad,
            "Copies a multiple of 16 bytes to shared memory; the bytes arrive at the mbarrier (PTX `cp.async.bulk`).",
        )
        .address(Space::Shared, Effect::Write, ANY, 0)
        .address(Space::Global, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32)
        .address(Space::Shared, Effect::Barrier, MBARRIER, 1),
        store(
            "bulk.store".to_owned(),
            None,
            &Scalar::ALL,
            "Copies a multiple of 16 bytes of shared memory to global memory (PTX `cp.async.bulk`).".to_owned(),
        ),
        bulk(
            "bulk.commit",
            "hidet_bulk_commit();",
            Meaning::BulkCommit,
            "Commits this thread's bulk stores so far as a group (PTX `cp.async.bulk.commit_group`).",
        ),
        bulk(
            "bulk.wait",
            "hidet_bulk_wait<$0>();",
            Meaning::BulkWait,
            "Waits until at most as many of this thread's bulk store groups as the operand gives are incomplete (PTX `cp.async.bulk.wait_group`).",
        )
        .imm(0, 7),
        bulk(
            "bulk.wait.read",
            "hidet_bulk_wait_read<$0>();",
            Meaning::BulkWaitRead,
            "Waits until at most as many of this thread's bulk store groups as the operand gives still read shared memory (PTX `cp.async.bulk.wait_group.read`).",
        )
        .imm(0, 7),
    ]);
    rows.extend(REDUCTIONS.map(|(name, op, types, doc)| {
        let doc = format!("{doc} a multiple of 16 bytes of global memory, element by element.");
        store(format!("bulk.reduce.{name}"), Some(op), types, doc)
    }));
    rows
}
