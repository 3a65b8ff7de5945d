//! Distributed shared memory: operations on the shared memory of another block of the cluster.
//!
//! The operation is the one on the own memory of a block, done while the two blocks have swapped memories, so that it
//! uses the clocks of the accessing block and the shadow of the accessed one. The accessed memory must exist: the peer
//! has begun, to the knowledge of the thread, and does not end before the access.

use super::exec::{Operands, Pause};
use super::warp::Strand;
use crate::intrinsics::Meaning;
use crate::sim::block::BlockRun;
use crate::sim::bytecode::{Call, CallArg, MemoryBase};
use crate::sim::checks::clocks::Epoch;
use crate::sim::checks::shadow::Touch;
use crate::sim::lanes::{RegisterRow, lanes, write_lane};
use crate::sim::memory::elements::{load_element, store_element};
use crate::sim::report::FaultKind;

impl<'l> BlockRun<'l> {
    /// Runs an intrinsic on the memory of the block whose rank is an operand.
    pub fn call_at_peer(&mut self, warp: usize, strand: &mut Strand, number: u32, operand: u8) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let rank_of = |lane: usize| self.operand(warp, strand, call, operand as usize, lane) as u32;
        let rank = rank_of(strand.mask.trailing_zeros() as usize);
        // Lanes that access different blocks are split off.
        let same: u32 = lanes(strand.mask).filter(|lane| rank_of(*lane) == rank).map(|lane| 1 << lane).sum();
        if same != strand.mask {
            let (others, pc) = (strand.mask & !same, strand.pc);
            self.warps[warp].split(strand, others, pc);
        }
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let site = self.launch.program.accesses[*access as usize].site;
        if !self.check_peer(warp, strand.mask, rank, site) {
            return Some(self.stop());
        }
        if matches!(call.meaning, Meaning::PushStore | Meaning::PushReduce(_) | Meaning::PushCopy) {
            return self.issue_remote_store(warp, strand, number, rank);
        }
        for lane in lanes(strand.mask) {
            self.note_peer_access(
                rank,
                Epoch { time: self.clocks.now(warp), who: (warp * 32 + lane) as u32, block: self.number, site },
            );
        }
        self.at_rank(rank, |block| block.call_here(warp, strand, number))
    }

    /// Returns operand `index` of a call in a lane.
    pub fn operand(&self, warp: usize, strand: &Strand, call: &Call, index: usize, lane: usize) -> u64 {
        let regs = self.warps[warp].regs.as_ptr() as *mut RegisterRow;
        call.lane(&Operands { regs, slots: &strand.slots, consts: &self.launch.program.consts }, index, lane)
    }

    /// Checks that the lanes may access the memory of the block of that rank. Returns false after a fault.
    pub fn check_peer(&mut self, warp: usize, mask: u32, rank: u32, site: u32) -> bool {
        let verb = self.launch.program.sites[site as usize].verb;
        let who = format!("{} {verb}", self.thread_name(warp, mask.trailing_zeros() as usize));
        let count = self.launch.program.cluster.iter().product::<u32>();
        if rank >= count {
            let (rank, s) = (rank as i32, if count == 1 { "" } else { "s" });
            let message = format!("there is no block of rank {rank}: the cluster has {count} block{s}");
            self.fault(FaultKind::ClusterPeer, message, (site, who), Vec::new());
            return false;
        }
        let Some(member) = self.member.as_ref().filter(|member| member.rank != rank) else { return true };
        let cluster = member.cluster.clone();
        let cell = cluster.blocks[rank as usize].borrow();
        let Some(peer) = cell.as_ref() else { return true };
        if peer.alive == 0 {
            let message = format!("the block of rank {rank} has ended, and its shared memory with it");
            let others = vec![(peer.last_exit, format!("{} ended here", self.launch.block_name(peer.number)))];
            self.fault(FaultKind::ClusterPeer, message, (site, who), others);
            return false;
        }
        if !self.launch.options.checks.races {
            return true;
        }
        if let Some(lane) = lanes(mask).find(|lane| !self.clocks.knows(warp, *lane, peer.number)) {
            let message = format!(
                "the block of rank {rank} may not have begun when its shared memory is accessed; call `cluster_sync()` in \
                 all blocks before the first access"
            );
            let who = format!("{} {verb}", self.thread_name(warp, lane));
            self.fault(FaultKind::ClusterPeer, message, (site, who), Vec::new());
            return false;
        }
        true
    }

    /// Records an access to the memory of the block of that rank, which must not end before.
    pub fn note_peer_access(&mut self, rank: u32, epoch: Epoch) {
        if !self.launch.options.checks.races {
            return;
        }
        let Some(member) = &mut self.member else { return };
        if member.rank == rank {
            if epoch.is_agent() {
                member.visits.insert((epoch.block, epoch.who), epoch);
            }
            return;
        }
        if let Some(theirs) =
            member.cluster.blocks[rank as usize].borrow_mut().as_mut().and_then(|peer| peer.member.as_mut())
        {
            theirs.visits.insert((epoch.block, epoch.who), epoch);
        }
    }

    /// Calls `f` on this block while it has the shared memory of the block of that rank.
    pub fn at_rank<R>(&mut self, rank: u32, f: impl FnOnce(&mut Self) -> R) -> R {
        let member = self.member.as_ref().filter(|member| member.rank != rank);
        let Some(cluster) = member.map(|member| member.cluster.clone()) else { return f(self) };
        let Some(cell) = cluster.blocks.get(rank as usize) else { return f(self) };
        let Some(mut peer) = cell.borrow_mut().take() else { return f(self) };
        self.swap_memory(&mut peer);
        let result = f(self);
        self.swap_memory(&mut peer);
        if let Some(member) = &mut peer.member {
            member.look_again = true;
        }
        *cell.borrow_mut() = Some(peer);
        result
    }

    /// Swaps the shared memories of two blocks, and all state that belongs to them.
    fn swap_memory(&mut self, other: &mut BlockRun<'l>) {
        std::mem::swap(&mut self.shared, &mut other.shared);
        std::mem::swap(&mut self.shadow, &mut other.shadow);
        std::mem::swap(&mut self.mbarriers, &mut other.mbarriers);
        std::mem::swap(&mut self.released_shared, &mut other.released_shared);
    }

    /// [`Meaning::Load`] and [`Meaning::Store`].
    pub fn access(&mut self, warp: usize, strand: &Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let access = &self.launch.program.accesses[*access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return Some(Pause::Stopped) };
        let stores = call.meaning == Meaning::Store;
        let touch = if stores { Touch::Write } else { Touch::Read };
        self.observe(warp, access, &offsets.at, offsets.active, touch);
        if self.stopped {
            return Some(Pause::Stopped);
        }
        let (base, bytes) = (self.base(access.place), access.elem.bytes());
        for lane in lanes(offsets.active) {
            // SAFETY: within bounds and aligned to the element.
            let at = unsafe { base.add(offsets.at[lane] as usize * bytes) };
            if stores {
                let value = self.operand(warp, strand, call, 1, lane);
                // SAFETY: as above.
                unsafe { store_element(at, bytes, value) };
            } else {
                // SAFETY: as above.
                self.set_result(warp, call, lane, unsafe { load_element(at, bytes) });
            }
        }
        None
    }

    /// [`Meaning::PeerAddress`]: the rank in the upper bits, the byte in the lower ones.
    pub fn peer_address(&mut self, warp: usize, strand: &Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let Some(CallArg::Address(access)) = call.args.first() else { return None };
        let access = &self.launch.program.accesses[*access as usize];
        let Some(offsets) = self.offsets(warp, strand, access) else { return Some(Pause::Stopped) };
        let MemoryBase::Shared(byte) = access.place else { return None };
        for lane in lanes(offsets.active) {
            let rank = self.operand(warp, strand, call, 1, lane) as u32;
            let at = byte + offsets.at[lane] * access.elem.bytes() as u32;
            self.set_result(warp, call, lane, u64::from(rank << 24 | at));
        }
        None
    }

    /// Sets the result of a call in a lane.
    fn set_result(&mut self, warp: usize, call: &Call, lane: usize, value: u64) {
        if let Some((row, scalar)) = call.result {
            // SAFETY: the row belongs to the result.
            unsafe {
                let row = self.warps[warp].regs.as_mut_ptr().add(row as usize);
                write_lane(row, scalar.bytes() == 8, lane, value);
            }
        }
    }
}
