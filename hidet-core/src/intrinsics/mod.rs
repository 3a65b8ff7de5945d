//! The intrinsics: what a kernel can do beyond arithmetic, loads and stores.
//!
//! One table. A [`Row`] states the name, the operands, the result, the lowest architecture, who must arrive together,
//! the CUDA text, what the simulated device does, and a line for the documentation. The verifier, the printers, both
//! devices and the documentation read it; adding an intrinsic is adding a row. A family is a file.
//!
//! Knows the types and nothing of the IR.

mod async_copy;
mod atomic;
mod barrier;
mod bits;
mod cluster;
pub mod matrix;
mod memory;
mod mma;
mod reach;
mod tma;
mod vector;
mod warp;
mod wgmma;

pub use async_copy::{PREFETCHES, copy_name};
pub use bits::BitOp;
pub use reach::Reach;
pub use vector::{LoadHint, StoreHint};

use crate::types::{Scalar, Type};
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// An intrinsic: a row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Intrinsic(u16);

static TABLE: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let families = [
        barrier::rows(),
        warp::rows(),
        atomic::rows(),
        memory::rows(),
        vector::rows(),
        bits::rows(),
        async_copy::rows(),
        cluster::rows(),
        tma::rows(),
        mma::rows(),
        wgmma::rows(),
    ];
    families.into_iter().flatten().collect()
});

static NAMES: LazyLock<HashMap<&str, u16>> =
    LazyLock::new(|| TABLE.iter().enumerate().map(|(index, row)| (row.name.as_str(), index as u16)).collect());

impl Intrinsic {
    /// The intrinsic of that name.
    pub fn named(name: &str) -> Option<Intrinsic> {
        NAMES.get(name).copied().map(Intrinsic)
    }

    /// Every intrinsic, family by family.
    pub fn all() -> impl Iterator<Item = Intrinsic> {
        (0..TABLE.len()).map(|index| Intrinsic(index as u16))
    }

    /// Its row.
    pub fn row(self) -> &'static Row {
        &TABLE[self.0 as usize]
    }
}

impl fmt::Debug for Intrinsic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.row().name)
    }
}

/// What is known of an intrinsic.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name: words separated by points.
    pub name: String,
    /// Its operands in order.
    pub operands: Vec<Operand>,
    /// The type of its result.
    pub result: ResultRule,
    /// The lowest architecture: ten times the compute capability, and whether it must be the `a` variant.
    pub min_arch: (u32, bool),
    /// The highest architecture, where newer ones lack it (wgmma is in `sm_90a` alone).
    pub max_arch: Option<u32>,
    /// Which threads must arrive at it together.
    pub together: Together,
    /// The operand that is the rank of a block of the cluster: the addresses then lie in that block's shared memory.
    pub peer: Option<u8>,
    /// The CUDA text of a statement or, with a result, of an expression. `$0`, `$1`, ... are the operands (an address
    /// is a typed pointer, in registers an lvalue that may be indexed), `$T0` the C type of operand 0's element. Of a
    /// number that is a [`matrix::Form`], `$F0` is the strides and the swizzle, `$M0` whether it is contiguous along m
    /// or n.
    pub cuda: String,
    /// What the simulated device does.
    pub meaning: Meaning,
    /// One sentence for the reader.
    pub doc: String,
}

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// A value.
    Value(TypeRule),
    /// The address of elements.
    Address {
        /// Memory it may lie in.
        space: Space,
        /// What is done there.
        effect: Effect,
        /// The type of the elements.
        elem: TypeRule,
        /// How many elements, consecutive along the last axis; also the alignment. 0: see [`Row::reach`].
        count: u32,
    },
    /// A number known while compiling, `least ..= most`.
    Imm {
        /// Smallest.
        least: i64,
        /// Largest.
        most: i64,
    },
    /// A tensor map.
    Map,
}

/// Memory an address may lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Space {
    Global,
    Shared,
    Register,
    GlobalOrShared,
}

/// What an intrinsic does at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Effect {
    Read,
    Write,
    ReadWrite,
    /// Atomically, so that it is no race with other atomic accesses.
    Atomic,
    /// As an mbarrier object.
    Barrier,
}

/// Which types an operand may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TypeRule {
    /// This one.
    Is(Type),
    /// A scalar, one of these.
    OneOf(&'static [Scalar]),
    /// That of another operand (of its element, for an address).
    SameAs(u8),
}

/// The type of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResultRule {
    /// There is none.
    None,
    /// This one.
    Is(Type),
    /// That of an operand (of its element, for an address).
    SameAs(u8),
}

/// Which threads must arrive at an intrinsic together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// Each thread by itself.
    Alone,
    /// The lanes of the warp named by the mask that is operand 0.
    Lanes,
    /// All 32 lanes of a warp.
    Warp,
    /// The four warps of a warp group.
    WarpGroup,
    /// All threads of the block.
    Block,
    /// The number of threads that is operand 1, on the barrier that is operand 0.
    Named,
    /// All threads of the cluster.
    Cluster,
}

