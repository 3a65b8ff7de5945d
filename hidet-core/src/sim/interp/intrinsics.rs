//! Dispatches calls of intrinsics by their meaning.

use super::exec::Pause;
use super::warp::{State, Strand};
use crate::intrinsics::{Meaning, Order};
use crate::sim::block::BlockRun;
use crate::sim::bytecode::CallArg;
use crate::sim::lanes::{lanes, write_lane};

impl BlockRun<'_> {
    /// Runs an intrinsic. Returns `None` if the strand goes on; the interpreter then advances it.
    pub fn call(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        match self.launch.program.calls[number as usize].peer {
            Some(rank) => self.call_at_peer(warp, strand, number, rank),
            None => self.call_here(warp, strand, number),
        }
    }

    /// The same on the memory of the own block.
    pub fn call_here(&mut self, warp: usize, strand: &mut Strand, number: u32) -> Option<Pause> {
        let call = &self.launch.program.calls[number as usize];
        let pause = match call.meaning {
            Meaning::SyncThreads => {
                strand.state = State::Block { site: call.site };
                strand.pc += 1;
                self.waiting += strand.mask.count_ones();
                return Some(Pause::Waiting);
            }
            Meaning::BarrierSync | Meaning::BarrierArrive => self.named_barrier(warp, strand, number),
            Meaning::ElectOne
            | Meaning::SyncWarp
            | Meaning::Shuffle(_)
            | Meaning::Vote(_)
            | Meaning::Redux(_)
            | Meaning::Mma(_)
            | Meaning::LoadMatrix { .. }
            | Meaning::StoreMatrix { .. } => self.warp_op(warp, strand, number),
            Meaning::ActiveMask => {
                if let Some((row, _)) = call.result {
                    for lane in lanes(strand.mask) {
                        // SAFETY: the row belongs to the result.
                        unsafe {
                            let row = self.warps[warp].regs.as_mut_ptr().add(row as usize);
                            write_lane(row, false, lane, strand.mask as u64);
                        }
                    }
                }
                None
            }
            Meaning::Atomic(..) | Meaning::AtomicLoad(..) | Meaning::AtomicStore(..) => {
                self.atomic(warp, strand, number)
            }
            Meaning::Fence(level) => {
                self.fence(warp, strand, level);
                None
            }
            Meaning::FenceProxyAsync(space) => {
                self.fence_proxy(warp, strand, Some(space));
                None
            }
            Meaning::MbarrierInitFence => {
                self.fence_proxy(warp, strand, None);
                None
            }
            Meaning::TensorLoad { .. }
            | Meaning::TensorMulticast { .. }
            | Meaning::TensorStore(_)
            | Meaning::BulkLoad
            | Meaning::BulkStore(_) => self.bulk_copy(warp, strand, number),
            Meaning::BulkCommit => {
                self.bulk_commit(warp, strand);
                None
            }
            Meaning::BulkWait | Meaning::BulkWaitRead => {
                let left = match call.args.first() {
                    Some(CallArg::Imm(left)) => *left as u64,
                    _ => 0,
                };
                self.bulk_wait(warp, strand, left, call.meaning == Meaning::BulkWaitRead);
                None
            }
            Meaning::Wgmma { .. }
            | Meaning::WgmmaFence
            | Meaning::WgmmaCommit
            | Meaning::WgmmaWait
            | Meaning::SetMaxRegisters { .. } => self.group_call(warp, strand, number),
            Meaning::GridWait => {
                self.wait_for_ahead(warp, strand.mask);
                None
            }
            // Launches of the simulated device do not overlap.
            Meaning::Prefetch | Meaning::GridLaunch => None,
            Meaning::MbarrierInit
            | Meaning::MbarrierInvalidate
            | Meaning::MbarrierArrive(_)
            | Meaning::MbarrierArriveExpect
            | Meaning::MbarrierExpect
            | Meaning::MbarrierWait
            | Meaning::MbarrierTest => self.mbarrier(warp, strand, number),
            Meaning::Bits(op) => {
                self.values(warp, strand, number, |scalar, operands| op.compute(scalar, operands));
                None
            }
            Meaning::Approx(function) => {
                let result = |x: u64| u64::from(function.compute(f32::from_bits(x as u32)).to_bits());
                self.values(warp, strand, number, |_, [x, ..]| result(x));
                None
            }
            Meaning::LoadVector { .. } | Meaning::StoreVector | Meaning::ReduceVector => {
                self.vector(warp, strand, number)
            }
            Meaning::CpAsync { bytes } => self.copy_async(warp, strand, number, bytes),
            Meaning::CpAsyncCommit => {
                self.commit(warp, strand);
                None
            }
            Meaning::CpAsyncWait => {
                let left = match call.args.first() {
                    Some(CallArg::Imm(left)) => *left as usize,
                    _ => 0,
                };
                self.wait_async(warp, strand, Some(left));
                None
            }
            Meaning::CpAsyncWaitAll => {
                self.wait_async(warp, strand, None);
                None
            }
            Meaning::CpAsyncMbarrierArrive { expected } => self.arrive_async(warp, strand, number, expected),
            Meaning::NanoSleep => {
                strand.pc += 1;
                return Some(Pause::Time);
            }
            Meaning::Clock => {
                self.ticks += 1;
                self.progress();
                if let Some((row, _)) = call.result {
                    for lane in lanes(strand.mask) {
                        // SAFETY: the rows belong to the result.
                        unsafe {
                            let row = self.warps[warp].regs.as_mut_ptr().add(row as usize);
                            write_lane(row, true, lane, self.ticks);
                        }
                    }
                }
                None
            }
            Meaning::ClusterArrive(order) => self.cluster_barrier(warp, strand, call.site, Some(order), false),
            Meaning::ClusterWait => self.cluster_barrier(warp, strand, call.site, None, true),
            Meaning::ClusterSync => self.cluster_barrier(warp, strand, call.site, Some(Order::AcqRel), true),
            Meaning::GridSync => {
                strand.state = State::Grid { site: call.site };
                strand.pc += 1;
                self.at_grid.waiting += strand.mask.count_ones();
                return Some(Pause::Waiting);
            }
            Meaning::Load | Meaning::Store => self.access(warp, strand, number),
            Meaning::PeerAddress => self.peer_address(warp, strand, number),
            // These always access a peer.
            Meaning::PushStore | Meaning::PushReduce(_) | Meaning::PushCopy => None,
        };
        if self.stopped {
            return Some(Pause::Stopped);
        }
        pause
    }
}
