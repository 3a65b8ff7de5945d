//! Clusters of blocks (`sm_90`): their barrier, their shared memory, and what else belongs to a warp-specialised kernel.

use super::{Effect, Meaning, Operand, ResultRule, Row, Space, Together, TypeRule, row};
use crate::types::{Scalar, Type};

const ANY: TypeRule = TypeRule::OneOf(&Scalar::ALL);
const WORDS: TypeRule =
    TypeRule::OneOf(&[Scalar::I32, Scalar::U32, Scalar::F32, Scalar::I64, Scalar::U64, Scalar::F64]);
const MBARRIER: TypeRule = TypeRule::Is(Type { scalar: Scalar::U64, lanes: 1 });

fn plain(name: &str, cuda: &str, doc: &str) -> Row {
    row(name, cuda, Meaning::NotSimulated, doc).since(90, false)
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        plain("cluster.arrive", "hidet_cluster_arrive();", "Arrives at the cluster's barrier; accesses before it are ordered before the wait of others."),
        plain("cluster.arrive.relaxed", "hidet_cluster_arrive_relaxed();", "Arrives at the cluster's barrier without ordering accesses."),
        plain("cluster.wait", "hidet_cluster_wait();", "Waits until all threads of the cluster have arrived.")
            .together(Together::Cluster),
        plain("cluster.sync", "hidet_cluster_sync();", "All threads of the cluster meet; their accesses before it happen before those after it.")
            .together(Together::Cluster),
        plain("mapa", "hidet_mapa($0, $1)", "The shared-memory address, in the block of that rank in the cluster, of what lies there in this block (PTX `mapa`).")
            .address(Space::Shared, Effect::Read, ANY, 0)
            .value(Type::I32)
            .gives(ResultRule::Is(Type::U32)),
        plain("cluster.load", "hidet_cluster_load($0, $1)", "Loads from the shared memory of the block of that rank in the cluster.")
            .address(Space::Shared, Effect::Read, WORDS, 0)
            .value(Type::I32)
            .gives(ResultRule::SameAs(0)),
        plain("cluster.store", "hidet_cluster_store($0, $1, $2);", "Stores to the shared memory of the block of that rank in the cluster.")
            .address(Space::Shared, Effect::Write, WORDS, 0)
            .value(Type::I32)
            .operand(Operand::Value(TypeRule::SameAs(0))),
        plain("mbarrier.arrive.cluster", "hidet_mbarrier_arrive_cluster($0, $1);", "Arrives at the mbarrier of the block of that rank in the cluster.")
            .address(Space::Shared, Effect::Barrier, MBARRIER, 0)
            .value(Type::I32),
        plain("mbarrier.arrive.cluster.relaxed", "hidet_mbarrier_arrive_cluster_relaxed($0, $1);", "Arrives at the mbarrier of the block of that rank in the cluster, without ordering what this thread wrote: to hand back a buffer that this block has only read.")
            .address(Space::Shared, Effect::Barrier, MBARRIER, 0)
            .value(Type::I32),
        plain("setmaxnreg.inc", "hidet_setmaxnreg_inc<$0>();", "Raises the registers a thread of this warp group may use (a multiple of 8); the kernel needs a block size and a least number of blocks.")
            .imm(24, 256)
            .since(90, true)
            .together(Together::WarpGroup),
        plain("setmaxnreg.dec", "hidet_setmaxnreg_dec<$0>();", "Gives registers of this warp group back (a multiple of 8).")
            .imm(24, 256)
            .since(90, true)
            .together(Together::WarpGroup),
        plain("elect.one", "hidet_elect_one()", "Whether this lane is the one chosen of its warp.")
            .gives(ResultRule::Is(Type::BOOL))
            .together(Together::Warp),
        plain("grid.wait", "hidet_grid_wait();", "Waits for the kernels before this one on the stream, where it was launched early."),
        plain("grid.launch", "hidet_grid_launch();", "Lets the kernels after this one on the stream be launched."),
    ]
}
