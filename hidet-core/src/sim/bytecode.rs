//! The bytecode that a function is compiled to, for one launch: extents, grid and scalar arguments are constants in it.
//!
//! A value lies in rows of the warp's register file (a word a lane), or, where it is the same in all lanes, in a
//! scalar slot of the strand, or in the constants of the program.

use super::lanes::LaneFn;
use crate::intrinsics::Meaning;
use crate::ir::{BinaryOp, BufferId, PrintPiece, Span, eval};
use crate::sim::memory::tiles::BoxMap;
use crate::types::Scalar;

/// Where an operand lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Src(u32);

/// The same, taken apart.
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
    /// The operand of an instruction that does not use it.
    pub const NONE: Src = Src(2 << Src::TAG);

    pub fn row(row: u32) -> Src {
        Src(row)
    }
    pub fn scalar(slot: u32) -> Src {
        Src(1 << Src::TAG | slot)
    }
    pub fn constant(index: u32) -> Src {
        Src(2 << Src::TAG | index)
    }
    #[inline(always)]
    pub fn loc(self) -> Loc {
        let index = self.0 & ((1 << Src::TAG) - 1);
        match self.0 >> Src::TAG {
            0 => Loc::Row(index),
            1 => Loc::Scalar(index),
            _ => Loc::Const(index),
        }
    }
    /// Whether it is the same in all lanes.
    #[inline(always)]
    pub fn is_uniform(self) -> bool {
        self.0 >> Src::TAG != 0
    }
    /// The same place `by` rows or slots further.
    pub fn plus(self, by: u32) -> Src {
        Src(self.0 + by)
    }
}

/// An instruction.
#[derive(Clone, Copy, Debug)]
pub enum Inst {
    /// A kernel over rows. `wide` has a bit for each operand of 64 bits, and bit 3 for the destination.
    Lanes {
        run: LaneFn,
        d: u32,
        a: Src,
        b: Src,
        c: Src,
        wide: u8,
    },
    /// Functions applied lane by lane. `wide` as above.
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
    /// The same on scalar slots.
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
    /// Copies to rows, or to a scalar slot.
    Copy {
        d: u32,
        a: Src,
        wide: bool,
    },
    UniformCopy {
        d: u32,
        a: Src,
    },
    /// A fault where the second operand of an integer division or shift has no meaning.
    CheckOperand {
        op: BinaryOp,
        scalar: Scalar,
        b: Src,
        site: u32,
    },
    /// A fault unless the tile of the check lies within its shape.
    CheckIndex {
        check: u32,
    },
    /// A fault unless the access is at a multiple of so many bytes.
    CheckAlign {
        access: u32,
        bytes: u32,
    },
    /// A load or store through `accesses`; `d` is the first row, or the slot where the access is uniform.
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
    /// The same on the register memory of the lanes: `len` elements from row `base` on, uniform index.
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
    /// An intrinsic, through `calls`.
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
    /// To `to` unless the uniform condition holds.
    Branch {
        cond: Src,
        to: u32,
    },
    /// Lanes where the condition fails go to `otherwise`; all meet at `merge`.
    Diverge {
        cond: Src,
        otherwise: u32,
        merge: u32,
    },
    /// The strand waits here for the lanes that left for this place, if it has a frame for it.
    Merge,
    /// Lanes may leave the code that follows at different times, and meet at `merge`.
    Enter {
        merge: u32,
    },
    /// Lanes where the condition fails leave to `merge`.
    LeaveUnless {
        cond: Src,
        merge: u32,
    },
    /// All lanes leave to `merge`.
    Leave {
        merge: u32,
    },
    /// Jumps back to `to`: a place where other strands may take over.
    Again {
        to: u32,
    },
    /// The lanes end.
    Exit {
        site: u32,
    },
}

/// A place in the source that can appear in a report.
#[derive(Clone, Copy, Debug)]
pub struct SourceSite {
    pub span: Span,
    /// What is done there, as in "thread 3 reads it".
    pub verb: &'static str,
}

/// Memory of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBase {
    /// A tensor of the launch.
    Global(u32),
    /// Byte offset in the shared memory of the block.
    Shared(u32),
    /// First row of the register memory of the lanes.
    Register(u32),
}

