//! The bytecode of a function for one launch: extents, grid and scalar arguments are constants in it.
//!
//! A value is stored in rows of the warp's register file (one word per lane), or, if it is uniform, in a scalar slot of
//! the strand or in the constants of the bytecode.

mod entries;
pub mod slot;

pub use entries::EntryAccess;

use super::lanes::LaneFn;
use crate::intrinsics::Meaning;
use crate::ir::{BinaryOp, BufferId, PrintPiece, Span, eval};
use crate::sim::memory::tiles::BoxMap;
use crate::types::Scalar;

/// The location of an operand, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Src(u32);

/// The location of an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loc {
    /// First row in the warp's register file.
    Row(u32),
    /// Slot of the strand.
    Scalar(u32),
    /// Index into the constants.
    Const(u32),
}

impl Src {
    const TAG: u32 = 30;
    /// An unused operand.
    pub const NONE: Src = Src(2 << Src::TAG);

    /// Returns the operand in rows that start at `row`.
    pub fn row(row: u32) -> Src {
        Src(row)
    }
    /// Returns the operand in a scalar slot.
    pub fn scalar(slot: u32) -> Src {
        Src(1 << Src::TAG | slot)
    }
    /// Returns the operand in the constants.
    pub fn constant(index: u32) -> Src {
        Src(2 << Src::TAG | index)
    }
    /// Unpacks the location.
    #[inline(always)]
    pub fn loc(self) -> Loc {
        let index = self.0 & ((1 << Src::TAG) - 1);
        match self.0 >> Src::TAG {
            0 => Loc::Row(index),
            1 => Loc::Scalar(index),
            _ => Loc::Const(index),
        }
    }
    /// Returns true if it has the same value in all lanes.
    #[inline(always)]
    pub fn is_uniform(self) -> bool {
        self.0 >> Src::TAG != 0
    }
    /// Returns the location `by` rows or slots further.
    pub fn plus(self, by: u32) -> Src {
        Src(self.0 + by)
    }
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub enum Inst {
    /// A row function over rows. `wide` has a bit for each operand of 64 bits, and bit 3 for the destination.
    Lanes {
        run: LaneFn,
        d: u32,
        a: Src,
        b: Src,
        c: Src,
        wide: u8,
    },
    /// A function applied lane by lane. `wide` as above.
    Map1 {
        f: eval::UnaryFn,
        d: u32,
        a: Src,
        wide: u8,
    },
    Map2 {
        f: eval::BinaryFn,
        d: u32,
        a: Src,
        b: Src,
        wide: u8,
    },
    Map3 {
        f: eval::TernaryFn,
        d: u32,
        a: Src,
        b: Src,
        c: Src,
        wide: u8,
    },
    Cast {
        from: Scalar,
        to: Scalar,
        d: u32,
        a: Src,
    },
    /// A function applied to scalar slots.
    Uniform1 {
        f: eval::UnaryFn,
        d: u32,
        a: Src,
    },
    Uniform2 {
        f: eval::BinaryFn,
        d: u32,
        a: Src,
        b: Src,
    },
    Uniform3 {
        f: eval::TernaryFn,
        d: u32,
        a: Src,
        b: Src,
        c: Src,
    },
    UniformCast {
        from: Scalar,
        to: Scalar,
        d: u32,
        a: Src,
    },
    UniformSelect {
        d: u32,
        cond: Src,
        a: Src,
        b: Src,
    },
    /// A copy to rows, or to a scalar slot.
    Copy {
        d: u32,
        a: Src,
        wide: bool,
    },
    UniformCopy {
        d: u32,
        a: Src,
    },
    /// Reports a fault if the second operand of an integer division or shift has no defined result.
    CheckOperand {
        op: BinaryOp,
        scalar: Scalar,
        b: Src,
        site: u32,
    },
    /// Reports a fault unless the tile of the check lies within its shape.
    CheckIndex {
        check: u32,
    },
    /// Reports a fault unless the address is a multiple of that many bytes.
    CheckAlign {
        access: u32,
        bytes: u32,
    },
    /// A load or store described in `accesses`; `d` is the first row, or the slot if the access is uniform.
    Load {
        access: u32,
        d: u32,
    },
    LoadUniform {
        access: u32,
        d: u32,
    },
    Store {
        access: u32,
        value: Src,
    },
    /// An access of a table of tensors, described in `entries`.
    Entry {
        entry: u32,
    },
    /// A load or store of register memory: elements from row `base` on, with a uniform index.
    LoadRow {
        d: u32,
        base: u32,
        index: Src,
        access: u32,
    },
    StoreRow {
        value: Src,
        base: u32,
        index: Src,
        access: u32,
    },
    /// A call of an intrinsic, described in `calls`.
    Call {
        call: u32,
    },
    Assert {
        cond: Src,
        message: u32,
        site: u32,
    },
    Print {
        print: u32,
    },
    /// Adds to the operation counter for each active lane.
    Count {
        operations: u32,
    },
    Jump {
        to: u32,
    },
    /// Jumps to `to` unless the uniform condition holds.
    Branch {
        cond: Src,
        to: u32,
    },
    /// Sends the lanes where the condition fails to `otherwise`; all reconverge at `merge`.
    Diverge {
        cond: Src,
        otherwise: u32,
        merge: u32,
    },
    /// Makes the strand wait for the lanes that have a frame for this position.
    Merge,
    /// Begins code that lanes may leave at different times; they reconverge at `merge`.
    Enter {
        merge: u32,
    },
    /// Sends the lanes where the condition fails to `merge`.
    LeaveUnless {
        cond: Src,
        merge: u32,
    },
    /// Sends all lanes to `merge`.
    Leave {
        merge: u32,
    },
    /// Jumps back to `to`; other strands may run before.
    Again {
        to: u32,
    },
    /// Ends the lanes.
    Exit {
        site: u32,
    },
}

/// A position in the source that can appear in a report.
#[derive(Clone, Copy, Debug)]
pub struct SourceSite {
    pub span: Span,
    /// The action of the thread there, as in "thread 3 reads it".
    pub verb: &'static str,
}

/// The memory of an access, and where the buffer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBase {
    /// The index of a tensor of the launch.
    Global(u32),
    /// The byte offset in the shared memory of the block.
    Shared(u32),
    /// The first row in the register memory of the lanes.
    Register(u32),
}

