//! The table of kinds of communication: orders, memories, accesses, and their valid combinations.

use crate::testing::random::Cell;
use crate::types::Scalar;

/// The scope of communicating threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TalkScope {
    Warp,
    Block,
    Cluster,
    Grid,
}

/// Defines an enum with the name of each variant in reports.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($variant,)* }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

named! {
    /// The synchronization point between the accesses of two threads.
    Order {
        SyncThreads "sync.threads",
        SyncWarp "sync.warp",
        BarSync "bar.sync",
        ClusterSync "cluster.sync",
        ClusterArrive "cluster.arrive/wait",
        GridSync "grid.sync",
        BarArrive "bar.arrive/sync",
        Launch "launch",
        GridWait "grid.wait",
        Mbarrier "mbarrier",
        ClusterMbarrier "cluster.mbarrier",
        ReleaseBlock "release/acquire in the block",
        ReleaseDevice "release/acquire in the device",
        FenceBlock "fence.block",
        FenceDevice "fence.device",
        AtomicBlock "ordered atomics in the block",
        AtomicDevice "ordered atomics in the device",
    }
}

named! {
    /// The accessed memory.
    Memory {
        Shared "shared",
        Alias "shared, two types",
        Resized "shared, two sizes",
        Peer "shared of a peer",
        InOut "global InOut",
        Out "global Out",
        In "global In",
    }
}

named! {
    /// The kind of access.
    Way {
        Scalar "scalar",
        Vector "vector",
        Hinted "hinted vector",
        Atomic "atomic",
        Relaxed "relaxed",
        CpAsync "cp.async",
    }
}

/// An entry of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub order: Order,
    pub memory: Memory,
    pub way: Way,
}

impl Order {
    pub fn span(self) -> TalkScope {
        use Order::*;
        match self {
            SyncWarp => TalkScope::Warp,
            SyncThreads | BarSync | BarArrive | Mbarrier | ReleaseBlock | FenceBlock | AtomicBlock => TalkScope::Block,
            ClusterSync | ClusterArrive | ClusterMbarrier => TalkScope::Cluster,
            GridSync | Launch | GridWait | ReleaseDevice | FenceDevice | AtomicDevice => TalkScope::Grid,
        }
    }

    /// Returns true if the order is that of launches.
    pub fn is_of_launches(self) -> bool {
        matches!(self, Order::Launch | Order::GridWait)
    }

    /// Returns true if threads poll flags in memory.
    pub fn has_signs(self) -> bool {
        use Order::*;
        matches!(self, ReleaseBlock | ReleaseDevice | FenceBlock | FenceDevice | AtomicBlock | AtomicDevice)
    }
}

impl Memory {
    pub fn is_shared(self) -> bool {
        matches!(self, Memory::Shared | Memory::Peer) || self.is_aliased()
    }

    /// Returns true for shared memory that no other block can access.
    pub fn is_in_block(self) -> bool {
        self.is_shared() && self != Memory::Peer
    }

    /// Returns true if it is written through one buffer and read through another.
    pub fn is_aliased(self) -> bool {
        matches!(self, Memory::Alias | Memory::Resized)
    }
}

impl Way {
    /// Returns the types of elements that it reads and writes.
    pub fn elems(self) -> &'static [Scalar] {
        use Scalar::*;
        match self {
            Way::Scalar => &Scalar::ALL,
            Way::Vector | Way::CpAsync => &[I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, E4M3, E5M2],
            Way::Hinted => &[I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, TF32, E4M3],
            Way::Atomic => &[I32, U32, U32, I64, U64],
            Way::Relaxed => &[I32, U32, I64, U64, F32, F64],
        }
    }
}

impl Kind {
    fn is_possible(self) -> bool {
        let Kind { order, memory, way } = self;
        match memory {
            // Only single elements can be accessed there, and the order must be able to synchronize blocks of a
            // cluster.
            Memory::Peer => {
                (order.span() == TalkScope::Cluster || matches!(order.span(), TalkScope::Grid) && order.has_signs())
                    && matches!(way, Way::Scalar | Way::Atomic)
            }
            // It is not written while a kernel runs.
            Memory::In => order.is_of_launches(),
            // Shared memory does not outlive the kernel.
            _ if memory.is_shared() && order.is_of_launches() => false,
            _ if memory.is_shared() => way != Way::Hinted,
            _ => true,
        }
    }

    /// Returns the scope of the communicating threads.
    pub fn span(self) -> TalkScope {
        match self.order.span() {
            // Only blocks of a cluster can access each other's shared memory.
            TalkScope::Grid if self.memory == Memory::Peer => TalkScope::Cluster,
            span => span,
        }
    }

    pub fn cell(self) -> Cell {
        Cell { order: self.order.name(), memory: self.memory.name(), access: self.way.name() }
    }
}

/// Returns every valid combination.
pub(super) fn all() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for order in Order::ALL {
        for memory in Memory::ALL {
            kinds.extend(Way::ALL.iter().map(|way| Kind { order: *order, memory: *memory, way: *way }));
        }
    }
    kinds.retain(|kind| kind.is_possible());
    kinds
}