/// A load or store.
#[derive(Clone, Copy, Debug)]
pub struct MemoryAccess {
    pub place: MemoryBase,
    pub buffer: BufferId,
    /// Elements of the buffer, as its layout lays them out.
    pub limit: u64,
    /// Type of an element.
    pub elem: Scalar,
    /// Consecutive elements.
    pub count: u32,
    /// Element offset: `i64` where `wide`, else `i32`.
    pub index: Src,
    pub wide: bool,
    /// Only lanes where this holds access memory; the others load zero.
    pub guard: Option<Src>,
    pub site: u32,
}

/// A check that a tile lies within a shape.
#[derive(Clone, Debug)]
pub struct IndexCheck {
    pub buffer: BufferId,
    /// One an axis: `i64` where `wide`, else `i32`.
    pub index: Vec<Src>,
    pub wide: bool,
    pub tile: Vec<u32>,
    pub shape: Vec<i64>,
    pub site: u32,
}

/// A call of an intrinsic.
#[derive(Clone, Debug)]
pub struct Call {
    pub name: &'static str,
    pub meaning: Meaning,
    pub args: Vec<CallArg>,
    /// The operand that is the rank of the block in whose shared memory the addresses lie; its own where there is none.
    pub peer: Option<u8>,
    /// Where the result goes: first row and type.
    pub result: Option<(u32, Scalar)>,
    pub site: u32,
    /// For matrices in registers: the row-major position of each element that a lane holds, lane by lane.
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

/// A piece of a printed line, with the value's place.
#[derive(Clone, Debug)]
pub struct Print {
    pub pieces: Vec<(PrintPiece, Option<(Src, Scalar, u32)>)>,
}

/// Specials whose value differs between blocks, warps or lanes, in this order at the start of the slots and rows.
pub mod slot {
    /// Scalar slots that a block and warp set up.
    pub const BLOCK_X: u32 = 0;
    pub const BLOCK_Y: u32 = 1;
    pub const BLOCK_Z: u32 = 2;
    pub const WARP: u32 = 3;
    pub const CLUSTER_RANK: u32 = 4;
    /// Thread indices that are the same in a warp.
    pub const WARP_Y: u32 = 5;
    pub const WARP_Z: u32 = 6;
    pub const FIRST_FREE: u32 = 7;
    /// Rows that a warp sets up.
    pub const THREAD: u32 = 0;
    pub const LANE: u32 = 1;
    pub const THREAD_X: u32 = 2;
    pub const THREAD_Y: u32 = 3;
    pub const THREAD_Z: u32 = 4;
    pub const FIRST_FREE_ROW: u32 = 5;
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
    pub checks: Vec<IndexCheck>,
    pub calls: Vec<Call>,
    pub prints: Vec<Print>,
    pub messages: Vec<String>,
    pub maps: Vec<BoxMap>,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
    /// The smallest access to shared memory in bytes: what a race is found on.
    pub shared_granule: u32,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub cluster: [u32; 3],
    /// Whether blocks are resident as clusters, be it of one block.
    pub clustered: bool,
    /// Whether all blocks must be resident at once.
    pub cooperative: bool,
    /// Whether blocks talk to each other, so that they must run in one order.
    pub communicates: bool,
    /// Whether it has products of warp groups.
    pub has_products: bool,
}

impl Bytecode {
    /// The place in the source of an instruction, where it has one.
    pub fn site_of(&self, inst: &Inst) -> Option<u32> {
        match *inst {
            Inst::Load { access, .. }
            | Inst::LoadUniform { access, .. }
            | Inst::Store { access, .. }
            | Inst::CheckAlign { access, .. }
            | Inst::LoadRow { access, .. }
            | Inst::StoreRow { access, .. } => Some(self.accesses[access as usize].site),
            Inst::CheckIndex { check } => Some(self.checks[check as usize].site),
            Inst::Call { call } => Some(self.calls[call as usize].site),
            Inst::CheckOperand { site, .. } | Inst::Assert { site, .. } | Inst::Exit { site } => Some(site),
            _ => None,
        }
    }
}