/// A load or store.
#[derive(Clone, Copy, Debug)]
pub struct MemoryAccess {
    pub place: MemoryBase,
    pub buffer: BufferId,
    /// The number of elements of the buffer, gaps of its layout included.
    pub limit: u64,
    /// The type of an element.
    pub elem: Scalar,
    /// The number of consecutive elements.
    pub count: u32,
    /// The offset in elements: an `i64` if `wide`, else an `i32`.
    pub index: Src,
    pub wide: bool,
    /// In a table of tensors, the number of the entry, of the type of `index`.
    pub entry: Option<Src>,
    /// If given, only lanes where this holds access memory; the others load zero.
    pub guard: Option<Src>,
    pub site: u32,
}

/// A check that a tile lies within a shape.
#[derive(Clone, Debug)]
pub struct IndexCheck {
    pub buffer: BufferId,
    /// One index per axis: an `i64` if `wide`, else an `i32`.
    pub index: Vec<Src>,
    pub wide: bool,
    pub tile: Vec<u32>,
    pub shape: Vec<i64>,
    /// The extent of axis 1 in the entry of a table, an `i32`.
    pub rows: Option<Src>,
    pub site: u32,
}

/// A call of an intrinsic.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: &'static str,
    pub meaning: Meaning,
    pub args: Vec<CallArg>,
    /// The operand that is the rank of the block in whose shared memory the addresses are; if `None`, the own block.
    pub peer: Option<u8>,
    /// The first row of the result, and its type.
    pub result: Option<(u32, Scalar)>,
    pub site: u32,
    /// For matrices in registers: by lane, the row-major position of each element that the lane holds.
    pub fragments: Vec<Vec<u32>>,
}

/// An operand of a call.
#[derive(Clone, Copy, Debug)]
pub enum CallArg {
    Value(Src, Scalar),
    /// Index into `accesses`.
    Address(u32),
    Imm(i64),
    /// Index into `maps`.
    Map(u32),
}

/// A line to print: its pieces, with the location of each value.
#[derive(Clone, Debug)]
pub struct Print {
    pub pieces: Vec<(PrintPiece, Option<(Src, Scalar, u32)>)>,
}

/// A function compiled for one launch.
#[derive(Debug)]
pub struct Bytecode {
    pub code: Vec<Inst>,
    pub consts: Vec<u64>,
    pub rows: u32,
    pub slots: u32,
    pub sites: Vec<SourceSite>,
    pub accesses: Vec<MemoryAccess>,
    pub entries: Vec<EntryAccess>,
    pub checks: Vec<IndexCheck>,
    pub calls: Vec<Call>,
    pub prints: Vec<Print>,
    pub messages: Vec<String>,
    pub maps: Vec<BoxMap>,
    /// Bytes of shared memory per block.
    pub shared_bytes: u32,
    /// The smallest access to shared memory in bytes: the granularity of the race checker.
    pub shared_granule: u32,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub cluster: [u32; 3],
    /// True if blocks are scheduled as clusters, even of one block.
    pub clustered: bool,
    /// True if all blocks must be resident at the same time.
    pub cooperative: bool,
    /// True if blocks communicate, so that they must run in one order.
    pub communicates: bool,
    /// True if it contains `wgmma`.
    pub has_products: bool,
}

impl Bytecode {
    /// Returns the site of an instruction, if it has one.
    pub fn site_of(&self, inst: &Inst) -> Option<u32> {
        match *inst {
            Inst::Load { access, .. }
            | Inst::LoadUniform { access, .. }
            | Inst::Store { access, .. }
            | Inst::CheckAlign { access, .. }
            | Inst::LoadRow { access, .. }
            | Inst::StoreRow { access, .. } => Some(self.accesses[access as usize].site),
            Inst::Entry { entry } => Some(self.entries[entry as usize].site),
            Inst::CheckIndex { check } => Some(self.checks[check as usize].site),
            Inst::Call { call } => Some(self.calls[call as usize].site),
            Inst::CheckOperand { site, .. } | Inst::Assert { site, .. } | Inst::Exit { site } => Some(site),
            _ => None,
        }
    }
}