/// How atomics and fences order other accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

/// Among which threads an order holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Level {
    Block,
    Cluster,
    Device,
    System,
}

/// What an atomic computes from the old value and its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AtomicOp {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    /// Operand 1 is compared, operand 2 stored where equal.
    CompareExchange,
}

/// How a shuffle finds its source lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ShuffleKind {
    Index,
    Up,
    Down,
    Xor,
}

/// What a vote asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum VoteKind {
    All,
    Any,
    Ballot,
}

/// What an intrinsic does, as the simulated device understands it. Operand numbers refer to [`Row::operands`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// `__syncthreads`: all threads of the block, memory ordered.
    SyncThreads,
    /// Named barrier 0 (id) with operand 1 threads: arrive and wait.
    BarrierSync,
    /// Named barrier 0 (id) with operand 1 threads: arrive only.
    BarrierArrive,
    /// The lanes of mask 0 meet, memory ordered.
    SyncWarp,
    /// Operand 1 of the lane found by operand 2, among the lanes of mask 0. A source lane outside of the warp gives
    /// the lane's own value; one that does not take part is a fault.
    Shuffle(ShuffleKind),
    /// Operand 1 of all lanes of mask 0.
    Vote(VoteKind),
    /// The mask of the lanes running this instruction.
    ActiveMask,
    /// Operand 1 of the lanes of mask 0, reduced.
    Redux(AtomicOp),
    /// Atomic read-modify-write at address 0 with operand 1 (and 2); gives the old value.
    Atomic(AtomicOp, Order, Level),
    /// A load from address 0 with that order.
    AtomicLoad(Order, Level),
    /// A store of operand 1 to address 0 with that order.
    AtomicStore(Order, Level),
    /// A fence.
    Fence(Order, Level),
    /// Makes ordinary accesses to shared memory visible to asynchronous copies and tensor cores.
    FenceProxyAsync,
    /// Initialises mbarrier 0 for operand 1 arrivals a phase.
    MbarrierInit,
    /// Makes initialised mbarriers visible to the cluster and to asynchronous copies.
    MbarrierInitFence,
    /// Ends the life of mbarrier 0.
    MbarrierInvalidate,
    /// Arrives once at mbarrier 0.
    MbarrierArrive,
    /// Arrives once at mbarrier 0 and expects operand 1 more bytes in this phase.
    MbarrierArriveExpect,
    /// Expects operand 1 more bytes at mbarrier 0 in this phase.
    MbarrierExpect,
    /// Waits until the phase of mbarrier 0 with parity operand 1 has completed.
    MbarrierWait,
    /// Whether the phase of mbarrier 0 with parity operand 1 has completed.
    MbarrierTest,
    /// An operation on the bits of its operands.
    Bits(BitOp),
    /// Loads consecutive elements from global address 1 to registers 0.
    LoadVector {
        /// Whether nothing may write them while the kernel runs.
        read_only: bool,
    },
    /// Stores consecutive elements of registers 1 to global address 0.
    StoreVector,
    /// Adds consecutive elements of registers 1 to those from global address 0 on, each atomically and relaxed.
    ReduceVector,
    /// Copies from global address 1 to shared address 0, asynchronously; only the first operand 2 bytes, the rest zero.
    CpAsync {
        /// 4, 8 or 16.
        bytes: u32,
    },
    /// Ends a group of this thread's asynchronous copies.
    CpAsyncCommit,
    /// Waits until at most operand 0 of this thread's groups are unfinished.
    CpAsyncWait,
    /// Waits for all of this thread's asynchronous copies.
    CpAsyncWaitAll,
    /// Arrives at mbarrier 0 once this thread's asynchronous copies so far are done.
    CpAsyncMbarrierArrive,
    /// Suspends the thread for a while; operand 0 is in nanoseconds.
    NanoSleep,
    /// The clock of the multiprocessor, `i64`; the simulator counts its steps.
    Clock,
    /// `d += a * b` in the registers of a warp: operands 0, 1 and 2, held as [`matrix::mma_fragments`] says.
    Mma(matrix::Product),
    /// Loads `count` 8 x 8 matrices of 16-bit words from the rows that the lanes name by address 1, to the registers 0.
    LoadMatrix {
        /// 1, 2 or 4.
        count: u32,
        /// Whether a lane gets elements of a column.
        transposed: bool,
    },
    /// Stores `count` 8 x 8 matrices of 16-bit words from the registers 1 to the rows that the lanes name by address 0.
    StoreMatrix {
        /// 1, 2 or 4.
        count: u32,
        /// Whether a lane holds elements of a column.
        transposed: bool,
    },
    /// `d = a * b` or `d += a * b` of a warp group, asynchronously: d is operand 0, a 1, b 2, and 3 says whether the
    /// old d is added. Held as [`matrix::wgmma_accumulator`] and [`matrix::wgmma_left`] say. For floats, numbers 4 and
    /// 5 negate a and b; the last numbers are the [`matrix::Form`] of each operand in shared memory.
    Wgmma {
        /// Shape and types.
        product: matrix::Product,
        /// Whether a lies in registers, else in shared memory.
        registers: bool,
    },
    /// Orders a warp group's accesses to registers and shared memory before the wgmma that follow.
    WgmmaFence,
    /// Ends a group of a warp group's wgmma.
    WgmmaCommit,
    /// Waits until at most operand 0 of a warp group's groups are unfinished.
    WgmmaWait,
    /// Copies the box of tensor map 1 at the coordinates that follow to shared address 0; the bytes arrive at the
    /// mbarrier after them.
    TensorLoad,
    /// The same to each block of the cluster that the last operand names, one bit a block.
    TensorMulticast,
    /// Copies the last operand, in shared memory, to the box of tensor map 0 at the coordinates that follow, or combines
    /// it with what is there, element by element.
    TensorStore(Option<AtomicOp>),
    /// Copies operand 2 bytes from global address 1 to shared address 0; they arrive at mbarrier 3.
    BulkLoad,
    /// Copies operand 2 bytes from shared address 1 to global address 0, or combines them with what is there.
    BulkStore(Option<AtomicOp>),
    /// Ends a group of this thread's bulk stores.
    BulkCommit,
    /// Waits until at most operand 0 of this thread's groups of bulk stores are unfinished.
    BulkWait,
    /// Waits until at most operand 0 of this thread's groups of bulk stores still read shared memory.
    BulkWaitRead,
    /// Sets how many registers a thread of the warp group may use to operand 0.
    SetMaxRegisters {
        /// Whether it takes registers, else it gives some back.
        raise: bool,
    },
    /// Whether the lane is the one chosen of its warp.
    ElectOne,
    /// Orders this launch and those around it on the stream.
    GridOrder,
    /// Brings memory nearer, which changes no result.
    Prefetch,
    /// Arrives at the cluster's barrier; orders accesses where it releases.
    ClusterArrive(Order),
    /// Waits until all threads of the cluster have arrived.
    ClusterWait,
    /// Both.
    ClusterSync,
    /// All threads of the grid meet, memory ordered.
    GridSync,
    /// The number by which the block of rank 1 is reached at address 0.
    PeerAddress,
    /// Loads from address 0.
    Load,
    /// Stores operand 1 to address 0.
    Store,
    /// Stores operand 1 to address 0, asynchronously; the bytes arrive at mbarrier 2.
    PushStore,
    /// Combines operand 1 with address 0, asynchronously; the bytes arrive at mbarrier 2.
    PushReduce(AtomicOp),
    /// Copies operand 2 bytes from shared address 1 of this block to address 0, asynchronously; they arrive at
    /// mbarrier 3.
    PushCopy,
}

