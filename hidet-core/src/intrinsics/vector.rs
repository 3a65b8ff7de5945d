//! Vector loads and stores of global memory with cache hints, and vector reductions in memory.

use super::{Effect, Meaning, Row, Space, TypeRule, row};
use crate::types::{Scalar, Type};

/// The cache operator or eviction priority of a load (PTX ISA, "Cache Operators" and "Cache Eviction Priority Hints").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadHint {
    /// Through the read-only data cache: no thread writes the tensor while the kernel runs.
    ReadOnly,
    /// As `ReadOnly`, without allocating in L1.
    NoAllocate,
    /// Evict first from L1.
    EvictFirst,
    /// Evict last from L1.
    EvictLast,
    /// Streaming: read once.
    Streaming,
    /// Last use: not needed again.
    LastUse,
    /// Cached in L2 only.
    L2,
}

/// The cache operator or eviction priority of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreHint {
    /// The default: write back.
    WriteBack,
    /// Cached in L2 only.
    L2,
    /// Streaming: not read soon.
    Streaming,
    /// Without allocating in L1.
    NoAllocate,
}

impl LoadHint {
    /// All hints.
    pub const ALL: [LoadHint; 7] = {
        use LoadHint::*;
        [ReadOnly, NoAllocate, EvictFirst, EvictLast, Streaming, LastUse, L2]
    };

    /// Returns the hint's part of a row name.
    pub const fn name(self) -> &'static str {
        match self {
            LoadHint::ReadOnly => "nc",
            LoadHint::NoAllocate => "no_allocate",
            LoadHint::EvictFirst => "evict_first",
            LoadHint::EvictLast => "evict_last",
            LoadHint::Streaming => "cs",
            LoadHint::LastUse => "lu",
            LoadHint::L2 => "cg",
        }
    }

    /// Returns the PTX instruction, without the width.
    pub const fn ptx(self) -> &'static str {
        match self {
            LoadHint::ReadOnly => "ld.global.nc",
            LoadHint::NoAllocate => "ld.global.nc.L1::no_allocate",
            LoadHint::EvictFirst => "ld.global.L1::evict_first",
            LoadHint::EvictLast => "ld.global.L1::evict_last",
            LoadHint::Streaming => "ld.global.cs",
            // PTX documents `ld.lu` of global memory as `ld.cs`, but ptxas (13.0) makes of it a load that drops the line
            // from L1, with what other threads of the block have just written there.
            LoadHint::LastUse => "ld.global.cs",
            LoadHint::L2 => "ld.global.cg",
        }
    }

    /// Returns true if the memory must not be written while the kernel runs.
    pub const fn is_read_only(self) -> bool {
        matches!(self, LoadHint::ReadOnly | LoadHint::NoAllocate)
    }
}

impl StoreHint {
    /// All hints.
    pub const ALL: [StoreHint; 4] = {
        use StoreHint::*;
        [WriteBack, L2, Streaming, NoAllocate]
    };

    /// Returns the hint's part of a row name.
    pub const fn name(self) -> &'static str {
        match self {
            StoreHint::WriteBack => "wb",
            StoreHint::L2 => "cg",
            StoreHint::Streaming => "cs",
            StoreHint::NoAllocate => "no_allocate",
        }
    }

    /// Returns the PTX instruction, without the width.
    pub const fn ptx(self) -> &'static str {
        match self {
            StoreHint::WriteBack => "st.global.wb",
            StoreHint::L2 => "st.global.cg",
            StoreHint::Streaming => "st.global.cs",
            StoreHint::NoAllocate => "st.global.L1::no_allocate",
        }
    }
}

/// Returns the types of one size.
fn of_size(bytes: u32) -> TypeRule {
    use Scalar::*;
    TypeRule::OneOf(match bytes {
        1 => &[Bool, I8, U8, E4M3, E5M2],
        2 => &[I16, U16, F16, BF16],
        4 => &[I32, U32, F32, TF32],
        _ => &[I64, U64, F64],
    })
}

/// Returns the widths of vectors of 2 to 16 elements and 2 to 32 bytes: bytes per element, and number of elements.
fn widths() -> impl Iterator<Item = (u32, u32)> {
    let lengths = |bytes| [2, 4, 8, 16].into_iter().map(move |count| (bytes, count));
    [1, 2, 4, 8].into_iter().flat_map(lengths).filter(|(bytes, count)| bytes * count <= 32)
}

/// Restricts vectors of 32 bytes to `sm_100`.
fn since(row: Row, bytes: u32) -> Row {
    if bytes == 32 { row.since(100, false) } else { row }
}

fn load(hint: LoadHint, bytes: u32, count: u32) -> Row {
    let name = format!("load.{}.x{count}.b{}", hint.name(), 8 * bytes);
    let cuda = format!("hidet_load_{}_{}($0, $1);", hint.name(), bytes * count);
    let doc = format!("Loads {count} consecutive elements by `{}`.", hint.ptx());
    let row = row(name, cuda, Meaning::LoadVector { read_only: hint.is_read_only() }, doc);
    let row = row.address(Space::Register, Effect::Write, of_size(bytes), count);
    since(row.address(Space::Global, Effect::Read, TypeRule::SameAs(0), count), bytes * count)
}

fn store(hint: StoreHint, bytes: u32, count: u32) -> Row {
    let name = format!("store.{}.x{count}.b{}", hint.name(), 8 * bytes);
    let cuda = format!("hidet_store_{}_{}($0, $1);", hint.name(), bytes * count);
    let doc = format!("Stores {count} consecutive elements by `{}`.", hint.ptx());
    let row = row(name, cuda, Meaning::StoreVector, doc);
    let row = row.address(Space::Global, Effect::Write, of_size(bytes), count);
    since(row.address(Space::Register, Effect::Read, TypeRule::SameAs(0), count), bytes * count)
}

fn reduce(scalar: Scalar, count: u32) -> Row {
    let name = format!("red.add.x{count}.{scalar}");
    let cuda = format!("hidet_red_add_{scalar}_{count}($0, $1);");
    let flushed = if scalar == Scalar::F32 { ", which flushes subnormal operands and sums to zero" } else { "" };
    let doc = format!(
        "Adds {count} {scalar} to consecutive elements{flushed}, each atomically, without returning the old values; relaxed, at device scope."
    );
    let elem = TypeRule::Is(Type { scalar, lanes: 1 });
    row(name, cuda, Meaning::ReduceVector, doc)
        .since(90, false)
        .address(Space::Global, Effect::Atomic, elem, count)
        .address(Space::Register, Effect::Read, elem, count)
}

pub(super) fn rows() -> Vec<Row> {
    // 32-byte vectors have no other cache operators.
    let wide = |bytes: u32, count: u32| bytes * count == 32;
    let loads = LoadHint::ALL.into_iter().flat_map(|hint| {
        let some = widths().filter(move |(bytes, count)| !wide(*bytes, *count) || hint.is_read_only());
        some.map(move |(bytes, count)| load(hint, bytes, count))
    });
    let stores = StoreHint::ALL.into_iter().flat_map(|hint| {
        let some = widths().filter(move |(bytes, count)| !wide(*bytes, *count) || hint == StoreHint::NoAllocate);
        some.map(move |(bytes, count)| store(hint, bytes, count))
    });
    let halves = [Scalar::F16, Scalar::BF16].into_iter().flat_map(|scalar| [2, 4, 8].map(|count| (scalar, count)));
    let reductions = [(Scalar::F32, 2), (Scalar::F32, 4)].into_iter().chain(halves);
    loads.chain(stores).chain(reductions.map(|(scalar, count)| reduce(scalar, count))).collect()
}
