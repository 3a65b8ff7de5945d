//! Accesses in the bytecode. One of a table of tensors is an access for each of its entries, with consecutive numbers.

use super::Compiler;
use crate::sim::bytecode::{Call, CallArg, EntryAccess, Inst, MemoryAccess, MemoryBase};

impl Compiler<'_> {
    /// Adds an access in units of its element, and returns its number.
    pub(super) fn push_access(&mut self, access: MemoryAccess) -> u32 {
        if let MemoryBase::Shared(_) = access.place {
            self.program.shared_granule = self.program.shared_granule.min(access.elem.bytes() as u32);
        }
        self.push_bulk_access(access)
    }

    /// Adds an access in units of 16 bytes, and returns its number.
    pub(super) fn push_bulk_access(&mut self, access: MemoryAccess) -> u32 {
        let number = self.program.accesses.len() as u32;
        match (access.entry.and(self.tables.get(&access.buffer)), access.place) {
            (Some(entries), MemoryBase::Global(first)) => {
                let of_entry = |(entry, limit): (u32, &u64)| {
                    let limit = access.limit.min(*limit);
                    MemoryAccess { place: MemoryBase::Global(first + entry), limit, ..access }
                };
                self.program.accesses.extend((0..).zip(*entries).map(of_entry));
            }
            _ => self.program.accesses.push(access),
        }
        number
    }

    /// Emits an instruction with that access, once for each entry that lanes select if it is of a table.
    pub(super) fn emit_access(&mut self, inst: Inst, access: &MemoryAccess) {
        let Some(entry) = access.entry else { return self.emit(inst) };
        let count = self.tables.get(&access.buffer).map_or(0, |entries| entries.len() as u32);
        let MemoryAccess { buffer, wide, guard, site, .. } = *access;
        self.program.entries.push(EntryAccess { entry, wide, guard, buffer, count, inst, site });
        let entry = self.program.entries.len() as u32 - 1;
        self.emit(Inst::Entry { entry });
    }

    pub(super) fn push_call(&mut self, call: Call) {
        let number = self.program.calls.len() as u32;
        let inst = Inst::Call { call: number };
        let of_table = call.args.iter().enumerate().find_map(|(place, arg)| match arg {
            CallArg::Address(access) => {
                let described = self.program.accesses.get(*access as usize).copied()?;
                described.entry.map(|_| (place, *access, described))
            }
            _ => None,
        });
        let Some((place, access, described)) = of_table else {
            self.program.calls.push(call);
            return self.emit(inst);
        };
        for entry in 0..self.tables.get(&described.buffer).map_or(0, |entries| entries.len() as u32) {
            let mut call = call.clone();
            call.args[place] = CallArg::Address(access + entry);
            self.program.calls.push(call);
        }
        self.emit_access(inst, &described);
    }
}