/// A row that any thread runs by itself, on any architecture, without a result: the start of most rows.
fn row(name: impl Into<String>, cuda: impl Into<String>, meaning: Meaning, doc: impl Into<String>) -> Row {
    Row {
        name: name.into(),
        operands: Vec::new(),
        result: ResultRule::None,
        min_arch: (75, false),
        max_arch: None,
        together: Together::Alone,
        peer: None,
        cuda: cuda.into(),
        meaning,
        doc: doc.into(),
    }
}

impl Row {
    fn operand(mut self, operand: Operand) -> Row {
        self.operands.push(operand);
        self
    }
    fn value(self, ty: Type) -> Row {
        self.operand(Operand::Value(TypeRule::Is(ty)))
    }
    fn address(self, space: Space, effect: Effect, elem: TypeRule, count: u32) -> Row {
        self.operand(Operand::Address { space, effect, elem, count })
    }
    fn imm(self, least: i64, most: i64) -> Row {
        self.operand(Operand::Imm { least, most })
    }
    fn gives(mut self, result: ResultRule) -> Row {
        self.result = result;
        self
    }
    fn together(mut self, together: Together) -> Row {
        self.together = together;
        self
    }
    /// A value follows: the rank of the block in whose shared memory the addresses lie.
    fn at_peer(mut self) -> Row {
        self.peer = Some(self.operands.len() as u8);
        self.value(Type::I32)
    }
    fn since(mut self, number: u32, specific: bool) -> Row {
        self.min_arch = (number, specific);
        self
    }
    fn until(mut self, number: u32) -> Row {
        self.max_arch = Some(number);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_documented() {
        let mut seen = HashSet::new();
        for intrinsic in Intrinsic::all() {
            let row = intrinsic.row();
            assert!(seen.insert(&row.name), "{} stands twice", row.name);
            assert!(row.doc.ends_with('.'), "{}: {}", row.name, row.doc);
            assert_eq!(Intrinsic::named(&row.name), Some(intrinsic));
        }
    }

    #[test]
    fn the_cuda_text_uses_every_operand_once_or_more() {
        for intrinsic in Intrinsic::all() {
            let row = intrinsic.row();
            for index in 0..row.operands.len() {
                let used = [format!("${index}"), format!("$F{index}")].iter().any(|name| row.cuda.contains(name));
                assert!(used, "{} does not use operand {index}", row.name);
            }
        }
    }
}
