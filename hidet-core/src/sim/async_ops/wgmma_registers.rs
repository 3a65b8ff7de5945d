//! The registers that `wgmma` uses while it is in flight, and the fences before it.

use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, MemoryAccess, MemoryBase};
use crate::sim::interp::warp_group::WARPS;
use crate::sim::report::FaultKind;
use std::collections::HashMap;

/// Registers in use by a product.
#[derive(Debug, Clone, Copy)]
pub struct BusyRegisters {
    pub number: u64,
    first: u32,
    end: u32,
    writes: bool,
    site: u32,
}

/// The state of the registers of a warp.
#[derive(Debug, Default)]
pub struct WarpRegisters {
    /// The number of fences so far.
    pub fences: u32,
    /// By row: the number of fences when a thread last accessed it, and the site.
    touched: HashMap<u32, (u32, u32)>,
    pub busy: Vec<BusyRegisters>,
}

impl BlockRun<'_> {
    /// Records the use of registers of a warp by a product, and reports a missing fence.
    #[allow(clippy::too_many_arguments)]
    pub fn registers_of_product(
        &mut self,
        warp: usize,
        call: &Call,
        access: &MemoryAccess,
        first: u32,
        count: u32,
        writes: bool,
        reads: bool,
    ) {
        let number = self.agents.products.groups.get(&((warp / WARPS) as u32)).map_or(0, |group| group.issued);
        let Some(registers) = self.agents.products.registers.get_mut(warp) else { return };
        let (fences, touched) = (registers.fences, &registers.touched);
        let unfenced = (first..first + count).find_map(|row| touched.get(&row).filter(|touched| touched.0 == fences));
        let unfenced = match unfenced {
            Some((_, site)) => Some(Some(*site)),
            None if fences == 0 => Some(None),
            None => None,
        };
        registers.busy.push(BusyRegisters { number, first, end: first + count, writes, site: call.site });
        let name = self.launch.function.buffers[access.buffer].name.clone();
        let who = self.thread_name(warp, 0);
        if let Some(site) = unfenced
            && self.launch.options.checks.races
        {
            let message = format!(
                "registers of `{name}` are used by a wgmma without a fence; put `wgmma_fence()` between earlier accesses and the wgmma"
            );
            let others = site.map(|site| (site, format!("{who} accesses them")));
            self.fault(
                FaultKind::Race,
                message,
                (call.site, format!("{who} multiplies")),
                others.into_iter().collect(),
            );
        }
        if !self.launch.options.checks.uninitialised {
            return;
        }
        let mut unset = None;
        for row in first..first + count {
            let written = &mut self.warps[warp].written[row as usize];
            if reads && *written != u32::MAX {
                unset.get_or_insert((row, (!*written).trailing_zeros()));
            }
            *written = u32::MAX;
        }
        if let Some((row, lane)) = unset {
            let MemoryBase::Register(base) = access.place else { return };
            self.report_unset_at(warp, lane as usize, access.buffer, call.site, row - base);
        }
    }

    /// `wgmma.fence`: later products may use registers that were accessed before.
    pub fn fence_products(&mut self, first: usize) {
        for registers in self.agents.products.registers.iter_mut().skip(first).take(WARPS) {
            registers.fences += 1;
        }
    }

    /// Records an access of a thread to rows of its register memory.
    pub fn note_registers(
        &mut self,
        warp: usize,
        lane: usize,
        access: &MemoryAccess,
        first: u32,
        rows: u32,
        write: bool,
    ) {
        let Some(registers) = self.agents.products.registers.get_mut(warp) else { return };
        for row in first..first + rows {
            registers.touched.insert(row, (registers.fences, access.site));
        }
        let busy =
            registers.busy.iter().find(|busy| busy.first < first + rows && first < busy.end && (busy.writes || write));
        let Some(busy) = busy.copied().filter(|_| self.launch.options.checks.races) else { return };
        let MemoryBase::Register(base) = access.place else { return };
        let name = &self.launch.function.buffers[access.buffer].name;
        let element = (first - base) / (1 + (access.elem.bytes() == 8) as u32);
        let message = format!(
            "element {element} of `{name}` is accessed while a wgmma {} it; put `wgmma_wait` before the access",
            if busy.writes { "changes" } else { "reads" }
        );
        let who = self.thread_name(warp, lane);
        let mine = format!("{who} {} it", if write { "writes" } else { "reads" });
        self.fault(FaultKind::Race, message, (access.site, mine), vec![(busy.site, format!("{who} multiplies"))]);
    }

    /// Reports products in flight when a warp ends.
    pub fn products_ended(&mut self, warp: usize) {
        let Some(registers) = self.agents.products.registers.get_mut(warp) else { return };
        let busy = std::mem::take(&mut registers.busy);
        if let Some(busy) = busy.first() {
            let message = "a warp group ends while its wgmma are in flight; put `wgmma_commit()` and `wgmma_wait(0)` before the end";
            let who = self.thread_name(warp, 0);
            let others = vec![(self.warps[warp].exits[0], format!("{who} ends"))];
            self.fault(FaultKind::Unfinished, message, (busy.site, format!("{who} multiplies")), others);
        }
    }
}
