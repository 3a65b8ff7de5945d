//! What an intrinsic does, in words that a device can act on; not how any device does it.

use super::{BitOp, Space, matrix};

/// How atomics and fences order other accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Order {
    Relaxed,
    Acquire,
    Release,
    AcqRel,
}

/// Among which threads a fence orders; that of an atomic access is the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Level {
    Block,
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

/// What an intrinsic does, as the simulated device understands it. Operand numbers refer to [`Row::operands`](super::Row::operands).
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
    /// Operand 1 of the lane found by the lowest five bits of operand 2, among the lanes of mask 0. A source lane
    /// outside of the warp gives the lane's own value; one that does not take part is a fault.
    Shuffle(ShuffleKind),
    /// Operand 1 of all lanes of mask 0.
    Vote(VoteKind),
    /// The mask of the lanes running this instruction.
    ActiveMask,
    /// Operand 1 of the lanes of mask 0, reduced.
    Redux(AtomicOp),
    /// Atomic read-modify-write at address 0 with operand 1 (and 2); gives the old value.
    Atomic(AtomicOp, Order),
    /// A load from address 0 with that order.
    AtomicLoad(Order),
    /// A store of operand 1 to address 0 with that order.
    AtomicStore(Order),
    /// A fence that acquires and releases.
    Fence(Level),
    /// Makes ordinary accesses to shared or to global memory visible to asynchronous copies and tensor cores.
    FenceProxyAsync(Space),
    /// Initialises mbarrier 0 for operand 1 arrivals a phase.
    MbarrierInit,
    /// Makes initialised mbarriers visible to the cluster and to asynchronous copies.
    MbarrierInitFence,
    /// Ends the life of mbarrier 0.
    MbarrierInvalidate,
    /// Arrives once at mbarrier 0; orders accesses where it releases.
    MbarrierArrive(Order),
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
    /// The clock of the multiprocessor, `i64`; the simulator counts the calls of it.
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
    /// Waits for the launch ahead on the stream.
    GridWait,
    /// Lets the launch after this one begin.
    GridLaunch,
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

impl Meaning {
    /// Whether accesses of this thread before or after it may be ordered by it with those of other threads, of
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
            | CpAsyncMbarrierArrive
            | WgmmaFence
            | WgmmaWait
            | TensorLoad
            | TensorMulticast
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
