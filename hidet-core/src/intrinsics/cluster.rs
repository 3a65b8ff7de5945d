//! Thread block clusters (`sm_90`): barrier and distributed shared memory; grid synchronisation and register
//! reallocation.

use super::{AtomicOp, Effect, Meaning, Operand, Order, ResultRule, Row, Space, Together, TypeRule, row};
use crate::types::{Scalar, Type};

const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);
const MBARRIER: TypeRule = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });

const WORDS: TypeRule =
    TypeRule::OneOf(&[Scalar::I32, Scalar::U32, Scalar::F32, Scalar::I64, Scalar::U64, Scalar::F64]);
/// The operations of `red.async` and their types.
const REDUCTIONS: [(&str, AtomicOp, &[Scalar]); 6] = [
    ("add", AtomicOp::Add, &[Scalar::U32, Scalar::I32, Scalar::U64]),
    ("min", AtomicOp::Min, &[Scalar::U32, Scalar::I32]),
    ("max", AtomicOp::Max, &[Scalar::U32, Scalar::I32]),
    ("and", AtomicOp::And, &[Scalar::U32, Scalar::I32]),
    ("or", AtomicOp::Or, &[Scalar::U32, Scalar::I32]),
    ("xor", AtomicOp::Xor, &[Scalar::U32, Scalar::I32]),
];

fn barrier(name: &str, meaning: Meaning, doc: &str) -> Row {
    peer(name, &format!("hidet_{}();", name.replace('.', "_")), meaning, doc)
}

fn peer(name: &str, cuda: &str, meaning: Meaning, doc: &str) -> Row {
    row(name, cuda, meaning, doc).since(90, false)
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        barrier("cluster.arrive", Meaning::ClusterArrive(Order::Release), "Arrives at the cluster's barrier; accesses before it happen before those after the matching wait."),
        barrier("cluster.arrive.relaxed", Meaning::ClusterArrive(Order::Relaxed), "Arrives at the cluster's barrier without ordering accesses."),
        barrier("cluster.wait", Meaning::ClusterWait, "Waits until all threads of the cluster that have not exited have arrived.")
            .together(Together::Cluster),
        barrier("cluster.sync", Meaning::ClusterSync, "Barrier of all threads of the cluster; accesses before it happen before those after it.")
            .together(Together::Cluster),
        peer("mapa", "hidet_mapa($0, $1)", Meaning::PeerAddress, "Returns the address in the shared memory of the block whose rank is the last operand that corresponds to an address of this block (PTX `mapa`).")
            .address(Space::Shared, Effect::Read, ANY, 0)
            .value(Type::I32)
            .gives(ResultRule::Is(Type::U32)),
        peer("cluster.load", "hidet_cluster_load($0, $1)", Meaning::Load, "Loads from the shared memory of the block of the cluster whose rank is the last operand.")
            .address(Space::Shared, Effect::Read, ANY, 1)
            .at_peer()
            .gives(ResultRule::SameAs(0)),
        peer("cluster.store", "hidet_cluster_store($0, $2, $1);", Meaning::Store, "Stores to the shared memory of the block of the cluster whose rank is the last operand.")
            .address(Space::Shared, Effect::Write, ANY, 1)
            .operand(Operand::Value(TypeRule::SameAs(0)))
            .at_peer(),
        peer("cluster.mbarrier.arrive", "hidet_cluster_mbarrier_arrive($0, $1);", Meaning::MbarrierArrive(Order::Release), "Arrives at the mbarrier of the block of the cluster whose rank is the last operand; this thread's accesses before it happen before the end of the phase.")
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .at_peer(),
        peer("cluster.mbarrier.arrive.expect", "hidet_cluster_mbarrier_arrive_expect($0, $2, $1);", Meaning::MbarrierArriveExpect, "Arrives at the mbarrier of the block of the cluster whose rank is the last operand and increases the transaction count of the phase: the bytes that asynchronous copies must deliver.")
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .value(Type::I32)
            .at_peer(),
        peer("cluster.mbarrier.arrive.relaxed", "hidet_cluster_mbarrier_arrive_relaxed($0, $1);", Meaning::MbarrierArrive(Order::Relaxed), "Arrives at the mbarrier of the block of the cluster whose rank is the last operand, without ordering writes of threads. Use it for the 'empty' barrier of a pipeline whose stages are only read: by wgmma or bulk copies, after waiting for those, or by threads, after a barrier at which they have met. Such reads are over.")
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .at_peer(),
        peer("cluster.store.async", "hidet_cluster_store_async($0, $3, $1, $2);", Meaning::PushStore, "Stores to the shared memory of the block of the cluster whose rank is the last operand, asynchronously; the bytes arrive at the mbarrier there (PTX `st.async`).")
            .address(Space::Shared, Effect::Write, WORDS, 1)
            .operand(Operand::Value(TypeRule::SameAs(0)))
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .at_peer(),
        peer("cluster.bulk.copy", "hidet_cluster_bulk_copy($0, $4, $1, $2, $3);", Meaning::PushCopy, "Copies a multiple of 16 bytes of shared memory to that of the block of the cluster whose rank is the last operand; the bytes arrive at the mbarrier there (PTX `cp.async.bulk`).")
            .address(Space::Shared, Effect::Write, ANY, 0)
            .address(Space::Shared, Effect::Read, TypeRule::SameAs(0), 0)
            .value(Type::I32)
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .at_peer(),
        row("grid.sync", "hidet_grid_sync();", Meaning::GridSync, "Barrier of all threads of the grid, which must be cooperative; accesses before it happen before those after it.")
            .together(Together::Block),
        row("setmaxnreg.inc", "hidet_setmaxnreg_inc<$0>();", Meaning::SetMaxRegisters { raise: true }, "Raises the maximum number of registers per thread of this warp group (a multiple of 8); the kernel must set `min_blocks`.")
            .imm(24, 256)
            .since(90, true)
            .together(Together::WarpGroup),
        row("setmaxnreg.dec", "hidet_setmaxnreg_dec<$0>();", Meaning::SetMaxRegisters { raise: false }, "Lowers the maximum number of registers per thread of this warp group (a multiple of 8), which releases the others.")
            .imm(24, 256)
            .since(90, true)
            .together(Together::WarpGroup),
        row("elect.one", "hidet_elect_one()", Meaning::ElectOne, "Returns true in one elected lane of the warp.")
            .since(90, false)
            .gives(ResultRule::Is(Type::BOOL))
            .together(Together::Warp),
        row("grid.wait", "hidet_grid_wait();", Meaning::GridWait, "Waits for the completion of the kernels ahead, on the stream or in the graph, if this one is a dependent launch.").since(90, false),
        row("grid.launch", "hidet_grid_launch();", Meaning::GridLaunch, "Lets dependent launches after this kernel begin.").since(90, false),
    ];
    rows.extend(REDUCTIONS.iter().map(|(name, op, types)| {
        let doc = "Combines with the shared memory of the block of the cluster whose rank is the last operand, asynchronously; the bytes arrive at the mbarrier there (PTX `red.async`).";
        peer(&format!("cluster.reduce.async.{name}"), &format!("hidet_cluster_reduce_async_{name}($0, $3, $1, $2);"), Meaning::PushReduce(*op), doc)
            .address(Space::Shared, Effect::Atomic, TypeRule::OneOf(types), 1)
            .operand(Operand::Value(TypeRule::SameAs(0)))
            .address(Space::Shared, Effect::Barrier, MBARRIER, 1)
            .at_peer()
    }));
    rows
}
