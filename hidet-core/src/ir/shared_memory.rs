//! The layout of shared memory: where the buffers of a block are, and how many bytes it needs. The launch contract,
//! estimates, the simulated device and the CUDA text use the same one, so that they agree to the byte.
//!
//! Works at every stage of lowering.

use super::{BufferId, Function, Scope, SecondaryMap, descriptor};
use hidet_mapping::IndexExpr;

/// A part of the shared memory of a block: a buffer, with the buffers that are aliases of it.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedArea {
    /// The buffer that is not an alias.
    pub owner: BufferId,
    /// The buffers in it that are in use; the owner need not be one of them.
    pub buffers: Vec<BufferId>,
    /// Its alignment in bytes.
    pub align: i64,
    /// Its offset in bytes, a multiple of the alignment.
    pub offset: IndexExpr,
    /// Its size in bytes.
    pub bytes: IndexExpr,
}

/// The shared memory of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SharedMemory {
    /// Its parts, in the order of their offsets.
    pub areas: Vec<SharedArea>,
}

impl SharedMemory {
    /// Returns the shared memory of the buffers that the body accesses.
    pub fn of(function: &Function) -> SharedMemory {
        let mut used: SecondaryMap<BufferId, bool> = SecondaryMap::new();
        function.each_stmt(&mut |_, stmt| stmt.each_index(&mut |buffer, _| used[buffer] = true));
        let needed = descriptor::alignments(function);
        let mut areas: Vec<SharedArea> = Vec::new();
        for (id, buffer) in function.buffers.iter().filter(|(_, buffer)| buffer.scope == Scope::Shared) {
            if !used[id] {
                continue;
            }
            let owner = descriptor::owner(function, id);
            let bytes = buffer.layout.size() * (buffer.elem.bytes() as i64);
            let align = i64::from(buffer.align).max(16).max(needed[id]).max(needed[owner]);
            match areas.iter_mut().find(|area| area.owner == owner) {
                Some(area) => {
                    area.buffers.push(id);
                    area.align = area.align.max(align);
                    area.bytes = area.bytes.max(bytes);
                }
                None => areas.push(SharedArea { owner, buffers: vec![id], align, offset: 0.into(), bytes }),
            }
        }
        // Known sizes first, and among them the largest alignment first: this minimises padding, and most offsets are
        // constants.
        areas.sort_by_key(|area| (area.bytes.as_const().is_none(), -area.align));
        let mut end = IndexExpr::Const(0);
        for area in &mut areas {
            area.offset = aligned(&end, area.align);
            end = area.offset.clone() + area.bytes.clone();
        }
        SharedMemory { areas }
    }

    /// Returns the number of bytes.
    pub fn bytes(&self) -> IndexExpr {
        self.areas.last().map_or(IndexExpr::Const(0), |area| area.offset.clone() + area.bytes.clone())
    }
}

/// Returns the next multiple of an alignment.
pub fn aligned(offset: &IndexExpr, align: i64) -> IndexExpr {
    match offset.as_const() {
        Some(offset) => IndexExpr::Const(offset.saturating_add(align - 1) / align * align),
        None => (offset.clone() + (align - 1)) / align * align,
    }
}
