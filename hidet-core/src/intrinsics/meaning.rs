//! The meaning of intrinsics, for devices to implement.

use super::{Approx, BitOp, Space, matrix};

/// The memory order of atomics and fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

/// The scope of a fence; that of an atomic access is the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Level {
    Block,
    Device,
    System,
}

/// The function of the old value and the operand that an atomic operation stores.
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
    /// Compares the old value with operand 1 and stores operand 2 if they are equal.
    CompareExchange,
}

/// The way a shuffle selects its source lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ShuffleKind {
    Index,
    Up,
    Down,
    Xor,
}

/// The kind of a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum VoteKind {
    All,
    Any,
    Ballot,
}

/// The meaning of an intrinsic for the simulated device. Operand numbers refer to
/// [`Row::operands`](super::Row::operands).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// `__syncthreads`: barrier of all threads of the block, with memory ordering.
    SyncThreads,
    /// Named barrier 0 (id) with operand 1 threads: arrive and wait.
    BarrierSync,
    /// Named barrier 0 (id) with operand 1 threads: arrive only.
    BarrierArrive,
    /// Barrier of the lanes of mask 0, with memory ordering.
    SyncWarp,
    /// Returns operand 1 of the lane selected by the lowest five bits of operand 2, among the lanes of mask 0. If the
    /// source lane is outside of the warp, returns the lane's own value; a source lane that does not participate is a
    /// fault.
    Shuffle(ShuffleKind),
    /// A vote on operand 1 over the lanes of mask 0.
    Vote(VoteKind),
    /// The mask of the lanes running this instruction.
    ActiveMask,
    /// The reduction of operand 1 over the lanes of mask 0.
    Redux(AtomicOp),
    /// Atomic read-modify-write at address 0 with operand 1 (and 2); returns the old value.
    Atomic(AtomicOp, Order),
    /// A load from address 0 with that order.
    AtomicLoad(Order),
    /// A store of operand 1 to address 0 with that order.
    AtomicStore(Order),
    /// A fence that acquires and releases.
    Fence(Level),
    /// Makes ordinary accesses to shared or to global memory visible to asynchronous copies and tensor cores.
    FenceProxyAsync(Space),
    /// Initialises mbarrier 0 with operand 1 arrivals per phase.
    MbarrierInit,
    /// Makes initialised mbarriers visible to the cluster and to asynchronous copies.
    MbarrierInitFence,
    /// Invalidates mbarrier 0.
    MbarrierInvalidate,
    /// Arrives once at mbarrier 0; orders accesses if it releases.
    MbarrierArrive(Order),
    /// Arrives once at mbarrier 0 and expects operand 1 more bytes in this phase.
    MbarrierArriveExpect,
    /// Expects operand 1 more bytes at mbarrier 0 in this phase.
    MbarrierExpect,
    /// Waits until the phase of mbarrier 0 with parity operand 1 has completed.
    MbarrierWait,
    /// Returns true if the phase of mbarrier 0 with parity operand 1 has completed.
    MbarrierTest,
    /// An operation on the bits of its operands.
    Bits(BitOp),
    /// A function of operand 0, approximated.
    Approx(Approx),
    /// Loads consecutive elements from global address 1 to registers 0.
    LoadVector {
        /// True if they must not be written while the kernel runs.
        read_only: bool,
    },
    /// Stores consecutive elements of registers 1 to global address 0.
    StoreVector,
    /// Adds consecutive elements of registers 1 to those at global address 0, each atomically and relaxed.
    ReduceVector,
    /// Copies from global address 1 to shared address 0, asynchronously: the first operand 2 bytes, and zeros beyond.
    CpAsync {
        /// 4, 8 or 16.
        bytes: u32,
    },
    /// Commits this thread's asynchronous copies so far as a group.
    CpAsyncCommit,
    /// Waits until at most operand 0 of this thread's groups are incomplete.
    CpAsyncWait,
    /// Waits for all of this thread's asynchronous copies.
    CpAsyncWaitAll,
    /// Arrives at mbarrier 0 once this thread's asynchronous copies so far are complete.
    CpAsyncMbarrierArrive {
        /// True if it is one of the expected arrivals (PTX `.noinc`); otherwise one more is expected.
        expected: bool,
    },
    /// Suspends the thread for operand 0 nanoseconds, approximately.
    NanoSleep,
    /// The clock of the multiprocessor, `i64`; the simulated device counts the calls instead.
    Clock,
    /// `d += a * b` in the registers of a warp: operands 0, 1 and 2, held as defined by [`matrix::mma_fragments`].
    Mma(matrix::Product),
    /// Loads `count` 8 x 8 matrices of 16-bit words, whose rows are given by each lane's address 1, to registers 0.
    LoadMatrix {
        /// 1, 2 or 4.
        count: u32,
        /// True if a lane receives elements of a column.
        transposed: bool,
    },
    /// Stores `count` 8 x 8 matrices of 16-bit words from registers 1 to the rows given by each lane's address 0.
    StoreMatrix {
        /// 1, 2 or 4.
        count: u32,
        /// True if a lane holds elements of a column.
        transposed: bool,
    },
    /// `d = a * b` or `d += a * b` of a warp group, asynchronously: operand 0 is d, 1 is a, 2 is b, and 3 is true if
    /// the old d is added. Held as defined by [`matrix::wgmma_accumulator`] and [`matrix::wgmma_left`]. For floats,
    /// immediates 4 and 5 negate a and b; the last immediates are the [`matrix::Form`] of each operand in shared
    /// memory.
    Wgmma {
        /// The shape and the types.
        product: matrix::Product,
        /// True if a is in registers, false if in shared memory.
        registers: bool,
    },
    /// Orders a warp group's accesses to registers and shared memory before the following wgmma.
    WgmmaFence,
    /// Commits the warp group's wgmma so far as a group.
    WgmmaCommit,
    /// Waits until at most operand 0 of the warp group's wgmma groups are incomplete.
    WgmmaWait,
    /// Copies the box of tensor map 1 at the following coordinates to shared address 0; the bytes arrive at the
    /// mbarrier after the coordinates.
    TensorLoad {
        /// True for a column of pixels: the offsets follow the coordinates.
        im2col: bool,
    },
    /// The same copy to each block of the cluster in the mask, the last operand, one bit per block.
    TensorMulticast {
        /// As for [`Meaning::TensorLoad`].
        im2col: bool,
    },
    /// Copies the last operand, in shared memory, to the box of tensor map 0 at the following coordinates, or combines
    /// it with the old elements.
    TensorStore(Option<AtomicOp>),
    /// Copies operand 2 bytes from global address 1 to shared address 0; they arrive at mbarrier 3.
    BulkLoad,
    /// Copies operand 2 bytes from shared address 1 to global address 0, or combines them with the old elements.
    BulkStore(Option<AtomicOp>),
    /// Commits this thread's bulk stores so far as a group.
    BulkCommit,
    /// Waits until at most operand 0 of this thread's bulk store groups are incomplete.
    BulkWait,
    /// Waits until at most operand 0 of this thread's bulk store groups still read shared memory.
    BulkWaitRead,
    /// Sets the maximum number of registers per thread of the warp group to operand 0.
    SetMaxRegisters {
        /// True to raise the maximum, false to lower it.
        raise: bool,
    },
    /// Returns true in one elected lane of the warp.
    ElectOne,
    /// Waits for the launches ahead, on the stream or in the graph.
    GridWait,
    /// Lets dependent launches after this one begin.
    GridLaunch,
    /// Prefetches memory; changes no result.
    Prefetch,
    /// Arrives at the cluster's barrier; orders accesses if it releases.
    ClusterArrive(Order),
    /// Waits until all threads of the cluster have arrived.
    ClusterWait,
    /// `ClusterArrive` and `ClusterWait`.
    ClusterSync,
    /// Barrier of all threads of the grid, with memory ordering.
    GridSync,
    /// The address in the shared memory of the block of rank operand 1 that corresponds to address 0.
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

