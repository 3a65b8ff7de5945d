//! Accesses of tables of tensors.

use super::{Inst, Src};
use crate::ir::BufferId;

/// An access of a table of tensors: an instruction for each of its entries.
#[derive(Clone, Copy, Debug)]
pub struct EntryAccess {
    /// The number of the entry: an `i64` if `wide`, else an `i32`.
    pub entry: Src,
    pub wide: bool,
    /// If given, only lanes where this holds select an entry.
    pub guard: Option<Src>,
    pub buffer: BufferId,
    /// The number of entries.
    pub count: u32,
    /// The instruction for the first entry. The accesses and calls of the others have the numbers behind its own.
    pub inst: Inst,
    pub site: u32,
}

impl EntryAccess {
    /// Returns the instruction for an entry.
    pub fn of_entry(&self, entry: u32) -> Inst {
        match self.inst {
            Inst::Load { access, d } => Inst::Load { access: access + entry, d },
            Inst::LoadUniform { access, d } => Inst::LoadUniform { access: access + entry, d },
            Inst::Store { access, value } => Inst::Store { access: access + entry, value },
            Inst::CheckAlign { access, bytes } => Inst::CheckAlign { access: access + entry, bytes },
            Inst::Call { call } => Inst::Call { call: call + entry },
            other => other,
        }
    }
}
