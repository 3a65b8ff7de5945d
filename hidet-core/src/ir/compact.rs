//! Compaction: removes unused items and numbers values, variables, loops and statements in order of appearance.
//!
//! The compact form is the normal form in which functions are printed and compared.

use super::arena::{Arena, Handle, SecondaryMap};
use super::function::{BufferId, Entries, Function, LoopId, MapId, Param, ValueId, VarId};
use super::handles::{Mention, MentionMut};
use super::stmt::{Block, StmtId};

/// Maps old handles to new ones, in order of first appearance.
struct Renumbering<I> {
    new: Vec<Option<I>>,
    order: Vec<I>,
}

impl<I: Handle> Renumbering<I> {
    fn new(len: usize) -> Self {
        Renumbering { new: vec![None; len], order: Vec::new() }
    }

    /// Records an appearance and returns true if it was the first. A handle that names no item does not count.
    fn see(&mut self, old: I) -> bool {
        match self.new.get_mut(old.index()) {
            Some(slot @ None) => {
                *slot = Some(I::new(self.order.len()));
                self.order.push(old);
                true
            }
            _ => false,
        }
    }

    fn apply(&self, handle: &mut I) {
        // A handle that names no item still names none, so that the verifier can report it.
        *handle = self.new.get(handle.index()).copied().flatten().unwrap_or_else(|| I::new(u32::MAX as usize));
    }

    fn keep<T>(&self, arena: &mut Arena<I, T>) {
        let mut items: Vec<Option<T>> = std::mem::take(arena).into_items().map(Some).collect();
        *arena = self.order.iter().filter_map(|old| items[old.index()].take()).collect();
    }
}