impl Meaning {
    /// Returns true if it is a function of values, which accesses no memory and no other thread.
    pub fn is_function(&self) -> bool {
        matches!(self, Meaning::Bits(_) | Meaning::Approx(_))
    }

    /// Returns true if it may order this thread's accesses before or after it with those of other threads, of
    /// asynchronous copies or of other kernels. See "Memory model" in [`ir`](crate::ir).
    pub fn orders_memory(&self) -> bool {
        use Meaning::*;
        match self {
            Atomic(_, order) | AtomicLoad(order) | AtomicStore(order) => *order != Order::Relaxed,
            Shuffle(_)
            | Vote(_)
            | ActiveMask
            | Redux(_)
            | Bits(_)
            | Approx(_)
            | LoadVector { .. }
            | StoreVector
            | ReduceVector
            | CpAsync { .. }
            | CpAsyncCommit
            | NanoSleep
            | Clock
            | Mma(_)
            | LoadMatrix { .. }
            | StoreMatrix { .. }
            | Wgmma { .. }
            | WgmmaCommit
            | SetMaxRegisters { .. }
            | ElectOne
            | Prefetch
            | PeerAddress
            | Load
            | Store => false,
            SyncThreads
            | BarrierSync
            | BarrierArrive
            | SyncWarp
            | Fence(_)
            | FenceProxyAsync(_)
            | MbarrierInit
            | MbarrierInitFence
            | MbarrierInvalidate
            | MbarrierArrive(_)
            | MbarrierArriveExpect
            | MbarrierExpect
            | MbarrierWait
            | MbarrierTest
            | CpAsyncWait
            | CpAsyncWaitAll
            | CpAsyncMbarrierArrive { .. }
            | WgmmaFence
            | WgmmaWait
            | TensorLoad { .. }
            | TensorMulticast { .. }
            | TensorStore(_)
            | BulkLoad
            | BulkStore(_)
            | BulkCommit
            | BulkWait
            | BulkWaitRead
            | GridWait
            | GridLaunch
            | ClusterArrive(_)
            | ClusterWait
            | ClusterSync
            | GridSync
            | PushStore
            | PushReduce(_)
            | PushCopy => true,
        }
    }
}
