//! The table of kinds of communication: orders, memories, accesses, and which of them go together.

use crate::testing::random::Cell;
use crate::types::Scalar;

/// Threads that talk to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
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
    /// What orders the accesses of two threads.
    Order {
        SyncThreads "sync.threads",
        SyncWarp "sync.warp",
        BarSync "bar.sync",
        ClusterSync "cluster.sync",
        ClusterArrive "cluster.arrive/wait",
        GridSync "grid.sync",
    }
}

named! {
    /// Where they lie.
    Memory {
        Shared "shared",
        InOut "global InOut",
        Out "global Out",
    }
}

named! {
    /// What reads and writes.
    Way {
        Scalar "scalar",
    }
}

/// A cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub order: Order,
    pub memory: Memory,
    pub way: Way,
}

impl Order {
    pub fn span(self) -> Span {
        match self {
            Order::SyncWarp => Span::Warp,
            Order::SyncThreads | Order::BarSync => Span::Block,
            Order::ClusterSync | Order::ClusterArrive => Span::Cluster,
            Order::GridSync => Span::Grid,
        }
    }
}

impl Memory {
    pub fn is_shared(self) -> bool {
        matches!(self, Memory::Shared)
    }
}

impl Way {
    /// The types of elements that it reads and writes.
    pub fn elems(self) -> &'static [Scalar] {
        match self {
            Way::Scalar => &Scalar::ALL,
        }
    }
}

impl Kind {
    fn is_possible(self) -> bool {
        true
    }

    pub fn cell(self) -> Cell {
        Cell { order: self.order.name(), memory: self.memory.name(), access: self.way.name() }
    }
}

/// Every cell that there can be.
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
