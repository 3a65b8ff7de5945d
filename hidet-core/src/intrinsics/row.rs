//! The row of an intrinsic: its properties, and the builder that families write rows with.

use super::Meaning;
use crate::types::{Scalar, Type};

/// The properties of an intrinsic.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name: words separated by points.
    pub name: String,
    /// Its operands in order.
    pub operands: Vec<Operand>,
    /// The type of its result.
    pub result: ResultRule,
    /// The lowest architecture: ten times the compute capability, and true if it must be the `a` variant.
    pub min_arch: (u32, bool),
    /// The highest architecture, if newer ones lack it (wgmma exists on `sm_90a` only).
    pub max_arch: Option<u32>,
    /// The threads that must execute it together.
    pub together: Together,
    /// The operand that is the rank of a block of the cluster, if any: the addresses then lie in that block's shared
    /// memory.
    pub peer: Option<u8>,
    /// The CUDA text of a statement or, with a result, of an expression. `$0`, `$1`, ... are the operands (an address
    /// is a typed pointer; in registers, an lvalue that may be indexed), `$T0` the C type of operand 0's element. For
    /// an immediate that is a [`matrix::Form`](super::matrix::Form), `$F0` is the strides and the swizzle, and `$M0` is
    /// 1 if the operand is contiguous along m or n.
    pub cuda: String,
    /// The meaning for the simulated device.
    pub meaning: Meaning,
    /// One sentence of documentation.
    pub doc: String,
}

/// An operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operand {
    /// A value.
    Value(TypeRule),
    /// The address of elements.
    Address {
        /// The memory it may be in.
        space: Space,
        /// The accesses to it.
        effect: Effect,
        /// The type of the elements.
        elem: TypeRule,
        /// The number of elements, consecutive along the last axis. The address must be aligned to that many elements.
        /// 0: the number follows from the operation, see [`Row::reach`].
        count: u32,
    },
    /// An immediate, a constant number: `least ..= most`.
    Imm {
        /// The smallest number.
        least: i64,
        /// The largest number.
        most: i64,
    },
    /// A tensor map.
    Map,
}

/// The memory an address may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Space {
    Global,
    Shared,
    Register,
    GlobalOrShared,
}

/// The accesses of an intrinsic to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Effect {
    Read,
    Write,
    ReadWrite,
    /// Atomic: not a race with other atomic accesses.
    Atomic,
    /// To an mbarrier object.
    Barrier,
}

/// The types an operand may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TypeRule {
    /// This type.
    Is(Type),
    /// One of these scalars.
    OneOf(&'static [Scalar]),
    /// The type of another operand (for an address, of its element).
    SameAs(u8),
}

/// The type of the result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ResultRule {
    /// No result.
    None,
    /// This type.
    Is(Type),
    /// The type of an operand (for an address, of its element).
    SameAs(u8),
}

/// The threads that must execute an intrinsic together.
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

/// Returns a row that each thread executes on its own, on any architecture, without a result: the start of most rows.
pub(super) fn row(name: impl Into<String>, cuda: impl Into<String>, meaning: Meaning, doc: impl Into<String>) -> Row {
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
    pub(super) fn operand(mut self, operand: Operand) -> Row {
        self.operands.push(operand);
        self
    }
    pub(super) fn value(self, ty: Type) -> Row {
        self.operand(Operand::Value(TypeRule::Is(ty)))
    }
    pub(super) fn address(self, space: Space, effect: Effect, elem: TypeRule, count: u32) -> Row {
        self.operand(Operand::Address { space, effect, elem, count })
    }
    pub(super) fn imm(self, least: i64, most: i64) -> Row {
        self.operand(Operand::Imm { least, most })
    }
    pub(super) fn gives(mut self, result: ResultRule) -> Row {
        self.result = result;
        self
    }
    pub(super) fn together(mut self, together: Together) -> Row {
        self.together = together;
        self
    }
    /// Adds the operand for the rank of the block in whose shared memory the addresses lie.
    pub(super) fn at_peer(mut self) -> Row {
        self.peer = Some(self.operands.len() as u8);
        self.value(Type::I32)
    }
    pub(super) fn since(mut self, number: u32, specific: bool) -> Row {
        self.min_arch = (number, specific);
        self
    }
    pub(super) fn until(mut self, number: u32) -> Row {
        self.max_arch = Some(number);
        self
    }
}
