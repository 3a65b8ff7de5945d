//! Bulk copies by the tensor memory accelerator (`sm_90`), of boxes of a tensor or of plain bytes.
//!
//! Coordinates are elements, in the order of the tensor's axes. A load is done when its bytes have arrived at an
//! mbarrier that expects them; stores are waited for by groups.

use super::{Effect, Meaning, Operand, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);
const MBARRIER: TypeRule = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });

/// Operands `first .. first + rank` in the order of the accelerator: fastest axis first.
fn coordinates(first: usize, rank: usize) -> String {
    (first..first + rank).rev().map(|index| format!("${index}")).collect::<Vec<_>>().join(", ")
}

fn with_coordinates(mut row: Row, rank: usize) -> Row {
    for _ in 0..rank {
        row = row.value(Type::I32);
    }
    row
}

fn bulk(name: String, cuda: String, doc: String) -> Row {
    row(name, cuda, Meaning::NotSimulated, doc).since(90, false)
}

fn tensor(rank: usize) -> Vec<Row> {
    let load = bulk(
        format!("tma.load.{rank}d"),
        format!("hidet_tma_load_{rank}d($0, $1, ${}, {});", 2 + rank, coordinates(2, rank)),
        format!("Copies the box at {rank} coordinates to shared memory; its bytes arrive at the mbarrier. Outside of the tensor is zero."),
    )
    .address(Space::Shared, Effect::Write, ANY, 0)
    .operand(Operand::Map);
    let load = with_coordinates(load, rank).address(Space::Shared, Effect::Barrier, MBARRIER, 1);
    let multicast = bulk(
        format!("tma.load.{rank}d.multicast"),
        format!("hidet_tma_load_{rank}d_multicast($0, $1, ${}, ${}, {});", 2 + rank, 3 + rank, coordinates(2, rank)),
        format!("Copies the box at {rank} coordinates to the same place in shared memory of each block of the cluster that the mask names; its bytes arrive at the mbarrier of each."),
    )
    .address(Space::Shared, Effect::Write, ANY, 0)
    .operand(Operand::Map);
    let multicast =
        with_coordinates(multicast, rank).address(Space::Shared, Effect::Barrier, MBARRIER, 1).value(Type::U32);
    let store = |name: &str, helper: &str, doc: &str| {
        let cuda = format!("hidet_tma_{helper}_{rank}d($0, ${}, {});", 1 + rank, coordinates(1, rank));
        let doc = format!("{doc} the box at {rank} coordinates of a tensor; what is outside of it is dropped.");
        let row = bulk(format!("tma.{name}.{rank}d"), cuda, doc).operand(Operand::Map);
        with_coordinates(row, rank).address(Space::Shared, Effect::Read, ANY, 0)
    };
    let prefetch = bulk(
        format!("tma.prefetch.{rank}d"),
        format!("hidet_tma_prefetch_{rank}d($0, {});", coordinates(1, rank)),
        format!("Brings the box at {rank} coordinates of a tensor to the second-level cache."),
    )
    .operand(Operand::Map);
    vec![
        load,
        multicast,
        store("store", "store", "Copies shared memory to"),
        store("reduce.add", "reduce_add", "Adds shared memory to"),
        with_coordinates(prefetch, rank),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = (1..=5).flat_map(tensor).collect();
    let simple = |name: &str, cuda: &str, doc: &str| bulk(name.to_owned(), cuda.to_owned(), doc.to_owned());
    rows.extend([
        simple("tma.prefetch.map", "hidet_tma_prefetch_map($0);", "Brings a tensor map to the cache.")
            .operand(Operand::Map),
        simple(
            "bulk.load",
            "hidet_bulk_load($0, $1, $2, $3);",
            "Copies a multiple of 16 bytes to shared memory; the bytes arrive at the mbarrier.",
        )
        .address(Space::Shared, Effect::Write, ANY, 0)
        .address(Space::Global, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32)
        .address(Space::Shared, Effect::Barrier, MBARRIER, 1),
        simple(
            "bulk.store",
            "hidet_bulk_store($0, $1, $2);",
            "Copies a multiple of 16 bytes of shared memory to global memory.",
        )
        .address(Space::Global, Effect::Write, ANY, 0)
        .address(Space::Shared, Effect::Read, TypeRule::SameAs(0), 0)
        .value(Type::I32),
        simple("bulk.commit", "hidet_bulk_commit();", "Ends a group of this thread's bulk stores."),
        simple(
            "bulk.wait",
            "hidet_bulk_wait<$0>();",
            "Waits until at most that many of this thread's groups of bulk stores are unfinished.",
        )
        .imm(0, 7),
        simple(
            "bulk.wait.read",
            "hidet_bulk_wait_read<$0>();",
            "Waits until at most that many of this thread's groups of bulk stores still read shared memory.",
        )
        .imm(0, 7),
    ]);
    rows
}