impl Function {
    /// Removes what the body and the signature do not use, and numbers values, variables, loops and statements in order
    /// of appearance. All dims are kept; buffers and tensor maps in use keep their order, parameters first.
    pub fn compact(&mut self) {
        let mut values = Renumbering::<ValueId>::new(self.values.len());
        let mut vars = Renumbering::<VarId>::new(self.vars.len());
        let mut loops = Renumbering::<LoopId>::new(self.loops.len());
        let mut stmts = Renumbering::<StmtId>::new(self.stmts.len());
        let mut used_buffers = vec![false; self.buffers.len()];
        let mut used_maps = vec![false; self.maps.len()];
        let mut buffers = Renumbering::<BufferId>::new(self.buffers.len());
        let mut maps = Renumbering::<MapId>::new(self.maps.len());

        for param in &self.params {
            match param {
                Param::Tensor { buffer, .. } => {
                    buffers.see(*buffer);
                }
                Param::Scalar { value, .. } => {
                    values.see(*value);
                }
            }
        }
        // An explicit stack of (block, next statement), so that deep nesting cannot overflow the machine stack.
        let mut stack = vec![(&self.body, 0)];
        while let Some((block, next)) = stack.pop() {
            let Some(&id) = block.0.get(next) else { continue };
            stack.push((block, next + 1));
            if !stmts.see(id) {
                continue;
            }
            let stmt = &self.stmts[id];
            stmt.each_mention(&mut |mention| match mention {
                Mention::Define(value) | Mention::Use(value) => {
                    values.see(value);
                }
                Mention::Var(var) => {
                    vars.see(var);
                }
                Mention::Loop(label) => {
                    loops.see(label);
                }
                Mention::Buffer(buffer) => {
                    if let Some(used) = used_buffers.get_mut(buffer.index()) {
                        *used = true;
                    }
                }
                Mention::Map(map) => {
                    if let Some(used) = used_maps.get_mut(map.index()) {
                        *used = true;
                    }
                }
                Mention::Dim(_) => {}
            });
            let nested: Vec<&Block> = stmt.blocks().collect();
            stack.extend(nested.into_iter().rev().map(|block| (block, 0)));
        }
        for (id, map) in self.maps.iter().filter(|(id, _)| used_maps[id.index()]) {
            maps.see(id);
            if let Some(used) = used_buffers.get_mut(map.buffer.index()) {
                *used = true;
            }
        }
        loop {
            let more: Vec<BufferId> = self
                .buffers
                .iter()
                .filter(|(id, _)| used_buffers[id.index()] || buffers.new[id.index()].is_some())
                .flat_map(|(_, buffer)| [buffer.alias, buffer.entries.and_then(|entries| entries.rows)])
                .flatten()
                .filter(|alias| used_buffers.get(alias.index()) == Some(&false))
                .collect();
            if more.is_empty() {
                break;
            }
            more.into_iter().for_each(|alias| used_buffers[alias.index()] = true);
        }
        for id in self.buffers.handles().filter(|id| used_buffers[id.index()]) {
            buffers.see(id);
        }

        let mut spans = SecondaryMap::new();
        for (new, &old) in stmts.order.iter().enumerate() {
            spans[StmtId::new(new)] = self.spans[old];
        }
        self.spans = spans;
        stmts.keep(&mut self.stmts);
        values.keep(&mut self.values);
        vars.keep(&mut self.vars);
        loops.keep(&mut self.loops);
        buffers.keep(&mut self.buffers);
        maps.keep(&mut self.maps);

        for param in &mut self.params {
            match param {
                Param::Tensor { buffer, .. } => buffers.apply(buffer),
                Param::Scalar { value, .. } => values.apply(value),
            }
        }
        for id in self.buffers.handles() {
            if let Some(alias) = &mut self.buffers[id].alias {
                buffers.apply(alias);
            }
            if let Some(Entries { rows: Some(rows) }) = &mut self.buffers[id].entries {
                buffers.apply(rows);
            }
        }
        for id in self.maps.handles() {
            buffers.apply(&mut self.maps[id].buffer);
        }
        for id in self.stmts.handles() {
            let stmt = &mut self.stmts[id];
            stmt.each_mention_mut(&mut |mention| match mention {
                MentionMut::Define(value) | MentionMut::Use(value) => values.apply(value),
                MentionMut::Var(var) => vars.apply(var),
                MentionMut::Loop(label) => loops.apply(label),
                MentionMut::Buffer(buffer) => buffers.apply(buffer),
                MentionMut::Map(map) => maps.apply(map),
                MentionMut::Dim(_) => {}
            });
            for block in stmt.blocks_mut() {
                block.0.iter_mut().for_each(|id| stmts.apply(id));
            }
        }
        self.body.0.iter_mut().for_each(|id| stmts.apply(id));
    }

    /// Returns a compact copy; see [`Function::compact`].
    pub fn compacted(&self) -> Function {
        let mut copy = self.clone();
        copy.compact();
        copy
    }

    /// Returns true if both functions are equal except for source positions, unused items and the numbers of handles.
    pub fn structurally_equals(&self, other: &Function) -> bool {
        self.compacted().equals(&other.compacted())
    }

    /// Returns true if both functions are equal, with the same numbers of handles, except for source positions.
    pub fn equals(&self, other: &Function) -> bool {
        let (a, b) = (self, other);
        a.name == b.name
            && a.dims == b.dims
            && a.params == b.params
            && a.launch == b.launch
            && a.constraints == b.constraints
            && a.buffers == b.buffers
            && a.maps == b.maps
            && a.vars == b.vars
            && a.loops == b.loops
            && a.values == b.values
            && a.stmts == b.stmts
            && a.body == b.body
    }

    /// Calls `f` for every statement of the body in order, outer before inner.
    pub fn each_stmt(&self, f: &mut dyn FnMut(StmtId, &super::Stmt)) {
        self.each_stmt_in(&self.body, f);
    }

    /// Calls `f` for every statement of a block in order, outer before inner.
    pub fn each_stmt_in(&self, block: &Block, f: &mut dyn FnMut(StmtId, &super::Stmt)) {
        for &id in &block.0 {
            let stmt = &self.stmts[id];
            f(id, stmt);
            for nested in stmt.blocks() {
                self.each_stmt_in(nested, f);
            }
        }
    }
}
